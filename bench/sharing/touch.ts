import loadWabt from 'wabt';
import type { Outcome } from '../../src/base/outcome.ts';
import type { FirmwareImage } from '../../src/contract/firmware.ts';
import { prepareFirmware } from '../../src/firmware/prepare.ts';

const PAGE = 65_536;
/** Bytes that one step reads, changes and writes: about five microseconds, the granularity at which a context can leave. */
const STRETCH = 65_536;

/**
 * A firmware with `bytes` of local memory whose commands change a part of it over and over:
 * op 1 (steps, bytes to change). It finishes when it has done its steps.
 */
export const touchFirmware = (bytes: number): Promise<Outcome<FirmwareImage>> =>
  prepared('touch', touch(bytes / PAGE));

/** A firmware of which only its step matters. */
export const benchFirmware = (name: string, step: string): Promise<Outcome<FirmwareImage>> =>
  prepared(
    name,
    `(module
  (import "env" "memory" (memory 1))
  (global (export "abi") i32 (i32.const 1))
  (global (export "command") i32 (i32.const 0))
  (func (export "start") (result i32) (i32.const 0))
  (func (export "step") (param i32) (result i32) ${step}))`,
  );

async function prepared(name: string, text: string): Promise<Outcome<FirmwareImage>> {
  const wabt = await loadWabt();
  const module = wabt.parseWat(`${name}.wat`, text);
  try {
    return prepareFirmware(name, Uint8Array.from(module.toBinary({}).buffer), { metered: false });
  } finally {
    module.destroy();
  }
}

const touch = (pages: number): string => `(module
  (import "env" "memory" (memory ${pages}))
  (global (export "abi") i32 (i32.const 1))
  (global (export "command") i32 (i32.const 0))
  (global $left (mut i32) (i32.const 0))
  (global $end (mut i32) (i32.const 0))
  (global $at (mut i32) (i32.const 0))
  (func (export "start") (result i32)
    (global.set $left (i32.load (i32.const 8)))
    (global.set $end (i32.load (i32.const 12)))
    (i32.const 0))
  (func (export "step") (param i32) (result i32)
    (local $place i32) (local $stop i32)
    (local.set $place (global.get $at))
    (local.set $stop (i32.add (local.get $place) (i32.const ${STRETCH})))
    (loop $next
      ;; The command block stands in front of what is changed.
      (if (i32.ge_u (local.get $place) (i32.const 128)) (then
        (i64.store (local.get $place)
          (i64.add (i64.mul (i64.load (local.get $place)) (i64.const 6364136223846793005)) (i64.const 1)))))
      (local.set $place (i32.add (local.get $place) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $place) (local.get $stop))))
    (global.set $at (select (i32.const 0) (local.get $stop) (i32.ge_u (local.get $stop) (global.get $end))))
    (global.set $left (i32.sub (global.get $left) (i32.const 1)))
    (i32.eqz (global.get $left))))`;
