import { Packr, Unpackr } from 'msgpackr';
import { messageOf } from '../../base/said.ts';

// A frame is four bytes of length (big-endian), one byte of version, and one msgpack value. Nothing that comes in is
// trusted: a length beyond the bound, another version and rubbish end the connection that they came on, with a reason.

export const FRAME_VERSION = 1;
/** The largest body that is sent, in bytes. */
export const LARGEST_FRAME = 4 * 1024 * 1024;
/** Maps and arrays within each other; no request or answer comes near it. */
const DEEPEST = 32;

const HEADER = 5;

// Plain maps and arrays only: records, extensions and classes would be more for a peer to play with.
const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** What came in is no frame. The connection cannot be used any more: nobody knows where the next one begins. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** Plain maps, arrays, text, numbers and bytes as msgpack. */
export const packPlain = (value: unknown): Buffer => packr.pack(value);

export function encodeFrame(value: unknown): Buffer {
  const body = packPlain(value);
  if (body.length > LARGEST_FRAME)
    throw new FrameError(`a frame of ${body.length} bytes; at most ${LARGEST_FRAME} are sent`);
  const frame = Buffer.allocUnsafe(HEADER + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame.writeUInt8(FRAME_VERSION, 4);
  body.copy(frame, HEADER);
  return frame;
}

/** Puts frames together from whatever pieces a stream gives. */
export class FrameDecoder {
  readonly #largest: number;
  #pieces: Buffer[] = [];
  #held = 0;

  /** Takes bodies of at most `largest` bytes. */
  constructor(largest: number) {
    this.#largest = largest;
  }

  /**
   * The values that are whole with this piece, one after the other, to be taken all. Throws a {@link FrameError}
   * behind the last good one; use the decoder no more after it.
   */
  *push(piece: Buffer): Generator<unknown, void> {
    this.#pieces.push(piece);
    this.#held += piece.length;
    for (;;) {
      if (this.#held < HEADER) return;
      const header = this.#peek(HEADER);
      const length = header.readUInt32BE(0);
      const version = header.readUInt8(4);
      if (version !== FRAME_VERSION) throw new FrameError(`version ${version}; expected ${FRAME_VERSION}`);
      if (length > this.#largest)
        throw new FrameError(`a frame of ${length} bytes; at most ${this.#largest} are taken`);
      if (this.#held < HEADER + length) return;
      yield unpackPlain(this.#take(HEADER + length).subarray(HEADER));
    }
  }

  #peek(count: number): Buffer {
    if (this.#pieces[0]!.length < count) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0]!;
  }

  /** Joined once per frame, however many pieces it came in. */
  #take(count: number): Buffer {
    const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    const rest = all.subarray(count);
    this.#pieces = rest.length > 0 ? [rest] : [];
    this.#held = rest.length;
    return all.subarray(0, count);
  }
}

/** Reads what {@link packPlain} wrote. Throws a {@link FrameError} for anything else. */
export function unpackPlain(body: Buffer): unknown {
  if (plainValue(body, 0, DEEPEST) !== body.length) throw new FrameError('no plain msgpack value');
  try {
    return unpackr.unpack(body);
  } catch (error) {
    throw new FrameError(`no msgpack value: ${messageOf(error)}`);
  }
}

/** Bytes that follow the first one of a value, before its content. */
const FIXED: Readonly<Record<number, number>> = {
  0xc0: 0,
  0xc2: 0,
  0xc3: 0,
  0xca: 4,
  0xcb: 8,
  0xcc: 1,
  0xcd: 2,
  0xce: 4,
  0xcf: 8,
  0xd0: 1,
  0xd1: 2,
  0xd2: 4,
  0xd3: 8,
};
/** Bytes of the length of strings and binaries, and of the count of arrays and maps, with the values of each element. */
const COUNTED: Readonly<Record<number, { readonly width: 1 | 2 | 4; readonly values?: 1 | 2 }>> = {
  0xc4: { width: 1 },
  0xc5: { width: 2 },
  0xc6: { width: 4 },
  0xd9: { width: 1 },
  0xda: { width: 2 },
  0xdb: { width: 4 },
  0xdc: { width: 2, values: 1 },
  0xdd: { width: 4, values: 1 },
  0xde: { width: 2, values: 2 },
  0xdf: { width: 4, values: 2 },
};

/**
 * Where the value at `at` ends, or -1 when it is not whole, nests too deeply, or is an extension: those make the
 * reader build records, errors, regular expressions and typed arrays. (msgpack specification, formats.)
 */
function plainValue(body: Buffer, at: number, depth: number): number {
  const first = body[at];
  if (first === undefined || depth === 0) return -1;
  if (first <= 0x7f || first >= 0xe0) return at + 1;
  if (first <= 0x8f) return plainValues(body, at + 1, (first & 0x0f) * 2, depth);
  if (first <= 0x9f) return plainValues(body, at + 1, first & 0x0f, depth);
  if (first <= 0xbf) return within(body, at + 1 + (first & 0x1f));
  const fixed = FIXED[first];
  if (fixed !== undefined) return within(body, at + 1 + fixed);
  const counted = COUNTED[first];
  if (counted === undefined || within(body, at + 1 + counted.width) < 0) return -1;
  const count = body.readUIntBE(at + 1, counted.width);
  const content = at + 1 + counted.width;
  if (counted.values === undefined) return within(body, content + count);
  return plainValues(body, content, count * counted.values, depth);
}

function plainValues(body: Buffer, start: number, count: number, depth: number): number {
  let at = start;
  // Each takes at least a byte: what is cut off ends this early, whatever it counts.
  for (let n = 0; n < count && at >= 0; n++) at = plainValue(body, at, depth - 1);
  return at;
}

const within = (body: Buffer, end: number): number => (end <= body.length ? end : -1);
