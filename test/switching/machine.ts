import { createHash } from 'node:crypto';
import { present } from '../../src/base/assert.ts';
import { NO_TIME, START, ms, ns, us, type Instant } from '../../src/base/units.ts';
import type { FirmwareImage } from '../../src/contract/firmware.ts';
import type { Command } from '../../src/contract/guest.ts';
import { coprocId } from '../../src/contract/names.ts';
import type { Platform } from '../../src/contract/platform.ts';
import type { ContextSpec } from '../../src/contract/port.ts';
import { CoprocessorCore } from '../../src/coprocessor/core.ts';
import { firmwareLibrary } from '../../src/firmware/library.ts';
import {
  BELL,
  CONTROL,
  EVENT,
  NO_SLOT,
  createChannel,
  createQueue,
  readText,
  writeInstant,
} from '../../src/memory/channel.ts';
import { ContextImage, imageBytes, type FrontEndState } from '../../src/memory/context-image.ts';
import { Doorbell } from '../../src/memory/doorbell.ts';
import { GuestRam, PAGE_BYTES } from '../../src/memory/guest-ram.ts';
import { BOARD_BYTES } from '../../src/memory/queue-board.ts';
import { AddressSpace, RIGHT } from '../../src/memory/page-table.ts';
import { DESCRIPTOR_WORDS, RingConsumer, RingProducer } from '../../src/memory/ring.ts';

const QUEUE = 16;
const SERVICE = { evicted: false, gone: false, priority: 8, count: 1, time: NO_TIME };
const library = firmwareLibrary();

export function firmware(name: string): FirmwareImage {
  const loaded = library.load(name, { metered: false });
  if (loaded.kind === 'failed') throw new Error(loaded.reason);
  return loaded.value;
}

/** What a context works on: places its data in guest memory and says which commands to run. */
export interface Work {
  readonly firmware: FirmwareImage;
  readonly ramBytes: number;
  commands(place: (bytes: Uint8Array | number) => number): readonly Command[];
}

/** A context with its work, as a hypervisor would hold it. */
export class Subject {
  readonly spec: ContextSpec;
  readonly image: ContextImage;
  readonly local: Uint8Array;
  readonly ram: GuestRam;
  readonly commands: readonly Command[];
  /** Its buffers in guest memory. */
  readonly placed: Uint8Array[] = [];
  /** Whole completion descriptors, as they came. */
  readonly completions: number[][] = [];
  readonly interrupts: number[] = [];
  readonly #taken: RingConsumer;

  constructor(slot: number, platform: Platform, work: Work) {
    const memory = new SharedArrayBuffer(imageBytes(work.firmware));
    this.image = new ContextImage(memory, work.firmware);
    for (const { offset, reset } of platform.registers) this.image.registers[offset >> 2] = reset;
    const { memoryPages } = work.firmware;
    const local = new WebAssembly.Memory({ initial: memoryPages, maximum: memoryPages, shared: true });
    this.local = new Uint8Array(local.buffer);
    this.ram = new GuestRam(work.ramBytes);
    const space = new AddressSpace(work.ramBytes);
    const queue = createQueue(QUEUE);
    this.spec = {
      slot,
      firmware: work.firmware,
      image: memory,
      local,
      ram: this.ram.memory,
      pageTable: space.memory,
      queues: [{ index: 0, memory: queue, service: SERVICE }],
      board: new SharedArrayBuffer(BOARD_BYTES),
    };
    // Contexts use the same I/O addresses for other pages: a translation of one is wrong for the next.
    this.ram.allocate((1 + (slot % 7)) * PAGE_BYTES);
    this.#taken = new RingConsumer(queue.completions);
    this.commands = work.commands((data) => {
      const size = typeof data === 'number' ? data : data.length;
      const address = present(this.ram.allocate(size), 'the test has memory for its data');
      const view = this.ram.view(address, size);
      if (typeof data !== 'number') view.set(data);
      this.placed.push(view);
      return present(space.map(address, size, RIGHT.read | RIGHT.write), 'and addresses for it');
    });
    const ring = new RingProducer(queue.commands);
    for (const [sequence, { op, args = [] }] of this.commands.entries()) {
      const at = ring.claim();
      ring.words.set([sequence, op, ...args], at);
    }
    ring.publish();
  }

  get done(): boolean {
    const ring = this.#taken;
    while (ring.available() > 0) {
      const at = ring.peek();
      this.completions.push([...ring.words.subarray(at, at + DESCRIPTOR_WORDS)]);
      ring.release();
    }
    return this.completions.length === this.commands.length;
  }
}

/** One coprocessor core, turned by hand: what the hypervisor says to it is the test's to choose. */
export class Machine {
  readonly core: CoprocessorCore;
  /** Calls of `start` and `step` so far: the boundary at which the loaded context stands. */
  steps = 0;
  denials = 0;
  readonly #subjects = new Map<number, Subject>();
  readonly #control: RingProducer;
  readonly #events: RingConsumer;
  #sequence = 0;
  #now: Instant = START;

  constructor(platform: Platform) {
    const channel = createChannel();
    this.#control = new RingProducer(channel.control);
    this.#events = new RingConsumer(channel.events);
    const counted: Platform = {
      ...platform,
      createDevice: () => {
        const device = platform.createDevice();
        const count = (what: (window: Int32Array) => void) => (window: Int32Array) => {
          this.steps++;
          what(window);
        };
        return { ...device, onStart: count(device.onStart), onStep: count(device.onStep) };
      },
    };
    this.core = new CoprocessorCore(
      {
        id: coprocId('cp0'),
        channel,
        localMemory: 1 << 20,
        clock: 1e9,
        switchBandwidth: 0,
        dmaBandwidth: 0,
        interruptLatency: us(0),
        lead: us(0),
        stepLimit: ms(1000),
        verifiesMemory: true,
      },
      counted,
      { now: () => this.#now, spend: (length) => (this.#now = ((this.#now as number) + length) as Instant) },
      new Doorbell(channel.bells, BELL.hypervisor, () => {}),
    );
  }

  /** `prepare` sees the local memory before its firmware comes. */
  attach(work: Work, prepare: (local: Uint8Array) => void = () => {}): Subject {
    const subject = new Subject(this.#subjects.size, this.core.platform, work);
    prepare(subject.local);
    const attached = this.core.attach(subject.spec);
    if (attached.kind === 'failed') throw new Error(attached.reason);
    this.#subjects.set(subject.spec.slot, subject);
    return subject;
  }

  /** Turns until the loaded context has run `steps` more steps, or is through. */
  run(subject: Subject, steps = Infinity): void {
    for (const until = this.steps + steps; this.steps < until && !subject.done;) this.#turn();
  }

  /** A whole world switch. Who denies goes on for a step and is asked again. */
  switchTo(subject: Subject | undefined): void {
    for (;;) {
      const at = this.#control.claim();
      const { words } = this.#control;
      words[at] = CONTROL.worldSwitch;
      words[at + 1] = this.core.loaded?.slot ?? NO_SLOT;
      words[at + 2] = subject?.spec.slot ?? NO_SLOT;
      words[at + 3] = ++this.#sequence;
      writeInstant(words, at + 4, ns(1e9) as number as Instant);
      this.#control.publish();
      if (this.#answer()) return;
      this.denials++;
      const asked = this.steps;
      for (let patience = 100; this.steps === asked && patience > 0; patience--) this.#turn();
    }
  }

  /** Whether the switch came about; false when it was denied. */
  #answer(): boolean {
    for (let patience = 1000; patience > 0; patience--) {
      const answer = this.#turn();
      if (answer !== undefined) return answer === EVENT.switched;
    }
    throw new Error('the core neither switched nor denied');
  }

  /** One turn and what it has to say. */
  #turn(): number | undefined {
    this.core.turn();
    let answer: number | undefined;
    let trouble: string | undefined;
    const events = this.#events;
    for (; events.available() > 0; events.release()) {
      const { words } = events;
      const at = events.peek();
      const [kind, slot] = [words[at]!, words[at + 1]!];
      if (kind === EVENT.interrupt) this.#subjects.get(slot)!.interrupts.push(words[at + 4]!);
      else if (kind === EVENT.trapped || kind === EVENT.loadFailed || kind === EVENT.iommuFault)
        trouble ??= `slot ${slot}: event ${kind}, ${readText(words, at)}`;
      else if ((kind === EVENT.switched || kind === EVENT.denied) && words[at + 4] === this.#sequence)
        answer = kind;
    }
    if (trouble !== undefined) throw new Error(trouble);
    return answer;
  }
}

/** Everything that a context is once it has left: what must not depend on how often it was switched. */
export function remains(subject: Subject, platform: Platform) {
  const { image, local, ram, placed, completions, interrupts } = subject;
  const frontEnd: FrontEndState = { active: false, queue: 0, sequence: 0, fault: undefined };
  image.loadFrontEnd(frontEnd);
  const elsewhere = new Uint8Array(ram.memory).slice();
  for (const { byteOffset, byteLength } of placed) elsewhere.fill(0, byteOffset, byteOffset + byteLength);
  const registers = platform.registers.map(({ name, offset }) => [name, image.registers[offset >> 2]]);
  return {
    completions,
    interrupts,
    registers: Object.fromEntries(registers) as Record<string, number | undefined>,
    globals: hashOf(image.globals),
    local: hashOf(local),
    buffers: placed.map(hashOf),
    strayBytes: elsewhere.filter((byte) => byte !== 0).length,
    frontEnd,
  };
}

const hashOf = (view: ArrayBufferView): string =>
  createHash('sha256')
    .update(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
    .digest('hex');
