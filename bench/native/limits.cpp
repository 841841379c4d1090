// The native limits that the tables divide by. Each mode prints one JSON object.
//   limits ring <capacity> <batch> <ms> <spins>  descriptors there and back between two threads
//   limits latency <ms> <spins>                  one descriptor there and back, each alone
//   limits futex <ms> <pause us> <cores>         two threads wake each other, on one core or on two
//   limits memcpy <bytes> <ms>
// The ring is the best that its author could do: cached indices, one exchange per published batch that also answers
// whether the other side sleeps, 64-byte copies that the compiler makes vector moves of. Each thread is held on a core
// of its own, where there are two.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

using Clock = std::chrono::steady_clock;
static double since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}
static void futexWait(std::atomic<int32_t> *word, int32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
static void futexWake(std::atomic<int32_t> *word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

// Holds the calling thread on the n-th core that the process is allowed, if there are so many.
static cpu_set_t allowed;
static void hold(int n) {
  for (int core = 0; core < CPU_SETSIZE; core++) {
    if (!CPU_ISSET(core, &allowed) || n-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}
static void relax() { __builtin_ia32_pause(); }

struct Descriptor {
  int64_t word[8];
};

// An index word holds (index << 1) | whether the other side sleeps.
struct Ring {
  alignas(128) std::atomic<int32_t> head{0};
  alignas(128) std::atomic<int32_t> tail{0};
  alignas(128) std::vector<Descriptor> slots;
  int32_t mask;
  explicit Ring(int32_t capacity) : slots(capacity), mask(capacity - 1) {}
};

struct Producer {
  Ring &ring;
  int32_t head = 0, published = 0, tailSeen = 0;
  int32_t room() {
    int32_t used = head - tailSeen;
    if (used > ring.mask) {
      tailSeen = ring.tail.load(std::memory_order_acquire);
      used = head - tailSeen;
    }
    return ring.mask + 1 - used;
  }
  Descriptor &slot() { return ring.slots[head++ & ring.mask]; }
  void publish() {
    if (head == published) return;
    published = head;
    if (ring.head.exchange((int32_t)((uint32_t)head << 1)) & 1) futexWake(&ring.head);
  }
};

struct Consumer {
  Ring &ring;
  int32_t tail = 0, headSeen = 0;
  int32_t available() {
    if (headSeen == tail) headSeen = ring.head.load(std::memory_order_acquire) >> 1;
    return headSeen - tail;
  }
  Descriptor &slot() { return ring.slots[tail++ & ring.mask]; }
  void release() { ring.tail.store(tail, std::memory_order_release); }
  void wait(int spins) {
    int32_t empty = (int32_t)((uint32_t)tail << 1);
    for (int turn = 0;; turn++) {
      int32_t raw = ring.head.load(std::memory_order_acquire);
      if ((raw & ~1) != empty) return;
      if (turn < spins) {
        relax();
        continue;
      }
      if ((raw & 1) || ring.head.compare_exchange_strong(raw, raw | 1)) futexWait(&ring.head, empty | 1);
    }
  }
};

static double nanoseconds(int64_t ms) { return ms * 1e6; }

// A descriptor whose first word is negative is the last.
static void echo(Ring &there, Ring &back, int32_t batch, int spins) {
  Consumer in{there};
  Producer out{back};
  for (bool open = true; open;) {
    int32_t n = std::min(in.available(), batch);
    if (n == 0) {
      in.wait(spins);
      continue;
    }
    if (out.room() < n) {
      relax();
      continue;
    }
    for (int32_t k = 0; k < n; k++) {
      Descriptor &slot = out.slot() = in.slot();
      open = open && slot.word[0] >= 0;
    }
    out.publish();
    in.release();
  }
}

static const Descriptor LAST{{-1}};

static void ring(int32_t capacity, int32_t batch, int64_t ms, int spins) {
  Ring there(capacity), back(capacity);
  std::thread worker([&] { hold(1), echo(there, back, batch, spins); });
  Producer out{there};
  Consumer in{back};
  int64_t sent = 0, got = 0, sum = 0;
  Descriptor pattern{{0, 1, 2, 3, 4, 5, 6, 7}};
  auto start = Clock::now();
  bool open = true;
  for (int64_t turn = 0; open || got < sent; turn++) {
    if ((turn & 63) == 0) open = since(start) < nanoseconds(ms);
    bool sends = open && sent - got <= capacity - batch && out.room() >= batch;
    if (sends) {
      for (int32_t k = 0; k < batch; k++) {
        pattern.word[0] = sent++;
        out.slot() = pattern;
      }
      out.publish();
    }
    int32_t n = in.available();
    if (n > 0) {
      for (int32_t k = 0; k < n; k++) {
        Descriptor &slot = in.slot();
        for (int w = 0; w < 8; w++) sum += slot.word[w];
      }
      in.release();
      got += n;
    } else if (!sends && got < sent) in.wait(spins);
  }
  double ns = since(start);
  out.slot() = LAST;
  out.publish();
  worker.join();
  bool whole = sum == sent * 28 + sent * (sent - 1) / 2;
  printf("{\"perSecond\":%.0f,\"ok\":%s}\n", sent / ns * 1e9, whole ? "true" : "false");
}

static void spread(std::vector<double> &each) {
  std::sort(each.begin(), each.end());
  size_t count = each.size();
  printf("{\"p50\":%.1f,\"p99\":%.1f}\n", each[count / 2], each[count * 99 / 100]);
}

static void latency(int64_t ms, int spins) {
  Ring there(64), back(64);
  std::thread worker([&] { hold(1), echo(there, back, 1, spins); });
  Producer out{there};
  Consumer in{back};
  std::vector<double> each;
  auto first = Clock::now();
  for (int64_t k = 0; since(first) < nanoseconds(ms); k++) {
    auto start = Clock::now();
    out.slot() = Descriptor{{k}};
    out.publish();
    in.wait(spins);
    in.available();
    in.slot();
    in.release();
    each.push_back(since(start));
  }
  out.slot() = LAST;
  out.publish();
  worker.join();
  spread(each);
}

// Nobody spins: each side waits in the kernel for the other, who has slept for `pause` microseconds.
static void futex(int64_t ms, int64_t pause, int cores) {
  alignas(128) static std::atomic<int32_t> ping{0};
  alignas(128) static std::atomic<int32_t> pong{0};
  std::thread worker([&] {
    hold(cores > 1 ? 1 : 0);
    for (int32_t k = 1;; k++) {
      int32_t seen;
      while ((seen = ping.load()) == k - 1) futexWait(&ping, k - 1);
      if (seen < 0) return;
      pong.store(k);
      futexWake(&pong);
    }
  });
  std::vector<double> each;
  auto first = Clock::now();
  for (int32_t k = 1; since(first) < nanoseconds(ms) || each.empty(); k++) {
    if (pause > 0) std::this_thread::sleep_for(std::chrono::microseconds(pause));
    auto start = Clock::now();
    ping.store(k);
    futexWake(&ping);
    while (pong.load() < k) futexWait(&pong, k - 1);
    each.push_back(since(start));
  }
  ping.store(-1);
  futexWake(&ping);
  worker.join();
  spread(each);
}

static void copy(size_t bytes, int64_t ms) {
  std::vector<char> from(bytes, 1), to(bytes);
  int64_t count = 0;
  auto start = Clock::now();
  while (since(start) < nanoseconds(ms)) {
    for (int k = 0; k < 64; k++, count++) {
      memcpy(to.data(), from.data(), bytes);
      asm volatile("" : : "r"(to.data()) : "memory");
    }
  }
  printf("{\"p50\":%.1f}\n", since(start) / count);
}

int main(int argc, char **argv) {
  auto number = [&](int at) { return argc > at ? atoll(argv[at]) : 0; };
  const char *mode = argc > 1 ? argv[1] : "";
  sched_getaffinity(0, sizeof allowed, &allowed);
  hold(0);
  if (!strcmp(mode, "ring")) ring(number(2), number(3), number(4), number(5));
  else if (!strcmp(mode, "latency")) latency(number(2), number(3));
  else if (!strcmp(mode, "futex")) futex(number(2), number(3), number(4));
  else if (!strcmp(mode, "memcpy")) copy(number(2), number(3));
  else return fprintf(stderr, "no mode %s\n", mode), 2;
}
