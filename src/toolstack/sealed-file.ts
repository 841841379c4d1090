import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { constants, deflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib';
import { FrameError, packPlain, unpackPlain } from './control/frame.ts';
import { shown } from './files.ts';
import { UsageError } from './usage.ts';

// A sealed file: 8 bytes that say whose it is, 4 what it is, 4 the version of what it holds, 8 the length of the
// body (all big-endian), 32 the SHA-256 of those and the body; then the body, one plain msgpack value, deflated.
// Whatever is cut off, changed or foreign is found before anything of it is used.

const MAGIC = Buffer.from('COVISOR\n', 'latin1');
const AT = { magic: 0, kind: 8, version: 12, length: 16, sha256: 24, body: 56 } as const;

/** What a sealed file holds, in four characters, and how a person calls it. */
export interface SealedKind {
  readonly tag: string;
  readonly name: string;
  readonly version: number;
  /** The largest body and the largest value in it, in bytes. */
  readonly most: number;
}

const FAST = { level: constants.Z_BEST_SPEED };

/** The bytes of a sealed file with this value. */
export const seal = (kind: SealedKind, value: unknown): Buffer =>
  sealed(kind, deflateRawSync(packPlain(value), FAST));

/** The same for a value that is large: it is compressed on another thread. */
export const sealInBackground = async (kind: SealedKind, value: unknown): Promise<Buffer> =>
  sealed(kind, await promisify(deflateRaw)(packPlain(value), FAST));

function sealed(kind: SealedKind, body: Buffer): Buffer {
  const header = Buffer.alloc(AT.body);
  MAGIC.copy(header, AT.magic);
  header.write(kind.tag, AT.kind, 'latin1');
  header.writeUInt32BE(kind.version, AT.version);
  header.writeBigUInt64BE(BigInt(body.length), AT.length);
  digest(header, body).copy(header, AT.sha256);
  return Buffer.concat([header, body]);
}

/** The value of a sealed file. Throws a `UsageError` of one line that says what is wrong with it. */
export function unseal(kind: SealedKind, file: Buffer, path: string): unknown {
  const refuse = (what: string): never => {
    throw new UsageError(`${shown(path)} ${what}`);
  };
  const expected = `expected a ${kind.name} that Covisor wrote`;
  if (!file.subarray(0, MAGIC.length).equals(MAGIC.subarray(0, Math.max(1, file.length))))
    return refuse(`is no ${kind.name}; ${expected}`);
  if (file.length < AT.body) return refuse(`is torn: ${file.length} bytes; ${expected}, whole`);
  if (file.toString('latin1', AT.kind, AT.version) !== kind.tag)
    return refuse(`is something else of Covisor's; ${expected}`);
  const version = file.readUInt32BE(AT.version);
  if (version !== kind.version)
    return refuse(`has version ${version}; this build reads ${kind.name}s of version ${kind.version}`);
  const length = file.readBigUInt64BE(AT.length);
  const there = BigInt(file.length - AT.body);
  if (length > BigInt(kind.most))
    return refuse(`says that it has ${length} bytes; at most ${kind.most} are read`);
  if (there < length) return refuse(`is torn: ${there} of ${length} bytes are there; ${expected}, whole`);
  if (there > length) return refuse(`has ${there - length} bytes too many; ${expected}, and nothing else`);
  const body = file.subarray(AT.body);
  if (!digest(file, body).equals(file.subarray(AT.sha256, AT.body)))
    return refuse(`is damaged: its SHA-256 is not what it says; ${expected}, unchanged`);
  try {
    return unpackPlain(inflateRawSync(body, { maxOutputLength: kind.most }));
  } catch (error) {
    if (!(error instanceof FrameError) && !(error instanceof Error && 'code' in error)) throw error;
    return refuse(`holds no value that can be read: ${error.message}; ${expected}`);
  }
}

/** Reads and unseals a file. Throws a `UsageError` of one line. */
export function readSealed(kind: SealedKind, path: string): unknown {
  let file: Buffer;
  try {
    const { size } = statSync(path);
    if (size > kind.most + AT.body)
      throw new UsageError(
        `${shown(path)} has ${size} bytes; expected a ${kind.name} of at most ${kind.most}`,
      );
    file = readFileSync(path);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${shown(path)} cannot be read; expected a ${kind.name}`);
  }
  return unseal(kind, file, path);
}

/** Writes a file that is there whole or not at all. */
export function writeWhole(path: string, content: Uint8Array): void {
  const part = `${path}.part`;
  try {
    const file = openSync(part, 'w', 0o600);
    try {
      for (let done = 0; done < content.length;) done += writeSync(file, content, done);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}

const digest = (header: Buffer, body: Buffer): Buffer =>
  createHash('sha256').update(header.subarray(0, AT.sha256)).update(body).digest();
