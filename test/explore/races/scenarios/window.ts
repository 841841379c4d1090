// Revoking a register window: what was written before belongs to the context that leaves, what comes after waits.
import type { Platform, Register } from '../../../../src/contract/platform.ts';
import { RegisterWindow, type MappedWindow } from '../../../../src/hypervisor/window.ts';
import { WINDOW_BYTES } from '../../../../src/memory/channel.ts';
import type { FirmwareImage } from '../../../../src/contract/firmware.ts';
import { ContextImage, imageBytes } from '../../../../src/memory/context-image.ts';
import { RingConsumer, RingProducer, ringMemory } from '../../../../src/memory/ring.ts';
import { pause, scenario } from '../../../../src/explore/races/scenario.ts';

const DOOR = 0;
const SETTING = 4;
const LEFT = 0;

const register = (name: string, offset: number, access: Register['access']): Register => ({
  name,
  offset,
  access,
  firmware: false,
  reset: 0,
  away: access === 'trigger' ? 'replayed' : 'latched',
});

const platform = {
  registers: [register('door', DOOR, 'trigger'), register('setting', SETTING, 'read-write')],
} as unknown as Platform;

const firmware = { globals: [] } as unknown as FirmwareImage;

const system = () => {
  const posted = ringMemory(2);
  const control = ringMemory(1);
  const words = new Int32Array(new SharedArrayBuffer(WINDOW_BYTES));
  const image = new ContextImage(new SharedArrayBuffer(imageBytes(firmware)), firmware);
  const mapped: MappedWindow = { words, posted: new RingProducer(posted), ring() {} };
  return {
    mapped,
    window: new RegisterWindow(platform, image, -1, () => {}),
    control: new RingProducer(control),
    device: {
      words,
      posted: new RingConsumer(posted),
      control: new RingConsumer(control),
      seen: [] as number[],
    },
    left: new Int32Array(new SharedArrayBuffer(4)),
    seenByFirst: [] as number[],
  };
};
type System = ReturnType<typeof system>;

function drainPosted({ device }: System): void {
  while (device.posted.available() > 0) {
    const at = device.posted.peek();
    device.seen.push(device.posted.words[at + 1]!);
    device.posted.release();
  }
}

/** Takes the window away, then asks the device to leave. */
function revoke({ window, control }: System): void {
  window.unmap();
  const at = control.claim();
  control.words[at] = 1;
  control.publish();
}

/** What the coprocessor does between two steps, until it is asked to leave. */
function serve(state: System): void {
  const { control } = state.device;
  while (control.available() === 0) {
    drainPosted(state);
    pause();
  }
  control.release();
  drainPosted(state);
  state.seenByFirst = [...state.device.seen];
  Atomics.store(state.left, LEFT, 1);
}

export const scenarios = {
  'posted writes before and after the revoke': scenario({
    setup() {
      const state = system();
      state.window.map(state.mapped);
      return state;
    },
    threads: {
      hypervisor(state) {
        const { window } = state;
        window.write(DOOR, 1);
        window.write(SETTING, 5);
        window.write(DOOR, 2);
        revoke(state);
        window.write(DOOR, 3);
        while (Atomics.load(state.left, LEFT) === 0) pause();
        window.takeBack();
        window.write(SETTING, 6);
        window.map(state.mapped);
      },
      device: serve,
    },
    check(state) {
      const { window, device, seenByFirst } = state;
      if (seenByFirst.join() !== '1,2') throw new Error(`the context that left saw ${seenByFirst.join()}`);
      drainPosted(state);
      if (device.seen.join() !== '1,2,3') throw new Error(`the device saw ${device.seen.join()}`);
      window.unmap();
      if (window.read(SETTING) !== 5) throw new Error(`the setting reads ${window.read(SETTING)}`);
    },
  }),
  'more posted writes than the ring has room for': scenario({
    setup() {
      const state = system();
      state.window.map(state.mapped);
      return state;
    },
    threads: {
      hypervisor(state) {
        const { window } = state;
        for (let write = 1; write <= 3; write++) window.write(DOOR, write);
        revoke(state);
        while (Atomics.load(state.left, LEFT) === 0) pause();
        window.takeBack();
        window.map(state.mapped);
      },
      device: serve,
    },
    check(state) {
      drainPosted(state);
      if (state.device.seen.join() !== '1,2,3') throw new Error(`the device saw ${state.device.seen.join()}`);
    },
  }),
};
