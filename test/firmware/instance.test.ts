import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/base/assert.ts';
import { globalBytes, instantiateFirmware } from '../../src/firmware/instance.ts';
import { prepareFirmware } from '../../src/firmware/prepare.ts';
import { classifyTrap } from '../../src/firmware/trap.ts';
import {
  command,
  idleHost,
  loadFirmware,
  localMemory,
  reasonOf,
  results,
  trapOf,
  valueOf,
} from './loaded.ts';
import { compileWat, firmwareWat, watFile } from './wat.ts';

/** A firmware whose step calls one function of the coprocessor. */
const calling = (name: string, type: string, step: string): Uint8Array =>
  compileWat(
    firmwareWat('', { step }).replace('(module', `(module (import "coproc" "${name}" (func $f ${type}))`),
  );

describe('a firmware from WAT', () => {
  test('runs a command to its end, raises its interrupt and writes its register', () => {
    const seen: string[] = [];
    const host = {
      ...idleHost,
      irq: (number: number) => void seen.push(`irq ${number}`),
      registerSet: (offset: number, value: number) => void seen.push(`reg ${offset} = ${value}`),
    };
    const adder = loadFirmware(compileWat(watFile('adder')), { host });
    command(adder, 1, [3, 10, -20, 30]);
    let status = adder.firmware.start();
    let steps = 0;
    for (; status === 0; steps++) status = adder.firmware.step(100);
    expect([status, steps, results(adder).slice(0, 2), seen]).toEqual([
      1,
      4,
      [20, 1],
      ['reg 16 = 20', 'irq 5'],
    ]);
    command(adder, 2, []);
    expect(adder.firmware.start()).toBe(-1);
    expect(adder.firmware.quiesce()).toBe(0);
  });

  test('goes on in another instance from its memory and globals, at every step boundary', () => {
    const bytes = compileWat(watFile('adder'));
    for (let boundary = 0; boundary <= 4; boundary++) {
      let here = loadFirmware(bytes);
      command(here, 1, [4, 1, 2, 4, -8]);
      let status = here.firmware.start();
      for (let steps = 0; status === 0; steps++) {
        if (steps === boundary) {
          const context = new DataView(new ArrayBuffer(globalBytes(here.image)));
          here.firmware.saveGlobals(context);
          const there = loadFirmware(bytes);
          new Uint8Array(there.memory.buffer).set(new Uint8Array(here.memory.buffer));
          there.firmware.loadGlobals(context);
          here = there;
        }
        status = here.firmware.step(1);
      }
      expect(results(here).slice(0, 2)).toEqual([-1, 1]);
    }
  });

  test('never asks for time when it exports no quiesce', () => {
    const { image, firmware } = loadFirmware(compileWat(firmwareWat('')));
    expect([image.hasQuiesce, firmware.quiesce()]).toEqual([false, 0]);
  });
});

describe('globals', () => {
  // A signalling NaN with a payload is what a JavaScript number would not carry.
  const bytes = compileWat(
    firmwareWat(
      `(global $a (mut i32) (i32.const -5))
       (global $b (mut i64) (i64.const 0x8000000000000001))
       (global $c (mut f32) (f32.const nan:0x200001))
       (global $d (mut f64) (f64.const nan:0x4000000000001))
       (global $fixed f64 (f64.const 2.5))
       (func (export "scale") (result f64) (global.set $d (f64.mul (global.get $fixed) (f64.const 3))) (global.get $d))`,
      {
        step: `(global.set $c (f32.reinterpret_i32 (i32.const 0x7fa12345)))
               (i32.ne (i32.reinterpret_f32 (global.get $c)) (i32.const 0x7fa12345))`,
      },
    ),
  );

  test.each([false, true])('are saved and loaded bit for bit (metered: %s)', (metered) => {
    const { image, firmware } = loadFirmware(bytes, { metered });
    expect(image.globals.map(({ type }) => type)).toEqual(['i32', 'i64', 'f32', 'f64']);
    const saved = new DataView(new ArrayBuffer(globalBytes(image)));
    firmware.saveGlobals(saved);
    const words = [0, 8, 16, 24].map((place) => saved.getBigUint64(place, true).toString(16));
    expect(words).toEqual(['fffffffb', '8000000000000001', '7fa00001', '7ff4000000000001']);

    const other = new DataView(new ArrayBuffer(globalBytes(image)));
    for (let place = 0; place < 4; place++) other.setBigInt64(8 * place, 0x7ff0_0000_7f80_0001n, true);
    firmware.loadGlobals(other);
    firmware.saveGlobals(saved);
    const loaded = [0, 8, 16, 24].map((place) => saved.getBigUint64(place, true).toString(16));
    expect(loaded).toEqual(['7f800001', '7ff000007f800001', '7f800001', '7ff000007f800001']);
  });

  test('of a float type read and write as before', () => {
    const { firmware, image } = loadFirmware(bytes);
    expect(firmware.step(0)).toBe(0);
    const saved = new DataView(new ArrayBuffer(globalBytes(image)));
    firmware.saveGlobals(saved);
    expect(saved.getUint32(16, true)).toBe(0x7fa12345);
  });
});

describe('the coprocessor checks what firmware asks of it:', () => {
  test('numbers arrive unsigned, register values signed, and answers go back', () => {
    const seen: number[][] = [];
    const host = {
      ...idleHost,
      dmaIn: (...numbers: number[]) => seen.push(numbers),
      dmaFetch: (...numbers: number[]) => seen.push(numbers),
      dmaOut: (...numbers: number[]) => seen.push(numbers),
      registerGet: (offset: number) => seen.push([offset]),
      registerSet: (...numbers: number[]) => void seen.push(numbers),
    };
    const transfer = '(param i32 i32 i32) (result i32)';
    const step = (name: string, type: string, call: string): number =>
      loadFirmware(calling(name, type, call), { host }).firmware.step(0);
    expect(step('dma_in', transfer, '(call $f (i32.const 65472) (i32.const -4096) (i32.const 64))')).toBe(1);
    expect(step('dma_out', transfer, '(call $f (i32.const -1) (i32.const 0) (i32.const 65536))')).toBe(2);
    expect(step('dma_fetch', transfer, '(call $f (i32.const 8) (i32.const -8) (i32.const 16))')).toBe(3);
    expect(step('reg_get', '(param i32) (result i32)', '(call $f (i32.const -4))')).toBe(4);
    step('reg_set', '(param i32 i32)', '(call $f (i32.const -8) (i32.const -1)) (i32.const 0)');
    expect(seen).toEqual([
      [65_472, 4_294_963_200, 64],
      [4_294_967_295, 0, 65_536],
      [8, 4_294_967_288, 16],
      [4_294_967_292],
      [4_294_967_288, -1],
    ]);
  });

  test.each([
    ['dma_in', 65_473, 64],
    ['dma_in', -1, 1],
    ['dma_in', 0, -1],
    ['dma_fetch', 65_535, 2],
    ['dma_out', 65_536, 1],
    ['dma_out', -64, 64],
  ])('%s at local %d of %d bytes traps before the host sees it', (name, local, bytes) => {
    const address = name === 'dma_out' ? [0, local] : [local, 0];
    const step = `(call $f ${[...address, bytes].map((number) => `(i32.const ${number})`).join(' ')})`;
    let calls = 0;
    const host = { ...idleHost, dmaIn: () => ++calls, dmaFetch: () => ++calls, dmaOut: () => ++calls };
    const { firmware } = loadFirmware(calling(name, '(param i32 i32 i32) (result i32)', step), { host });
    expect(trapOf(firmware, () => firmware.step(0))).toBe(
      `${name} of ${bytes >>> 0} bytes at local address ${local >>> 0} is outside of local memory (65536 bytes)`,
    );
    expect(calls).toBe(0);
  });

  test('a list is copied before anything moves, and refused where it or its data would stand outside', () => {
    const seen: unknown[] = [];
    const host = {
      ...idleHost,
      dmaFill: (...numbers: number[]) => seen.push(numbers),
      dmaGather: (to: number, list: Uint32Array, bytes: number) => seen.push([to, [...list], bytes]),
      dmaScatter: (list: Uint32Array, from: number, bytes: number) => seen.push([[...list], from, bytes]),
    };
    const type = '(param i32 i32 i32) (result i32)';
    const run = (name: string, ...numbers: number[]): (() => number) => {
      const list = `(i64.store (i32.const 512) (i64.const ${2n ** 32n * 5n + 4096n}))
        (i64.store (i32.const 520) (i64.const ${2n ** 32n * 7n + 0xfffff000n}))`;
      const call = `(call $f ${numbers.map((number) => `(i32.const ${number})`).join(' ')})`;
      const { firmware } = loadFirmware(calling(name, type, `${list} ${call}`), { host });
      return () => {
        try {
          return firmware.step(0);
        } catch (error) {
          throw new Error(firmware.trapReason(error), { cause: error });
        }
      };
    };
    run('dma_gather', 65_524, 512, 2)();
    run('dma_scatter', 512, 1024, 2)();
    run('dma_scatter', 65_536, 0, 0)();
    run('dma_fill', -4096, 0x1ff, 8)();
    const list = [4096, 5, 0xfffff000, 7];
    expect(seen).toEqual([
      [65_524, list, 12],
      [list, 1024, 12],
      [[], 0, 0],
      [0xfffff000, 0xff, 8],
    ]);
    expect(run('dma_gather', 65_525, 512, 2)).toThrow(
      'dma_gather of 12 bytes at local address 65525 is outside',
    );
    expect(run('dma_scatter', 65_524, 0, 2)).toThrow('dma_scatter of 16 bytes at local address 65524');
    expect(run('dma_gather', 0, 0, 1025)).toThrow('dma_gather of a list of 1025 ranges; there may be 1024');
    expect(run('dma_gather', 0, 0, -1)).toThrow('of a list of 4294967295 ranges');
    expect(seen).toHaveLength(4);
  });

  test.each([1, 32, -1, 0])('interrupt %d is none of the firmware', (number) => {
    const step = `(call $f (i32.const ${number})) (i32.const 1)`;
    const { firmware } = loadFirmware(calling('irq', '(param i32)', step));
    expect(trapOf(firmware, () => firmware.step(0))).toBe(
      `raised interrupt ${number}; a firmware has 2 to 31`,
    );
  });
});

describe('a firmware cannot be set up when', () => {
  const setUp = (wat: string, pages: number): string =>
    reasonOf(
      instantiateFirmware(valueOf(prepareFirmware('test', compileWat(wat))), localMemory(pages), idleHost),
    );

  test('the coprocessor has too little memory, or more than it accepts', () => {
    expect(setUp(firmwareWat('', { memory: '4' }), 3)).toMatch(
      /needs 4 pages of local memory, the coprocessor has 3/,
    );
    expect(setUp(firmwareWat('', { memory: '1 2' }), 3)).toMatch(/accepts at most 2 pages/);
  });

  test('its start function traps, or uses the coprocessor', () => {
    expect(setUp(firmwareWat('(func $s unreachable) (start $s)'), 1)).toMatch(
      /set up: unreachable executed$/,
    );
    const irq = firmwareWat('(func $s (call $irq (i32.const 3))) (start $s)').replace(
      '(module',
      '(module (import "coproc" "irq" (func $irq (param i32)))',
    );
    expect(setUp(irq, 1)).toMatch(/start function used the coprocessor, which only a command may$/);
  });

  test('its segments lie outside of local memory', () => {
    expect(setUp(firmwareWat('(data (i32.const 65535) "ab")'), 1)).toMatch(
      /set up: data segment outside of local memory$/,
    );
    expect(setUp(firmwareWat('(table 1 funcref) (elem (i32.const 1) 0)'), 1)).toMatch(
      /set up: element segment outside of its table$/,
    );
  });
});

describe('a trap has a reason in one line:', () => {
  test.each([
    ['unreachable', 'unreachable executed'],
    ['(i32.load (i32.const -1))', 'memory access out of bounds'],
    ['(i32.div_s (i32.const 1) (i32.eqz (i32.const 1)))', 'integer divide by zero'],
    ['(i32.rem_u (i32.const 1) (i32.eqz (i32.const 1)))', 'integer divide by zero'],
    ['(i32.div_s (i32.const -2147483648) (i32.const -1))', 'integer overflow in a division'],
    ['(i32.trunc_f64_s (f64.const 1e10))', 'float does not fit an integer'],
    ['(call_indirect (type $t) (i32.const 9))', 'indirect call outside of its table'],
    ['(call_indirect (type $t) (i32.const 0))', 'indirect call of a function of another type'],
    ['(call_indirect (type $t) (i32.const 1))', 'indirect call of a function of another type'],
    ['(i32.atomic.load (i32.const 2))', 'atomic access is not aligned'],
    ['(call $deeper (i32.const 1))', 'stack overflow'],
    [
      '(memory.fill (i32.const 65535) (i32.const 0) (i32.const 2)) (i32.const 0)',
      'memory access out of bounds',
    ],
  ])('%s', (step, reason) => {
    const wat = firmwareWat(
      `(type $t (func (result i32))) (table 2 funcref) (elem (i32.const 1) $deeper)
       (func $deeper (param i32) (result i32) (i32.add (local.get 0) (call $deeper (i32.add (local.get 0) (i32.const 1)))))`,
      { step },
    );
    const { firmware } = loadFirmware(compileWat(wat));
    expect(trapOf(firmware, () => firmware.step(0))).toBe(reason);
  });

  test('and an error of the host goes through as what it is', () => {
    const defect = new RangeError('offset is out of bounds');
    const host = {
      ...idleHost,
      registerGet: () => {
        throw defect;
      },
    };
    const { firmware } = loadFirmware(
      calling('reg_get', '(param i32) (result i32)', '(call $f (i32.const 0))'),
      { host },
    );
    expect(() => trapOf(firmware, () => firmware.step(0))).toThrow(defect);
    expect(() => classifyTrap(new InvariantError('broken'))).toThrow('broken');
  });
});
