import { createHash } from 'node:crypto';
import type { Outcome } from '../base/outcome.ts';
import { failed, ok } from '../base/outcome.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import { checkAbi } from './abi.ts';
import { rewriteModule } from './rewrite.ts';
import { readModule, reading } from './wasm-module.ts';

/** Larger than any sensible firmware; keeps a foreign file from costing minutes. */
const MAXIMUM_BYTES = 16 * 1024 * 1024;

export interface PrepareOptions {
  /** Counts instructions and charges them to a budget of fuel; the simulated runtime's clock needs it. */
  readonly metered?: boolean;
}

/**
 * Checks a firmware against the ABI and rewrites it for the world switch. A firmware that cannot be used
 * gives one line that says what is wrong and what to do; whatever the bytes are, nothing is thrown.
 */
export function prepareFirmware(
  name: string,
  bytes: Uint8Array,
  { metered = false }: PrepareOptions = {},
): Outcome<FirmwareImage> {
  // Names in a binary may be anything; a reason is one line that a terminal can show.
  const unusable = (why: string) => failed(`firmware ${name} ${why.replace(/\p{Cc}/gu, '?')}`);
  if (bytes.length > MAXIMUM_BYTES)
    return unusable(`has ${bytes.length} bytes; at most ${MAXIMUM_BYTES} are loaded`);
  // A copy: nobody changes the bytes between the check and the use.
  const original = Uint8Array.from(bytes);
  const defect = compileError(original);
  if (defect !== undefined) return unusable(`is no valid WebAssembly: ${defect}`);

  const prepared = reading(() => {
    const module = readModule(original);
    const facts = checkAbi(module);
    return { facts, ...rewriteModule(module, metered) };
  });
  if (prepared.kind === 'failed') return unusable(prepared.reason);
  const { facts, globals } = prepared.value;
  // Only the sizes that an engine accepts (of a function, of a module) can be in the way here.
  if (!WebAssembly.validate(prepared.value.bytes))
    return unusable(
      `is too large to be prepared: ${compileError(prepared.value.bytes)}; split its functions`,
    );

  const shared = new Uint8Array(new SharedArrayBuffer(prepared.value.bytes.length));
  shared.set(prepared.value.bytes);
  return ok({
    name,
    sha256: sha256(original),
    bytes: shared,
    digest: sha256(shared),
    ...facts,
    globals,
    metered,
  });
}

/** Recomputes the digest of the prepared bytes: what is loaded is what was checked. */
export function verifyFirmware(image: FirmwareImage): Outcome<void> {
  const found = sha256(image.bytes);
  return found === image.digest
    ? ok(undefined)
    : failed(
        `firmware ${image.name} has changed since it was checked: SHA-256 ${found}, expected ${image.digest}; load it again`,
      );
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Why the engine refuses a module, if it does. */
function compileError(bytes: Uint8Array<ArrayBuffer>): string | undefined {
  if (WebAssembly.validate(bytes)) return undefined;
  try {
    new WebAssembly.Module(bytes);
  } catch (error) {
    if (error instanceof WebAssembly.CompileError)
      return error.message.replace(/^WebAssembly\.Module\(\): /, '').replace(/\s+/g, ' ');
    throw error;
  }
  return undefined;
}
