/** A binary that is damaged or that breaks a rule: the entry points of the room turn it into a failed outcome. */
export class RefusedModule extends Error {
  override readonly name = 'RefusedModule';
  readonly offset: number | undefined;

  constructor(what: string, offset?: number) {
    super(what);
    this.offset = offset;
  }
}

export function refuse(why: string): never {
  throw new RefusedModule(why);
}

/** Reads a WebAssembly binary from front to back. Every read is checked against the end. */
export class Reader {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  refuse(what: string, at = this.at): never {
    throw new RefusedModule(what, at);
  }

  byte(): number {
    if (this.at >= this.end) this.refuse('ends too early');
    return this.bytes[this.at++]!;
  }

  skip(count: number): void {
    if (count > this.end - this.at) this.refuse(`ends too early, ${count} bytes expected`);
    this.at += count;
  }

  /** Unsigned LEB128 of at most 32 bits. */
  u32(): number {
    const start = this.at;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    return this.refuse('a number is longer than 32 bits', start);
  }

  /** Signed LEB128 of at most 32 bits. */
  s32(): number {
    const value = this.signed(5);
    if (value !== BigInt.asIntN(32, value)) this.refuse('a number is longer than 32 bits');
    return Number(value);
  }

  /** Signed LEB128 of at most 33 bits: a block type. */
  s33(): number {
    const value = this.signed(5);
    if (value !== BigInt.asIntN(33, value)) this.refuse('a number is longer than 33 bits');
    return Number(value);
  }

  /** Signed LEB128 of at most 64 bits. */
  s64(): bigint {
    return BigInt.asIntN(64, this.signed(10));
  }

  private signed(maximumBytes: number): bigint {
    const start = this.at;
    let value = 0n;
    for (let count = 0; count < maximumBytes; count++) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << BigInt(7 * count);
      if (byte < 0x80) return BigInt.asIntN(7 * (count + 1), value);
    }
    return this.refuse(`a number is longer than ${maximumBytes} bytes`, start);
  }

  /** The number of things that follow, each at least one byte long: no binary makes us loop for nothing. */
  count(): number {
    const start = this.at;
    const count = this.u32();
    if (count > this.end - this.at) this.refuse(`announces ${count} entries, more than fit`, start);
    return count;
  }

  /** A length, then that many bytes, as a reader of their own. */
  sized(): Reader {
    const length = this.u32();
    const start = this.at;
    this.skip(length);
    return new Reader(this.bytes, start, this.at);
  }

  text(): string {
    const { at, end } = this.sized();
    try {
      // A decoder does not take shared memory: copy.
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.bytes.slice(at, end));
    } catch {
      return this.refuse('a name is not UTF-8', at);
    }
  }
}
