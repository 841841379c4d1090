import { describe, expect, it } from 'vitest';
import { present } from '../../src/base/assert.ts';
import { us } from '../../src/base/units.ts';
import { GuestError, type Completion } from '../../src/contract/guest.ts';
import { coproc, PLATFORMS, RUNTIMES, withRig } from '../rig.ts';
import { blamed, firmwareText, ownFirmware, reasonOf, stateOf, streaming, vcoprocOf } from './support.ts';

describe.each(RUNTIMES)('hostile guests, %s', (kind) => {
  it('costs a guest that throws its own domain alone, whenever it throws', async () => {
    await withRig(kind, {}, async (rig) => {
      await rig.domain('at-once', { gpu0: 'noop' }, () => {
        throw new Error('boom');
      });
      await rig.domain('rejects', { gpu0: 'noop' }, () => Promise.reject(new TypeError('later')));
      await rig.domain('no-error', { gpu0: 'noop' }, async (domain) => {
        await domain.sleep(us(10));
        return Promise.reject('a string' as unknown as Error);
      });
      await rig.domain('in-flight', { gpu0: 'spin' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        void gpu.submit({ op: 4, args: [1 << 30] });
        for (let n = 0; n < 200; n++) void gpu.submit({ op: 4, args: [1] });
        await domain.sleep(us(50));
        throw new Error('left work behind');
      });
      await rig.domain('in-handler', { gpu0: 'spin' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        gpu.onInterrupt(() => {
          throw new RangeError('handler');
        });
        await gpu.submit({ op: 9, args: [5] });
        // Never resumes: the domain is over by then, or its command was cancelled.
      });
      await rig.domain('streams', { gpu0: 'stream' }, streaming(10));
      const report = await rig.run();
      expect(report.domains.map(({ name, state, reason }) => [name, state, reason])).toEqual([
        ['at-once', 'crashed', 'Error: boom'],
        ['rejects', 'crashed', 'TypeError: later'],
        ['no-error', 'crashed', 'a string'],
        ['in-flight', 'crashed', 'Error: left work behind'],
        ['in-handler', 'crashed', 'RangeError: handler'],
        ['streams', 'finished', null],
      ]);
      expect(vcoprocOf(report, 'in-flight/gpu0').commands).toMatchObject({ submitted: 201, failed: 0 });
      expect(vcoprocOf(report, 'in-flight/gpu0').commands.cancelled).toBeGreaterThan(0);
      expect(report.vcoprocs.every(({ state }) => state === 'gone')).toBe(true);
      expect(blamed(rig)).toEqual([]);
    });
  });

  it('lets nobody starve while a crashed guest’s other half asks for ever', async () => {
    await withRig(kind, {}, async (rig) => {
      let asked = 0;
      await rig.domain('zombie', { gpu0: 'spin' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        void (async () => {
          // Never sleeps: were it told at once that it comes too late, nothing else would ever happen.
          for (;;) {
            asked++;
            await gpu.submit({ op: 4, args: [100] });
          }
        })();
        await domain.sleep(us(300));
        throw new Error('half of it');
      });
      await rig.domain('streams', { gpu0: 'stream' }, streaming(10));
      const report = await rig.run();
      expect(stateOf(report, 'zombie')).toBe('crashed');
      expect(stateOf(report, 'streams')).toBe('finished');
      const { submitted, ok, failed, cancelled } = vcoprocOf(report, 'zombie/gpu0').commands;
      expect(submitted).toBe(asked);
      expect(ok + failed + cancelled).toBe(asked);
    });
  });

  it('takes nothing that is no batch of words, and no length of time that is none', async () => {
    await withRig(kind, {}, async (rig) => {
      await rig.domain('rubbish', { gpu0: 'noop' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const batch = gpu.batch();
        const wrong = [new BigInt64Array(16), new Float64Array(16), [1, 2], {}];
        for (const words of wrong) {
          expect(() => batch.submit(words as never)).toThrow(GuestError);
          expect(() => batch.poll(words as never)).toThrow(GuestError);
        }
        batch.close();
        for (const length of [NaN, -1, Infinity, '5' as never as number])
          await expect(Promise.resolve().then(() => domain.sleep(length as never))).rejects.toThrow(
            GuestError,
          );
        for (const size of [0, -4096, 0.5, NaN]) {
          const buffer = { address: 0, size, bytes: new Uint8Array(new SharedArrayBuffer(8)) };
          expect(() => gpu.map(buffer, 'read')).toThrow(GuestError);
        }
        await domain.sleep(1234.5678 as never);
        expect((await gpu.submit({ op: 1 })).status).toBe('ok');
      });
      await rig.domain('streams', { gpu0: 'stream' }, streaming(5));
      const report = await rig.run();
      expect(report.domains.map(({ reason }) => reason)).toEqual([null, null]);
    });
  });

  it('lets a guest that was isolated ask for ever', async () => {
    await withRig(kind, {}, async (rig) => {
      await rig.domain('asks', { gpu0: 'spin' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        expect((await gpu.submit({ op: 2 })).status).toBe('failed');
        for (let times = 0; times < 1000; times++)
          expect((await gpu.submit({ op: 4 })).status).toBe('failed');
      });
      await rig.domain('streams', { gpu0: 'stream' }, streaming(10));
      const report = await rig.run();
      expect(report.domains.map(({ reason }) => reason)).toEqual([null, null]);
    });
  });

  it.each(Object.entries(PLATFORMS))(
    'survives rubbish in every register, mapped and away: %s',
    async (_name, compatible) => {
      await withRig(kind, { coprocs: [coproc('gpu0', { compatible })] }, async (rig) => {
        const values = [
          0,
          -1,
          1,
          0x8000_0000,
          0xdead_beef,
          2 ** 40,
          Number.NaN,
          Number.POSITIVE_INFINITY,
          0.5,
        ];
        const offsets = [
          ...Array.from({ length: 1100 }, (_, word) => word * 4 - 16),
          ...[1, 2, 3, 0.5, Number.NaN, 1e9, -1e9, Number.POSITIVE_INFINITY],
        ];
        const rubbish = async (domain: Parameters<ReturnType<typeof streaming>>[0]): Promise<void> => {
          const gpu = domain.coproc('gpu0');
          for (const value of values) {
            for (const offset of offsets) {
              gpu.registers.write(offset, value);
              const read = gpu.registers.read(offset);
              if (!Number.isInteger(read) || read < 0 || read > 0xffff_ffff)
                throw new Error(`${offset}: ${read}`);
            }
            await domain.sleep(us(100));
          }
          // All that it can have done is to itself: it may have halted and masked. Undone, it works.
          for (const offset of [0x04, 0x08, 0x10, 0x24]) gpu.registers.write(offset, 0);
          const { status } = await gpu.submit({ op: 1, args: [] });
          if (status !== 'ok') throw new Error(status);
        };
        await rig.domain('rubbish', { gpu0: 'noop' }, rubbish);
        await rig.domain('more', { gpu0: 'noop' }, rubbish);
        await rig.domain('streams', { gpu0: 'stream' }, streaming(10));
        const report = await rig.run();
        expect(report.domains.map(({ reason }) => reason)).toEqual([null, null, null]);
        expect(blamed(rig)).toEqual([]);
      });
    },
  );

  it('throws rubbish commands back into the guest, and does not count them', async () => {
    await withRig(kind, {}, async (rig) => {
      await rig.domain('rubbish', { gpu0: 'noop' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const rubbish: { op: number; args?: number[] }[] = [
          ...[-1, 65536, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 40].map((op) => ({ op })),
          ...[2 ** 32, -(2 ** 31) - 1, 0.5, Number.NaN, Number.NEGATIVE_INFINITY].map((arg) => ({
            op: 1,
            args: [0, arg],
          })),
          { op: 1, args: Array.from({ length: 15 }, () => 0) },
        ];
        for (const command of rubbish) {
          let thrown: unknown;
          try {
            await gpu.submit(command);
          } catch (error) {
            thrown = error;
          }
          expect([command, thrown]).toEqual([command, expect.objectContaining({ name: 'GuestError' })]);
        }
        expect(await gpu.submit({ op: 65535, args: [0xffff_ffff, -(2 ** 31)] })).toMatchObject({
          status: 'ok',
          results: [-1, -(2 ** 31), 0, 0, 0, 0, 0, 0],
        });
        expect(() => domain.coproc('gpu')).toThrow(/no coprocessor gpu/);
        expect(() => domain.coproc('')).toThrow(/no coprocessor/);
        for (const size of [0, -1, 0.5, Number.NaN, 2 ** 40])
          expect(() => domain.memory.allocate(size)).toThrow(expect.objectContaining({ name: 'GuestError' }));
      });
      const report = await rig.run();
      expect(reasonOf(report, 'rubbish')).toBe(null);
      expect(vcoprocOf(report, 'rubbish/gpu0').commands).toEqual({
        submitted: 1,
        ok: 1,
        failed: 0,
        cancelled: 0,
      });
    });
  });

  it('lets a guest flood its queue and never await, at nobody else’s cost', async () => {
    await withRig(kind, {}, async (rig) => {
      const completions: Completion[] = [];
      await rig.domain('flood', { gpu0: 'noop' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        for (let n = 0; n < 3000; n++)
          void gpu.submit({ op: 1, args: [n] }).then((completion) => completions.push(completion));
        while (completions.length < 3000) await domain.sleep(us(100));
      });
      await rig.domain('forgets', { gpu0: 'noop' }, async (domain) => {
        for (let n = 0; n < 3000; n++) void domain.coproc('gpu0').submit({ op: 1 });
      });
      await rig.domain('streams', { gpu0: 'stream' }, streaming(10));
      const report = await rig.run();
      expect(completions.map(({ status, results }) => [status, results[0]])).toEqual(
        Array.from({ length: 3000 }, (_, n) => ['ok', n]),
      );
      const { submitted, ok, cancelled } = vcoprocOf(report, 'forgets/gpu0').commands;
      expect([submitted, ok + cancelled]).toEqual([3000, 3000]);
      expect(stateOf(report, 'streams')).toBe('finished');
    });
  });

  it('isolates a guest that breaks its own ring, and the coprocessor serves the next', async () => {
    await withRig(kind, {}, async (rig) => {
      await rig.domain('breaks', { gpu0: 'noop' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        await gpu.submit({ op: 1 });
        // Not of the guest's interface: what a guest could do that owned the memory of its ring.
        const { queues } = present(rig.hypervisor.vcoprocs[0], 'the first domain has a vcoproc');
        Atomics.store(new Int32Array(queues.first.memory.commands), 0, 0x4000_0000);
        const { registers } = gpu;
        for (;;) {
          registers.write(0x0c, 1);
          await domain.sleep(us(50));
          const { status } = await Promise.race([
            gpu.submit({ op: 1 }),
            domain.sleep(us(200)).then(() => ({ status: 'waits' })),
          ]);
          if (status === 'failed') break;
          Atomics.store(new Int32Array(queues.first.memory.commands), 0, 0x4000_0000);
        }
      });
      await rig.domain('streams', { gpu0: 'stream' }, streaming(10));
      const report = await rig.run();
      expect(blamed(rig)).toEqual(['breaks/gpu0']);
      expect(report.domains.map(({ reason }) => reason)).toEqual([null, null]);
      expect(report.coprocs[0]?.resets).toBe(0);
    });
  });
});

describe.each(RUNTIMES)('storms of interrupts, %s', (kind) => {
  const storm = ownFirmware({
    // op 1 (times): raises every line it has, so many times, in one step.
    storm: firmwareText({
      step: `(local $n i32) (local $line i32)
        (local.set $n (call $arg (i32.const 0)))
        (loop $again
          (local.set $line (i32.const 2))
          (loop $lines
            (call $irq (local.get $line))
            (local.set $line (i32.add (local.get $line) (i32.const 1)))
            (br_if $lines (i32.lt_u (local.get $line) (i32.const 32))))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.const 1)`,
    }),
  });

  it('delivers every interrupt of a storm to its own domain and none to a stranger', async () => {
    await withRig(kind, { firmware: storm }, async (rig) => {
      const heard = { storms: 0, streams: 0 };
      await rig.domain('storms', { gpu0: 'storm' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        gpu.onInterrupt(() => heard.storms++);
        for (let n = 0; n < 5; n++) expect((await gpu.submit({ op: 1, args: [100] })).status).toBe('ok');
        while (heard.storms < 5 * 100 * 30) await domain.sleep(us(50));
      });
      await rig.domain('streams', { gpu0: 'stream' }, async (domain) => {
        domain.coproc('gpu0').onInterrupt(() => heard.streams++);
        await streaming(10)(domain);
      });
      const report = await rig.run();
      expect(report.domains.map(({ reason }) => reason)).toEqual([null, null]);
      expect(heard).toEqual({ storms: 15_000, streams: 0 });
      expect(vcoprocOf(report, 'storms/gpu0').interrupts).toMatchObject({ pending: 0, dropped: 0 });
    });
  });

  it('gives up whoever storms for ever: timers and neighbours still have their turn', async () => {
    // Simulated storms are as long as their cycles; a short one shows the same.
    const stopDeadline = us(kind === 'threads' ? 100_000 : 500);
    await withRig(kind, { firmware: storm, coprocs: [coproc('gpu0', { stopDeadline })] }, async (rig) => {
      await rig.domain('storms', { gpu0: 'storm' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        gpu.onInterrupt(() => {});
        expect((await gpu.submit({ op: 1, args: [0x7fff_ffff] })).status).toBe('failed');
      });
      await rig.domain('streams', { gpu0: 'stream' }, streaming(3));
      const report = await rig.run();
      expect(report.domains.map(({ reason }) => reason)).toEqual([null, null]);
      expect(blamed(rig)).toEqual(['storms/gpu0']);
    });
  });
});
