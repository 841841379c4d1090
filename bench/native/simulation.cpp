// Timers that ask to happen again after a pseudo-random delay, under SystemC: simulation <pending> <events>.
// Prints events per second, as JSON. SC_METHOD and next_trigger: the fastest processes that SystemC has.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <systemc>
#include <vector>

static uint32_t chance = 12345;
static long done = 0, wanted = 0;

struct Timer : sc_core::sc_module {
  SC_HAS_PROCESS(Timer);
  explicit Timer(sc_core::sc_module_name name) : sc_module(name) { SC_METHOD(fire); }
  void fire() {
    if (++done >= wanted) return sc_core::sc_stop();
    chance = chance * 1664525u + 1013904223u;
    // The default resolution is a picosecond.
    next_trigger(sc_core::sc_time::from_value((1 + (chance >> 8) % 1000) * 1000));
  }
};

int sc_main(int, char **arguments) {
  const int pending = atoi(arguments[1]);
  wanted = atol(arguments[2]);
  std::vector<Timer *> timers;
  for (int n = 0; n < pending; n++) timers.push_back(new Timer(sc_core::sc_gen_unique_name("timer")));
  const auto begun = std::chrono::steady_clock::now();
  sc_core::sc_start();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  printf("{\"perSecond\": %f}\n", done / seconds);
  return 0;
}
