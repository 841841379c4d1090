import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { instantiateFirmware } from '../../src/firmware/instance.ts';
import { prepareFirmware } from '../../src/firmware/prepare.ts';
import { idleHost, loadFirmware, localMemory, reasonOf, trapOf, valueOf } from './loaded.ts';
import { interpret, program, programWat } from './program.ts';
import { compileWat, firmwareWat } from './wat.ts';

const metered = (wat: string): ReturnType<typeof loadFirmware>['firmware'] =>
  loadFirmware(compileWat(wat), { metered: true }).firmware;

/** Instructions that one step is charged for. */
function cost(step: string, rest = '', argument = 0): number {
  const firmware = metered(firmwareWat(rest, { step }));
  firmware.refuel(1_000_000);
  firmware.step(argument);
  return 1_000_000 - firmware.fuelLeft();
}

describe('a metered firmware', () => {
  test('computes the same as the unmetered one and is charged exactly what it executes, whatever the program', () => {
    fc.assert(
      fc.property(program, (body) => {
        const bytes = compileWat(firmwareWat(programWat(body), { step: 'call $program' }));
        const expected = interpret(body);
        const plain = loadFirmware(bytes).firmware;
        const { firmware } = loadFirmware(bytes, { metered: true });
        firmware.refuel(10_000_000);
        expect(plain.step(0)).toBe(expected.result);
        expect(firmware.step(0)).toBe(expected.result);
        expect(10_000_000 - firmware.fuelLeft()).toBe(expected.instructions + 1);
      }),
      { numRuns: 400 },
    );
  });

  test('ends exactly when its fuel does: one unit less and it traps', () => {
    fc.assert(
      fc.property(program, (body) => {
        const bytes = compileWat(firmwareWat(programWat(body), { step: 'call $program' }));
        const { instructions } = interpret(body);
        const enough = loadFirmware(bytes, { metered: true }).firmware;
        enough.refuel(instructions + 1);
        enough.step(0);
        expect(enough.fuelLeft()).toBe(0);
        const short = loadFirmware(bytes, { metered: true }).firmware;
        short.refuel(instructions);
        expect(trapOf(short, () => short.step(0))).toBe('out of fuel');
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    ['straight code', '(i32.add (i32.const 1) (i32.const 2))', 3],
    ['code after a loop that nothing leaves early', '(loop (nop)) (i32.const 1)', 1],
    [
      'a loop with a parameter',
      '(i32.const 5) (loop (param i32) (result i32) (i32.sub (i32.const 1)) (local.tee 0) (local.get 0) (br_if 0))',
      1 + 5 * 5,
    ],
    ['blocks with several results', '(call $pair) (i32.add)', 1 + 3 + 1],
    ['a return out of nested blocks', '(block (loop (block (return (i32.const 7))))) (i32.const 1)', 2],
    ['code that is never reached', '(return (i32.const 1)) (drop (i32.const 1)) (i32.const 2)', 2],
    ['a tail call', '(return_call $count (i32.const 10))', 2 + 10 * 6 + 4],
    ['copying 64 KiB', '(memory.copy (i32.const 0) (i32.const 0) (i32.const 65536)) (i32.const 1)', 5 + 4096],
    [
      'initialising 32 bytes',
      '(memory.init $d (i32.const 128) (i32.const 0) (i32.const 32)) (i32.const 1)',
      5 + 2,
    ],
  ])('is charged for %s', (_, step, expected) => {
    const rest = `
      (data $d "0123456789abcdef0123456789abcdef")
      (func $pair (result i32 i32) (block (result i32 i32) (i32.const 1) (i32.const 2) (br 0)))
      (func $count (param i32) (result i32)
        (if (local.get 0) (then (return_call $count (i32.sub (local.get 0) (i32.const 1))))) (i32.const 3) (return))`;
    expect(cost(step, rest)).toBe(expected);
  });

  test.each([
    ['loops for ever', '(loop (br 0)) (i32.const 0)'],
    ['loops for ever through a table', '(loop (br_table 0 0 (i32.const 1))) (i32.const 0)'],
    ['calls itself for ever in tail position', '(return_call $again)'],
    [
      'copies memory for ever',
      '(loop (memory.copy (i32.const 0) (i32.const 1) (i32.const 60000)) (br 0)) (i32.const 0)',
    ],
  ])('that %s runs out of fuel, and stays so', (_, step) => {
    const firmware = metered(firmwareWat('(func $again (result i32) (return_call $again))', { step }));
    firmware.refuel(1_000_000);
    expect(trapOf(firmware, () => firmware.step(0))).toBe('out of fuel');
    expect(firmware.fuelLeft()).toBe(0);
    for (let again = 0; again < 100; again++) expect(() => firmware.start()).toThrow('unreachable');
    firmware.refuel(1);
    expect(firmware.start()).toBe(0);
  });

  test('that fills more than its memory is charged, and traps as what it is', () => {
    const step = '(memory.fill (i32.const 0) (i32.const 0) (i32.const -1)) (i32.const 0)';
    const firmware = metered(firmwareWat('', { step }));
    firmware.refuel(2 ** 31 - 1);
    expect(trapOf(firmware, () => firmware.step(0))).toBe('memory access out of bounds');
    firmware.refuel(1000);
    expect(trapOf(firmware, () => firmware.step(0))).toBe('out of fuel');
  });

  test('has no fuel until it is given some, and traps on unreachable as that', () => {
    const firmware = metered(firmwareWat('', { step: 'unreachable' }));
    expect(trapOf(firmware, () => firmware.start())).toBe('out of fuel');
    firmware.refuel(1000);
    expect(trapOf(firmware, () => firmware.step(0))).toBe('unreachable executed');
  });

  test('whose start function never ends cannot be set up', () => {
    const wat = firmwareWat('(func $s (loop (br 0))) (start $s)');
    const image = valueOf(prepareFirmware('test', compileWat(wat), { metered: true }));
    expect(reasonOf(instantiateFirmware(image, localMemory(), idleHost))).toMatch(/set up/);
  });
});

describe('the call stack of a metered firmware', () => {
  // Down to a depth, and the sum of all numbers on the way up; every way out of a function is taken.
  const down = `
    (func $down (param i32) (result i32)
      (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
      (block
        (br_if 0 (i32.and (local.get 0) (i32.const 1)))
        (br 1 (i32.add (local.get 0) (call $down (i32.sub (local.get 0) (i32.const 1))))))
      (i32.add (local.get 0) (call $down (i32.sub (local.get 0) (i32.const 1)))))
    (func $pair (param i32) (result i32 i64) (local i64)
      (if (local.get 0) (then (return (i32.const 1) (i64.const 2))))
      (call $down (i32.const 3)) (i64.const 4))
    (func $tail (param i32) (result i32)
      (drop (call $down (i32.const 1)))
      (if (local.get 0) (then (return_call $tail (i32.sub (local.get 0) (i32.const 1)))))
      (i32.const 0))`;
  const load = (step: string): ReturnType<typeof metered> => {
    const firmware = metered(firmwareWat(down, { step }));
    firmware.refuel(2 ** 31 - 1);
    return firmware;
  };

  test('ends at the same call every time, long before the stack of the engine', () => {
    const deep = load('(call $down (local.get 0))');
    const limit = Math.floor(65_536 / 17) - 1;
    expect(deep.step(limit - 1)).toBe(((limit - 1) * limit) / 2);
    const again = load('(call $down (local.get 0))');
    deep.loadGlobals(new DataView(new ArrayBuffer(0)));
    deep.refuel(2 ** 31 - 1);
    expect(trapOf(deep, () => deep.step(limit + 1))).toBe('stack overflow');
    expect(trapOf(again, () => again.step(limit + 1))).toBe('stack overflow');
    expect(again.fuelLeft()).toBe(deep.fuelLeft());
  });

  test('is given back on every way out of a function', () => {
    for (const step of [
      '(call $down (i32.const 100))',
      '(call $pair (i32.const 1)) (drop)',
      '(call $pair (i32.const 0)) (drop)',
      '(call $tail (i32.const 100000))',
    ]) {
      const firmware = load(step);
      for (let call = 0; call < 10_000; call++) {
        firmware.refuel(2 ** 31 - 1);
        firmware.step(0);
        if (step.includes('$tail') && call > 3) break;
      }
    }
  });

  test('is empty again when a context is loaded', () => {
    const deep = load('(call $down (local.get 0))');
    for (let context = 0; context < 30; context++) {
      trapOf(deep, () => deep.step(1_000_000));
      deep.loadGlobals(new DataView(new ArrayBuffer(0)));
    }
    expect(deep.step(10)).toBe(55);
  });
});
