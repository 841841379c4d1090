import { describe, expect, it } from 'vitest';
import type { Completion } from '../../src/contract/guest.ts';
import { RUNTIMES, withRig } from '../rig.ts';
import {
  BUSY,
  blamed,
  firmwareText,
  once,
  ownFirmware,
  remembering,
  stateOf,
  streaming,
  vcoprocOf,
} from './support.ts';

/** Every way in which a firmware can trap, and the reason that its domain must be given. */
const TRAPS: Readonly<Record<string, readonly [text: string, reason: RegExp]>> = {
  unreachable: [firmwareText({ step: '(unreachable)' }), /unreachable executed/],
  'at-once': [firmwareText({ start: '(unreachable)' }), /unreachable executed/],
  division: [firmwareText({ step: '(i32.div_s (i32.const 1) (call $arg (i32.const 0)))' }), /divide by zero/],
  remainder: [
    firmwareText({ step: '(i32.rem_u (i32.const 1) (call $arg (i32.const 0)))' }),
    /divide by zero/,
  ],
  overflow: [
    firmwareText({
      step: '(i32.div_s (i32.const 0x80000000) (i32.sub (call $arg (i32.const 0)) (i32.const 1)))',
    }),
    /integer overflow in a division/,
  ],
  float: [firmwareText({ step: '(i32.trunc_f64_s (f64.const nan))' }), /float does not fit an integer/],
  read: [firmwareText({ step: '(i32.load (i32.const 0xfffffff0))' }), /memory access out of bounds/],
  straddle: [firmwareText({ step: '(i32.load (i32.const 65533))' }), /memory access out of bounds/],
  write: [
    firmwareText({ step: '(i32.store (i32.const 0x7fffffff) (i32.const 1)) (i32.const 1)' }),
    /memory access out of bounds/,
  ],
  fill: [
    firmwareText({
      step: '(memory.fill (i32.const 65535) (i32.const 1) (i32.const 2)) (i32.const 1)',
    }),
    /memory access out of bounds/,
  ],
  table: [
    firmwareText({
      rest: '(table 1 funcref) (type $t (func (result i32)))',
      step: '(call_indirect (type $t) (i32.const 5))',
    }),
    /indirect call outside of its table/,
  ],
  signature: [
    firmwareText({
      rest: '(table funcref (elem $arg)) (type $t (func (result i32)))',
      step: '(call_indirect (type $t) (i32.const 0))',
    }),
    /indirect call of a function of another type/,
  ],
  stack: [
    firmwareText({
      rest: '(func $deep (param i32) (result i32) (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (local.get 0)))',
      step: '(call $deep (i32.const 0))',
    }),
    /stack overflow/,
  ],
  'low-irq': [firmwareText({ step: '(call $irq (i32.const 1)) (i32.const 1)' }), /raised interrupt 1/],
  'high-irq': [firmwareText({ step: '(call $irq (i32.const 32)) (i32.const 1)' }), /raised interrupt 32/],
  'dma-in': [
    firmwareText({ step: '(call $dma_in (i32.const 65504) (i32.const 0) (i32.const 64))' }),
    /dma_in of 64 bytes/,
  ],
  'dma-out': [
    firmwareText({ step: '(call $dma_out (i32.const 0) (i32.const 0xffffffff) (i32.const 2))' }),
    /dma_out of 2 bytes/,
  ],
};

describe.each(RUNTIMES)('firmware that traps, %s', (kind) => {
  it('costs its own vcoproc, whatever the trap, and the neighbours compute on', async () => {
    const firmware = ownFirmware(
      Object.fromEntries(Object.entries(TRAPS).map(([name, [text]]) => [name, text])),
    );
    await withRig(kind, { firmware }, async (rig) => {
      const seen = new Map<string, Completion>();
      await rig.domain('streams', { gpu0: 'stream' }, streaming(20));
      await rig.domain('remembers', { gpu0: 'pattern' }, remembering(10));
      for (const name of Object.keys(TRAPS)) {
        const created = await rig.domain(
          name,
          { gpu0: name },
          once(1, [], (it) => seen.set(name, it)),
        );
        expect([name, created.kind]).toEqual([name, 'ok']);
      }
      const report = await rig.run();
      for (const [name, [, reason]] of Object.entries(TRAPS)) {
        expect([name, seen.get(name)?.status]).toEqual([name, 'failed']);
        expect(seen.get(name)?.reason).toMatch(reason);
        expect(vcoprocOf(report, `${name}/gpu0`).faults).toEqual([expect.stringMatching(reason)]);
      }
      expect(blamed(rig)).toEqual(
        Object.keys(TRAPS)
          .map((name) => `${name}/gpu0`)
          .sort(),
      );
      expect([stateOf(report, 'streams'), stateOf(report, 'remembers')]).toEqual(['finished', 'finished']);
      expect(report.coprocs[0]?.resets).toBe(0);
    });
  });

  it('fails every further command of a vcoproc that is isolated, at once and for ever', async () => {
    await withRig(kind, {}, async (rig) => {
      const statuses: string[] = [];
      await rig.domain('trapper', { gpu0: 'spin' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const queued = [
          gpu.submit({ op: 2 }),
          gpu.submit({ op: 4, args: [1] }),
          gpu.submit({ op: 4, args: [1] }),
        ];
        for (const { status } of await Promise.all(queued)) statuses.push(status);
        statuses.push((await gpu.submit({ op: 4, args: [1] })).status);
      });
      const report = await rig.run();
      expect(statuses).toEqual(['failed', 'failed', 'failed', 'failed']);
      expect(stateOf(report, 'trapper')).toBe('finished');
      expect(vcoprocOf(report, 'trapper/gpu0').commands).toEqual({
        submitted: 4,
        ok: 0,
        failed: 4,
        cancelled: 0,
      });
    });
  });

  it('lets a guest take its buffers back from a vcoproc that is isolated', async () => {
    await withRig(kind, {}, async (rig) => {
      await rig.domain('trapper', { gpu0: 'spin' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const buffer = domain.memory.allocate(4096);
        const iova = gpu.map(buffer, 'read-write');
        await gpu.submit({ op: 2 });
        await gpu.unmap(iova);
        domain.memory.free(buffer);
      });
      const report = await rig.run();
      expect(stateOf(report, 'trapper')).toBe('finished');
    });
  });

  it('traps a quiesce that traps, not the one that should have come', async () => {
    const firmware = ownFirmware({
      grudge: firmwareText({ step: BUSY, quiesce: '(unreachable)' }),
    });
    await withRig(kind, { firmware }, async (rig) => {
      await rig.domain('grudge', { gpu0: 'grudge' }, once(1));
      await rig.domain('streams', { gpu0: 'stream' }, streaming(10));
      const report = await rig.run();
      expect(blamed(rig)).toEqual(['grudge/gpu0']);
      expect(stateOf(report, 'streams')).toBe('finished');
      expect(stateOf(report, 'grudge')).toBe('finished');
    });
  });
});
