import type { Duration, Instant } from '../base/units.ts';
import type { ChannelMemory, MemorySource, QueueMemory, QueueService } from '../contract/port.ts';
import { doorbellBytes } from './doorbell.ts';
import { freshMemory } from './recycled-memory.ts';
import { ringBytes } from './ring.ts';

/** Bytes of a register window. */
export const WINDOW_BYTES = 4096;
export const WINDOW_WORDS = WINDOW_BYTES / 4;

/** Doorbells of a channel, by index. */
export const BELL = { coprocessor: 0, hypervisor: 1 } as const;

/** Words beside the doorbells: messages that the hypervisor sent through the control plane. */
export const MESSAGES_SENT = 64;

/** The slot that the coprocessor is attaching, plus one; 0 when it is not: it answers nobody meanwhile. */
export const ATTACHING = 80;

/** Words of a channel's counters. */
export const COUNTER = { iotlbHits: 0, iotlbMisses: 1 } as const;
const COUNTER_BYTES = 64;

export function createChannel(memory: MemorySource = freshMemory): ChannelMemory {
  return {
    control: memory.shared(ringBytes(64)),
    events: memory.shared(ringBytes(1024)),
    posted: memory.shared(ringBytes(256)),
    window: memory.shared(WINDOW_BYTES),
    bells: memory.shared(doorbellBytes(3)),
    counters: memory.shared(COUNTER_BYTES),
  };
}

export function createQueue(capacity: number, memory: MemorySource = freshMemory): QueueMemory {
  return { commands: memory.shared(ringBytes(capacity)), completions: memory.shared(ringBytes(capacity)) };
}

/** What the hypervisor tells a coprocessor: word 0 of a control descriptor. */
export const CONTROL = {
  /** Words 1 from slot, 2 to slot (NO_SLOT: none), 3 sequence, 4-5 length of the slice, 6 whether at the end of the present slice. */
  worldSwitch: 1,
  /** Words 1 slot, 4-5 length of a new slice from now on. */
  extend: 2,
  /**
   * How a queue is served from now on. Words 1 slot, 2 queue, 3 sequence, 4-5 how long a completion may wait for its
   * interrupt, 6 evicted, 7 gone, 8 priority, 9 completions of one interrupt.
   */
  queue: 3,
  /** Word 1 slot: this context leaves without being asked, if it is there, and is lost. Answered by `dropped`. */
  drop: 4,
} as const;

/** What a coprocessor tells the hypervisor: word 0 of an event descriptor; 1 slot, 2-3 when. */
export const EVENT = {
  /** 4 the state's index in COPROC_STATES. */
  state: 1,
  /** 4 sequence, 5 bytes saved, 6 bytes loaded, 7 whether the context that left has more to do, 8 since when, 10 of that, the time until it was quiet. */
  switched: 2,
  /** 4 sequence, 5 microseconds to ask again after. */
  denied: 3,
  /** 4 sequence. The context that should come could not be loaded; 5… reason. Nothing is loaded now. */
  loadFailed: 4,
  /** The slice is over; 4 whether a command is under way, 5 its queue, 6 its sequence number. */
  expired: 5,
  /** 4 line, 5 how many. */
  interrupt: 6,
  /** The context trapped and is lost; 4 the queue of the command, 5… reason. */
  trapped: 7,
  /** 4 kind of access, 5 address: a DMA outside of what is mapped. 6 how many there were before, untold, 7 the queue of the command. */
  iommuFault: 8,
  /** 4 epoch: no translation older than this is in use. */
  invalidated: 9,
  /** 4 queue: an index in its rings cannot be true. It is served no more. */
  corrupt: 10,
  /** 4 queue, 5 sequence of the control command that evicted it: no command of it is under way. */
  evicted: 11,
  /** The context was taken out, or was not there. */
  dropped: 12,
  /** The context denied to leave, is through with that command, and begins no other before it is told to go on. */
  through: 13,
} as const;

export const NO_SLOT = -1;

/** An instant takes two words: nanoseconds need more than 32 bits. */
export function writeInstant(words: Int32Array, at: number, when: Instant): void {
  words[at] = (when % 0x1_0000_0000) | 0;
  words[at + 1] = Math.floor(when / 0x1_0000_0000);
}

export function readInstant(words: Int32Array, at: number): Instant {
  return ((words[at]! >>> 0) + words[at + 1]! * 0x1_0000_0000) as Instant;
}

const TEXT_WORD = 5;
const TEXT_BYTES = (16 - TEXT_WORD) * 4;

/** Writes a short text (ASCII, cut at 44 characters) into a descriptor. */
export function writeText(words: Int32Array, at: number, text: string): void {
  for (let word = 0; word < TEXT_BYTES / 4; word++) {
    let value = 0;
    for (let byte = 0; byte < 4; byte++)
      value |= ((text.charCodeAt(word * 4 + byte) || 0) & 0x7f) << (byte * 8);
    words[at + TEXT_WORD + word] = value;
  }
}

export function readText(words: Int32Array, at: number): string {
  let text = '';
  for (let byte = 0; byte < TEXT_BYTES; byte++) {
    const code = (words[at + TEXT_WORD + (byte >> 2)]! >> ((byte & 3) * 8)) & 0xff;
    if (code === 0) break;
    text += String.fromCharCode(code);
  }
  return text;
}

/** Writes how a queue is served into a control descriptor, but for `time`, which stands where others have a slice. */
export function writeService(words: Int32Array, at: number, service: QueueService): void {
  words[at + 6] = service.evicted ? 1 : 0;
  words[at + 7] = service.gone ? 1 : 0;
  words[at + 8] = service.priority;
  words[at + 9] = service.count;
}

export function readService(words: Int32Array, at: number, time: Duration): QueueService {
  return {
    time,
    evicted: words[at + 6] === 1,
    gone: words[at + 7] === 1,
    priority: words[at + 8]!,
    count: words[at + 9]!,
  };
}
