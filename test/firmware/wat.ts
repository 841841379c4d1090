import { readFileSync } from 'node:fs';
import loadWabt from 'wabt';

const wabt = await loadWabt();
const FEATURES = { tail_call: true, simd: true, threads: true, bulk_memory: true, reference_types: true };

/** Compiles WebAssembly text; what must be refused may be invalid, so it is not validated here. */
export function compileWat(text: string): Uint8Array<ArrayBuffer> {
  const module = wabt.parseWat('test.wat', text, { ...FEATURES, exceptions: true });
  try {
    return Uint8Array.from(module.toBinary({}).buffer);
  } finally {
    module.destroy();
  }
}

export const watFile = (name: string): string =>
  readFileSync(new URL(`./wat/${name}.wat`, import.meta.url), 'utf8');

/** What every firmware has to have, so that a test writes only what it is about. */
export const firmwareWat = (rest: string, { step = '(i32.const 1)', memory = '1' } = {}): string => `(module
  (import "env" "memory" (memory ${memory}))
  (global (export "abi") i32 (i32.const 1))
  (global (export "command") i32 (i32.const 0))
  (func (export "start") (result i32) (i32.const 0))
  (func (export "step") (param i32) (result i32) ${step})
  ${rest})`;
