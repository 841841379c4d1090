// A kind of coprocessor of your own: its registers, and how it is run and stopped. To use it, write in system.dts
//
//     platform = "./platforms/engine.js";
//
// It is loaded twice: by the hypervisor, which answers for the registers while the context is away, and by the
// coprocessor's own thread, which runs the device. They share nothing but the register window.

const STATE = 0x00;
const STEPS = 0x04;
const IRQ_STATUS = 0x08;
const IRQ_MASK = 0x0c;
const FENCE = 0x10;
const FAULT_ADDRESS = 0x14;
const BUSY = 1;

/** What a guest may do with a register, whether firmware may write it, and what a write means while it is away. */
const register = (name, offset, access, away, firmware = false) => ({
  name,
  offset,
  access,
  away,
  firmware,
  reset: 0,
});

/** @type {import('covisor').Platform} */
export default {
  compatible: 'example,engine',
  summary: 'an engine that stops between any two steps',
  module: import.meta.url,
  registers: [
    register('STATE', STATE, 'read-only', 'refused'),
    register('STEPS', STEPS, 'read-only', 'refused'),
    register('IRQ_STATUS', IRQ_STATUS, 'write-one-clears', 'replayed'),
    register('IRQ_MASK', IRQ_MASK, 'read-write', 'latched'),
    register('FENCE', FENCE, 'read-only', 'refused'),
    register('FAULT_ADDRESS', FAULT_ADDRESS, 'read-only', 'refused'),
  ],
  // Which of them every coprocessor has.
  core: {
    interruptStatus: IRQ_STATUS,
    interruptMask: IRQ_MASK,
    fence: FENCE,
    faultAddress: FAULT_ADDRESS,
  },
  // Units of work in one step: it can be asked to leave after each.
  stepBudget: 1000,
  createDevice: () => ({
    onWrite(window, offset, value) {
      if (offset === IRQ_STATUS) Atomics.and(window, IRQ_STATUS >> 2, ~value);
    },
    // Whether the next command may begin.
    accepts: () => true,
    onStart: (window) => void Atomics.store(window, STATE >> 2, BUSY),
    onStep: (window) => void Atomics.add(window, STEPS >> 2, 1),
    onEnd: (window, _ok) => void Atomics.store(window, STATE >> 2, 0),
    // Asked before a context leaves. The firmware has its say: microseconds after which to ask again, or 0.
    quiesce(_window, _active, firmware) {
      const wait = firmware();
      return wait > 0 ? { kind: 'denied', retryAfter: wait * 1000 } : { kind: 'quiet' };
    },
  }),
};
