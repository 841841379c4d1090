import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emptyInstruction, readInstruction } from '../../src/firmware/instructions.ts';
import { prepareFirmware, verifyFirmware } from '../../src/firmware/prepare.ts';
import { Reader } from '../../src/firmware/reader.ts';
import { readModule, reading } from '../../src/firmware/wasm-module.ts';
import { builtKernel, loadFirmware, reasonOf, valueOf } from './loaded.ts';
import { compileWat, firmwareWat, watFile } from './wat.ts';

const refusal = (wat: string): string => reasonOf(prepareFirmware('test', compileWat(wat)));
describe('a firmware that keeps to the ABI', () => {
  const bytes = compileWat(watFile('adder'));

  test('is identified by the SHA-256 of the bytes that its maker built, metered or not', () => {
    const expected = createHash('sha256').update(bytes).digest('hex');
    for (const metered of [false, true])
      expect(valueOf(prepareFirmware('adder', bytes, { metered })).sha256).toBe(expected);
  });

  test('tells its memory, its command block, its globals and whether it can deny', () => {
    expect(valueOf(prepareFirmware('adder', bytes))).toMatchObject({
      name: 'adder',
      memoryPages: 1,
      maximumPages: undefined,
      commandAddress: 1024,
      hasQuiesce: true,
      metered: false,
      globals: [
        { index: 2, type: 'i32', exportName: 'covisor:global:2' },
        { index: 3, type: 'i64', exportName: 'covisor:global:3' },
        { index: 4, type: 'f64', exportName: 'covisor:global:4' },
      ],
    });
  });

  test('is prepared to the same bytes every time', () => {
    const [one, two] = [0, 1].map(() => valueOf(prepareFirmware('adder', bytes, { metered: true })));
    expect(one?.digest).toBe(two?.digest);
  });

  test('is verified by its digest, and a single changed bit is found', () => {
    const image = valueOf(prepareFirmware('adder', bytes));
    expect(verifyFirmware(image)).toEqual({ kind: 'ok', value: undefined });
    image.bytes[image.bytes.length - 1]! ^= 1;
    expect(reasonOf(verifyFirmware(image))).toMatch(/^firmware adder has changed since it was checked/);
  });

  test('may import every function of the coprocessor and export anything else', () => {
    const imports = `
      (import "env" "abort" (func (param i32 i32 i32 i32)))
      (import "coproc" "dma_in" (func (param i32 i32 i32) (result i32)))
      (import "coproc" "dma_out" (func (param i32 i32 i32) (result i32)))
      (import "coproc" "irq" (func (param i32)))
      (import "coproc" "reg_get" (func (param i32) (result i32)))
      (import "coproc" "reg_set" (func (param i32 i32)))`;
    const wat = firmwareWat('(func (export "anything"))').replace('(module', `(module ${imports}`);
    expect(prepareFirmware('test', compileWat(wat)).kind).toBe('ok');
  });

  test('may give its constants as functions, as a C or Rust linker needs it', () => {
    const wat = firmwareWat(
      '(func (export "abi") (result i32) (i32.const 1)) (func (export "command") (result i32) (i32.const 640))',
    )
      .replace('(export "abi") i32', 'i32')
      .replace('(export "command") i32', 'i32');
    expect(valueOf(prepareFirmware('test', compileWat(wat))).commandAddress).toBe(640);
    const computed = wat.replace('(i32.const 640)', '(i32.add (i32.const 320) (i32.const 320))');
    expect(refusal(computed)).toMatch(/exports no constant "command"/);
  });

  test('may use what WebAssembly 2.0, threads and tail calls offer', () => {
    const wat = firmwareWat(`
      (table 2 funcref)
      (elem (i32.const 0) $f $g)
      (type $t (func (param i32) (result i32)))
      (data $d "abcdefgh")
      (global $vector v128 (v128.const i32x4 1 2 3 4))
      (func $f (type $t) (i32.extend8_s (local.get 0)))
      (func $g (type $t) (return_call $f (local.get 0)))
      (func $two (result i32 i64) (i32.const 1) (i64.const 0x7fffffffffffffff))
      (func (export "all") (result i32) (local v128)
        (memory.init $d (i32.const 200) (i32.const 0) (i32.const 8))
        (memory.copy (i32.const 300) (i32.const 200) (i32.const 8))
        (memory.fill (i32.const 400) (i32.const 7) (i32.const 8))
        (local.set 0 (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (v128.load (i32.const 200)) (global.get $vector)))
        (local.set 0 (v128.load8_lane 3 (i32.const 200) (local.get 0)))
        (drop (i8x16.extract_lane_s 2 (i32x4.add (local.get 0) (v128.const f32x4 1 2 3 4))))
        (drop (i32.atomic.rmw.add (i32.const 400) (i32.const 1)))
        (drop (memory.atomic.notify (i32.const 400) (i32.const 1)))
        (atomic.fence)
        (drop (select (result funcref) (ref.null func) (ref.func $f) (i32.const 1)))
        (drop (ref.is_null (table.get (i32.const 0))))
        (drop (table.size))
        (drop (i32.trunc_sat_f64_u (f64.const nan)))
        (drop (f32.const -0)) (drop (i64.const -9223372036854775808)) (drop (i32.const -2147483648))
        (block (block (br_table 0 1 0 (i32.const 1))))
        (call $two) (drop) (drop)
        (call_indirect (type $t) (i32.const 200) (i32.const 1)))`);
    for (const metered of [false, true])
      expect(prepareFirmware('test', compileWat(wat), { metered }).kind).toBe('ok');
  });
});

describe('a firmware is refused, in one line that says what to do, when it', () => {
  const refused: readonly (readonly [string, string, RegExp])[] = [
    [
      'imports a function that no coprocessor has',
      '(module (import "env" "now" (func)) (import "env" "memory" (memory 1)))',
      /imports the function env\.now; a coprocessor offers only env\.memory, env\.abort, coproc\.dma_in/,
    ],
    [
      'imports a function called like a property of objects',
      '(module (import "constructor" "" (func)))',
      /imports the function constructor\.;/,
    ],
    ['imports a global', '(module (import "env" "seed" (global i32)))', /imports the global env\.seed/],
    ['imports a table', '(module (import "env" "table" (table 1 funcref)))', /imports the table env\.table/],
    [
      'imports a function with another type',
      '(module (import "coproc" "irq" (func (param i64))))',
      /imports coproc\.irq as \(i64\) -> \(\); it is \(i32\) -> \(\)/,
    ],
    ['imports no memory', '(module)', /imports no env\.memory/],
    [
      'has a memory of its own',
      '(module (memory 1))',
      /has a memory of its own; import local memory as env\.memory/,
    ],
    [
      'imports a shared memory',
      '(module (import "env" "memory" (memory 1 2 shared)))',
      /shared memory; local memory is not shared, build it without threads/,
    ],
    [
      'exports a reserved name',
      firmwareWat('(func (export "covisor:fuel"))'),
      /exports covisor:fuel; names with covisor: are reserved/,
    ],
    [
      'exports no abi',
      firmwareWat('').replace('"abi"', '"api"'),
      /exports no constant "abi"; .* with the value 1/,
    ],
    [
      'was made for another ABI',
      firmwareWat('').replace('(i32.const 1)', '(i32.const 2)'),
      /was made for ABI 2; this Covisor runs ABI 1/,
    ],
    [
      'exports no command',
      firmwareWat('').replace('"command"', '"commando"'),
      /exports no constant "command"; .* address of its command block/,
    ],
    [
      'exports a mutable command',
      firmwareWat('').replace('"command") i32', '"command") (mut i32)'),
      /exports no constant "command"; .* address of its command block/,
    ],
    [
      'exports command as a function without a result',
      firmwareWat('(func (export "command"))').replace('(export "command") i32', 'i32'),
      /exports no constant "command"; .* address of its command block/,
    ],
    [
      'has its command block outside of its memory',
      firmwareWat('').replace('i32 (i32.const 0)', 'i32 (i32.const 65448)'),
      /command block at 65448, outside of the 1 pages/,
    ],
    [
      'has its command block at an odd place',
      firmwareWat('').replace('i32 (i32.const 0)', 'i32 (i32.const 12)'),
      /command block at 12; place it at a positive multiple of 8/,
    ],
    [
      'has its command block at a negative place',
      firmwareWat('').replace('i32 (i32.const 0)', 'i32 (i32.const -8)'),
      /command block at -8/,
    ],
    [
      'exports no start',
      firmwareWat('').replace('"start"', '"begin"'),
      /exports no function "start"; export one of type \(\) -> \(i32\)/,
    ],
    [
      'exports step with another type',
      firmwareWat('').replace('(param i32)', '(param i64)'),
      /exports "step" as \(i64\) -> \(i32\); it is \(i32\) -> \(i32\)/,
    ],
    [
      'exports quiesce with another type',
      firmwareWat('(func (export "quiesce"))'),
      /exports "quiesce" as \(\) -> \(\)/,
    ],
    [
      'exports quiesce as a global',
      firmwareWat('(global (export "quiesce") i32 (i32.const 0))'),
      /exports "quiesce" as a global/,
    ],
    [
      'has a mutable global of a vector type',
      firmwareWat('(global (mut v128) (v128.const i64x2 0 0))'),
      /mutable global 2 of type v128/,
    ],
    [
      'has a mutable global of a reference type',
      firmwareWat('(global (mut funcref) (ref.null func))'),
      /mutable global 2 of type funcref/,
    ],
    [
      'writes a table',
      firmwareWat('(table 1 funcref) (func (table.set (i32.const 0) (ref.null func)))'),
      /uses table\.set, whose effect no context can hold.*at byte 0x/,
    ],
    [
      'grows a table',
      firmwareWat('(table 1 funcref) (func (drop (table.grow (ref.null func) (i32.const 1))))'),
      /uses table\.grow/,
    ],
    [
      'fills a table',
      firmwareWat('(table 1 funcref) (func (table.fill (i32.const 0) (ref.null func) (i32.const 1)))'),
      /uses table\.fill/,
    ],
    [
      'copies a table',
      firmwareWat('(table 1 funcref) (func (table.copy (i32.const 0) (i32.const 0) (i32.const 1)))'),
      /uses table\.copy/,
    ],
    [
      'initialises a table',
      firmwareWat(
        '(table 1 funcref) (elem func 0) (func (table.init 0 (i32.const 0) (i32.const 0) (i32.const 1)))',
      ),
      /uses table\.init/,
    ],
    [
      'waits on an address',
      firmwareWat('(func (drop (memory.atomic.wait32 (i32.const 400) (i32.const 0) (i64.const -1))))'),
      /uses memory\.atomic\.wait32, from which nobody would wake it/,
    ],
    ['drops an element segment', firmwareWat('(elem func 0) (func (elem.drop 0))'), /uses elem\.drop/],
    [
      'imports a name that no terminal should be shown',
      firmwareWat('').replace('(import "env" "memory"', '(import "\\nenv\\1b" "memory"'),
      /\?env\?/,
    ],
    ['drops a data segment', firmwareWat('(data "x") (func (data.drop 0))'), /uses data\.drop/],
    [
      'uses exceptions',
      firmwareWat('(tag $e) (func (throw $e))'),
      /has section 13, which WebAssembly 2\.0 does not know|no valid WebAssembly/,
    ],
  ];
  test.each(refused)('%s', (_, wat, reason) => {
    const line = refusal(wat);
    expect(line).toMatch(reason);
    expect(line).toMatch(/^firmware test /);
    expect(line).not.toContain('\n');
  });

  test('is no WebAssembly at all', () => {
    const text = new TextEncoder().encode('(module)');
    expect(reasonOf(prepareFirmware('test', text))).toMatch(/is no valid WebAssembly: expected magic word/);
    expect(reasonOf(prepareFirmware('test', new Uint8Array()))).toMatch(/is no valid WebAssembly/);
  });

  test('is larger than anything sensible', () => {
    expect(reasonOf(prepareFirmware('test', new Uint8Array(16 * 1024 * 1024 + 1)))).toMatch(
      /at most 16777216/,
    );
  });
});

describe('damaged bytes', () => {
  const adder = compileWat(watFile('adder'));
  const samples = ['pattern', 'spin', 'render', 'vision']
    .flatMap((name) => builtKernel(name) ?? [])
    .concat(adder);
  const damaged = fc
    .record({
      bytes: fc.constantFrom(...samples),
      changes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      cut: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(200) }),
    })
    .map(({ bytes, changes, cut }) => {
      const copy = Uint8Array.from(bytes.subarray(0, bytes.length - Math.min(cut, bytes.length)));
      for (const [place, value] of changes) if (copy.length > 0) copy[place % copy.length] = value;
      return copy;
    });

  test('give one line, or a firmware that the engine accepts; nothing is thrown', () => {
    fc.assert(
      fc.property(damaged, fc.boolean(), (bytes, metered) => {
        const outcome = prepareFirmware('test', bytes, { metered });
        if (outcome.kind === 'failed') expect(outcome.reason).not.toMatch(/\n|is too large to be prepared/);
        else
          expect(WebAssembly.validate(outcome.value.bytes as Uint8Array as Uint8Array<ArrayBuffer>)).toBe(
            true,
          );
      }),
      { numRuns: 1500 },
    );
  });

  test('never get past the reader unseen: it is bounded even where the engine was not asked first', () => {
    fc.assert(
      fc.property(damaged, (bytes) => {
        const outcome = reading(() => readModule(bytes));
        if (outcome.kind === 'failed') expect(outcome.reason).toMatch(/at byte 0x[0-9a-f]+/);
      }),
      { numRuns: 1500 },
    );
  });
});

test('any bytes at all are instructions, or are refused; none is read beyond the end', () => {
  const instruction = emptyInstruction();
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
      const reader = new Reader(bytes);
      const outcome = reading(() => {
        while (!reader.done) {
          const before = reader.at;
          readInstruction(reader, instruction);
          expect(reader.at).toBeGreaterThan(before);
        }
      });
      expect(reader.at).toBeLessThanOrEqual(bytes.length);
      if (outcome.kind === 'failed') expect(outcome.reason).toMatch(/at byte 0x/);
    }),
    { numRuns: 3000 },
  );
});

test('memory.grow finds no more memory, and leaves the view of the host intact', () => {
  const grow = firmwareWat('(func (export "quiesce") (result i32) (memory.grow (i32.const 0)))', {
    step: '(memory.grow (local.get 0))',
  });
  for (const metered of [false, true]) {
    const { firmware, memory } = loadFirmware(compileWat(grow), { metered, pages: 3 });
    const view = new Uint8Array(memory.buffer);
    firmware.refuel(1000);
    expect([firmware.step(0), firmware.step(1), firmware.quiesce()]).toEqual([3, -1, 3]);
    expect(view.length).toBe(3 * 65_536);
  }
});
