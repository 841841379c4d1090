import type { Platform, Register } from '../contract/platform.ts';
import { FULL, type RingProducer } from '../memory/ring.ts';
import type { ContextImage } from '../memory/context-image.ts';

/** Posted and replayed writes that one vcoproc may have waiting; more are refused, as a bus would stall. */
const MAX_REPLAY = 4096;

interface Write {
  readonly register: Register;
  readonly value: number;
}

/** Writes that a window keeps while its context is at rest. */
export interface SavedWindow {
  readonly replay: readonly { readonly offset: number; readonly value: number }[];
  readonly refused: number;
}

/** The coprocessor's real window, while it is mapped to one vcoproc. */
export interface MappedWindow {
  readonly words: Int32Array;
  readonly posted: RingProducer;
  ring(): void;
}

/**
 * One domain's view of a register window: the real one while its vcoproc has the coprocessor, emulated
 * from the saved context and the platform's rules while it has not. Every offset answers in every state.
 */
export class RegisterWindow {
  readonly #registers = new Map<number, Register>();
  readonly #image: ContextImage;
  readonly #maskOffset: number;
  readonly #onUnmasked: () => void;
  #mapped: MappedWindow | undefined;
  /** The coprocessor has the image, or may take it at any moment: it is not ours to write. */
  #lent = false;
  #replay: Write[] = [];
  /** Accesses to offsets that have no register, and writes that the rules refused. */
  refused = 0;

  /** `onUnmasked`: the interrupt mask was changed while the context was away. */
  constructor(platform: Platform, image: ContextImage, maskOffset: number, onUnmasked: () => void) {
    for (const register of platform.registers) this.#registers.set(register.offset, register);
    this.#image = image;
    this.#maskOffset = maskOffset;
    this.#onUnmasked = onUnmasked;
    this.reset();
  }

  /** The saved registers go to their reset values. */
  reset(): void {
    this.#image.registers.fill(0);
    for (const register of this.#registers.values())
      this.#image.registers[register.offset >> 2] = register.reset;
    this.#replay = [];
  }

  save(): SavedWindow {
    const replay = this.#replay.map(({ register, value }) => ({ offset: register.offset, value }));
    return { replay, refused: this.refused };
  }

  /** The registers themselves are the image's. */
  restore({ replay, refused }: SavedWindow): void {
    this.refused = refused;
    this.#replay = replay.flatMap(({ offset, value }) => {
      const register = this.#registers.get(offset);
      return register === undefined ? [] : [{ register, value }];
    });
  }

  get mapped(): boolean {
    return this.#mapped !== undefined;
  }

  read(offset: number): number {
    const register = this.#registers.get(offset);
    if (register === undefined || register.access === 'none') {
      this.refused++;
      return 0;
    }
    const words = this.#mapped?.words ?? this.#image.registers;
    const stored = Atomics.load(words, offset >> 2);
    if (register.access !== 'read-write') return stored >>> 0;
    // Read your own writes, even those that the device has not seen yet.
    return (this.#replay.findLast((write) => write.register === register)?.value ?? stored) >>> 0;
  }

  write(offset: number, value: number): void {
    const register = this.#registers.get(offset);
    if (register === undefined || register.access === 'none' || register.access === 'read-only') {
      this.refused++;
      return;
    }
    if (this.#mapped !== undefined) this.#through(this.#mapped, { register, value: value | 0 });
    else this.#emulate({ register, value: value | 0 });
  }

  /** Step 8 of the world switch: replays what was written meanwhile, in order, then gives the real window. */
  map(window: MappedWindow): void {
    this.#mapped = window;
    this.#lent = true;
    this.flush();
  }

  /** Its context is about to be loaded: what is written from now on waits for the real window. */
  lend(): void {
    this.#lent = true;
  }

  /** The context is away, with its image at rest: what was kept for lack of it goes there. */
  takeBack(): void {
    this.#lent = false;
    this.#replay = this.#replay.filter((write) => !this.#latch(write));
  }

  /** Whether the context is in the coprocessor, or may be at any moment. */
  get lent(): boolean {
    return this.#lent;
  }

  /** Whether the context is on its way: what a guest reads now may be older than what the coprocessor did. */
  get moving(): boolean {
    return this.#lent && this.#mapped === undefined;
  }

  /** Step 2: from now on every access is emulated, beginning with what the device shows at this moment. */
  unmap(): void {
    if (this.#mapped === undefined) return;
    // Word by word: the device still writes there until it is quiet.
    const { words } = this.#mapped;
    const { registers } = this.#image;
    for (const offset of this.#registers.keys()) registers[offset >> 2] = Atomics.load(words, offset >> 2);
    this.#mapped = undefined;
  }

  /** The coprocessor is gone: the window goes without a last look at it. */
  drop(): void {
    this.#mapped = undefined;
    this.takeBack();
  }

  /** Sends kept writes on, as far as the device has room for them. */
  flush(): void {
    const window = this.#mapped;
    if (window === undefined) return;
    while (this.#replay.length > 0 && this.#send(window, this.#replay[0]!)) this.#replay.shift();
  }

  #through(window: MappedWindow, write: Write): void {
    if (this.#replay.length > 0 || !this.#send(window, write)) this.#keep(write);
  }

  /** A write to the real window. Plain storage is stored; what acts on the device is posted to it, in order. */
  #send(window: MappedWindow, { register, value }: Write): boolean {
    if (register.access === 'read-write') Atomics.store(window.words, register.offset >> 2, value);
    else {
      const at = window.posted.claim();
      if (at === FULL) return false;
      if (at >= 0) {
        window.posted.words[at] = register.offset;
        window.posted.words[at + 1] = value;
        window.posted.publish();
      }
    }
    window.ring();
    return true;
  }

  #emulate(write: Write): void {
    const { register } = write;
    if (register.away === 'refused') this.refused++;
    else if (this.#lent || !this.#latch(write)) this.#keep(write);
    else if (register.offset === this.#maskOffset) this.#onUnmasked();
  }

  /** Whether a write goes to the saved registers at once. */
  #latch({ register, value }: Write): boolean {
    if (register.away !== 'latched') return false;
    this.#image.latch(register.offset >> 2, value);
    return true;
  }

  #keep(write: Write): void {
    if (this.#replay.length < MAX_REPLAY) this.#replay.push(write);
    else this.refused++;
  }
}
