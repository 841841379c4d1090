import { expect, test } from 'vitest';
import gpu from '../../src/platforms/gpu/index.ts';
import { EVENT } from '../../src/memory/channel.ts';
import { COMPLETED } from '../../src/memory/completion.ts';
import { PAGE_BYTES } from '../../src/memory/guest-ram.ts';
import { prepareFirmware } from '../../src/firmware/prepare.ts';
import { Machine } from '../switching/machine.ts';
import { valueOf } from './loaded.ts';
import { compileWat } from './wat.ts';

/**
 * Takes lists from its arguments: gathers from the three ranges of words 0 to 5, scatters what it has to the two of
 * words 6 to 9, fills the one of words 10 and 11. Results: what each of the three returned.
 */
const shuffler = valueOf(
  prepareFirmware(
    'shuffler',
    compileWat(`(module
  (import "env" "memory" (memory 1))
  (import "coproc" "dma_gather" (func $gather (param i32 i32 i32) (result i32)))
  (import "coproc" "dma_scatter" (func $scatter (param i32 i32 i32) (result i32)))
  (import "coproc" "dma_fill" (func $fill (param i32 i32 i32) (result i32)))
  (global (export "abi") i32 (i32.const 1))
  (global (export "command") i32 (i32.const 0))
  (func (export "start") (result i32)
    (i32.store (i32.const 64) (call $gather (i32.const 4096) (i32.const 8) (i32.const 3)))
    (i32.store (i32.const 68) (call $scatter (i32.const 32) (i32.const 4096) (i32.const 2)))
    (i32.store (i32.const 72) (call $fill (i32.load (i32.const 48)) (i32.const 0xab) (i32.load (i32.const 52))))
    (i32.const 1))
  (func (export "step") (param i32) (result i32) (i32.const 1)))`),
  ),
);

const SOURCE = 3 * PAGE_BYTES;
const bytes = Uint8Array.from({ length: SOURCE }, (_, at) => (at * 7 + (at >> 8)) & 0xff);

/** One command; `lists` makes its arguments of where the source and the target stand. */
function prepared(lists: (source: number, target: number) => readonly number[]) {
  const machine = new Machine(gpu);
  const subject = machine.attach({
    firmware: shuffler,
    ramBytes: 1 << 20,
    commands: (place) => [{ op: 1, args: lists(place(bytes), place(SOURCE)) }],
  });
  machine.switchTo(subject);
  return { machine, subject };
}

test('ranges that lie across pages are gathered, scattered and filled to the byte', () => {
  const { machine, subject } = prepared((source, target) => [
    ...[source + 4090, 12, source + 100, 0, source + 8000, 300],
    ...[target + 4000, 200, target + 1, 112],
    ...[target + 8190, 5],
  ]);
  machine.run(subject);
  expect(subject.completions[0]!.slice(8, 11)).toEqual([0, 0, 0]);
  const taken = [...bytes.subarray(4090, 4102), ...bytes.subarray(8000, 8300)];
  const expected = new Uint8Array(SOURCE);
  expected.set(taken.slice(0, 200), 4000);
  expected.set(taken.slice(200), 1);
  expected.fill(0xab, 8190, 8195);
  expect(Buffer.compare(subject.placed[1]!, expected)).toBe(0);
});

test('a fault in the middle of a list moves nothing of it, and the command fails with its address', () => {
  let beyond = 0;
  const { machine, subject } = prepared((source, target) => {
    beyond = target + SOURCE;
    return [
      ...[source, 100, source + 200, 100, source + 400, 100],
      ...[target, 100, target + SOURCE - 50, 200],
      ...[target + 500, 10],
    ];
  });
  expect(() => machine.run(subject)).toThrow(`event ${EVENT.iommuFault}`);
  expect(subject.done).toBe(true);
  expect(subject.completions[0]!.slice(8, 11)).toEqual([0, 1, 0]);
  // A write, and where.
  expect(subject.completions[0]!.slice(1, 4)).toEqual([COMPLETED.dmaFault, 1, beyond]);
  const expected = new Uint8Array(SOURCE);
  expected.fill(0xab, 500, 510);
  expect(Buffer.compare(subject.placed[1]!, expected)).toBe(0);
});
