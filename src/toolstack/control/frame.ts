import { Packr, Unpackr } from 'msgpackr';

// A frame is four bytes of length (big-endian), one byte of version, and one msgpack value. Nothing that comes in is
// trusted: a length beyond the bound, another version and rubbish end the connection that they came on, with a reason.

export const FRAME_VERSION = 1;
/** The largest body that is sent or taken, in bytes. */
export const LARGEST_FRAME = 4 * 1024 * 1024;

const HEADER = 5;

// Plain maps and arrays only: records, extensions and classes would be more for a peer to play with.
const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** What came in is no frame. The connection cannot be used any more: nobody knows where the next one begins. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

export function encodeFrame(value: unknown): Buffer {
  const body = packr.pack(value);
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
  #pieces: Buffer[] = [];
  #held = 0;

  /** The values that are whole with this piece. Throws a {@link FrameError}; use the decoder no more after it. */
  push(piece: Buffer): unknown[] {
    this.#pieces.push(piece);
    this.#held += piece.length;
    const values: unknown[] = [];
    for (;;) {
      if (this.#held < HEADER) return values;
      const header = this.#peek(HEADER);
      const length = header.readUInt32BE(0);
      const version = header.readUInt8(4);
      if (version !== FRAME_VERSION) throw new FrameError(`version ${version}; expected ${FRAME_VERSION}`);
      if (length > LARGEST_FRAME)
        throw new FrameError(`a frame of ${length} bytes; at most ${LARGEST_FRAME} are taken`);
      if (this.#held < HEADER + length) return values;
      values.push(decode(this.#take(HEADER + length).subarray(HEADER)));
    }
  }

  #peek(count: number): Buffer {
    const first = this.#pieces[0]!;
    return first.length >= count ? first : Buffer.concat(this.#pieces);
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

function decode(body: Buffer): unknown {
  try {
    return unpackr.unpack(body);
  } catch (error) {
    throw new FrameError(`no msgpack value: ${error instanceof Error ? error.message : String(error)}`);
  }
}
