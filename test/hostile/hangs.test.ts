import { describe, expect, it } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import type { Completion } from '../../src/contract/guest.ts';
import { coproc, RUNTIMES, withRig } from '../rig.ts';
import {
  BUSY,
  TELL,
  UNTIL_TOLD,
  blamed,
  faultEvents,
  firmwareText,
  forEver,
  once,
  ownFirmware,
  remembering,
  reasonOf,
  stateOf,
  streaming,
  vcoprocOf,
} from './support.ts';

const FOR_EVER = '(loop $for_ever (br $for_ever)) (i32.const 1)';
/** Every call that can fail to return, and what its vcoproc is blamed for. */
const HANGS: Readonly<Record<string, readonly [text: string, blame: RegExp]>> = {
  start: [firmwareText({ start: FOR_EVER }), /did not (return from a step|leave the coprocessor)/],
  step: [firmwareText({ step: FOR_EVER }), /did not (return from a step|leave the coprocessor)/],
  quiesce: [firmwareText({ step: BUSY, quiesce: FOR_EVER }), /did not leave the coprocessor/],
  'irq-step': [
    firmwareText({ step: forEver('(call $irq (i32.const 2))') }),
    /did not (return from a step|leave the coprocessor)/,
  ],
  'dma-step': [
    firmwareText({ step: forEver('(drop (call $dma_in (i32.const 2048) (i32.const 0) (i32.const 64)))') }),
    /did not (return from a step|leave the coprocessor)/,
  ],
  denial: [firmwareText({ step: BUSY, quiesce: '(i32.const 5000)' }), /did not leave the coprocessor/],
  'long-denial': [
    firmwareText({ step: BUSY, quiesce: '(i32.const 0x7fffffff)' }),
    /did not leave the coprocessor/,
  ],
};

const firmware = ownFirmware(Object.fromEntries(Object.entries(HANGS).map(([name, [text]]) => [name, text])));
const coprocs = [coproc('gpu0', { stopDeadline: ms(60) })];

describe.each(RUNTIMES)('firmware that does not return, %s', (kind) => {
  it.each(Object.keys(HANGS))('%s: costs its own vcoproc, and the neighbours compute on', async (name) => {
    await withRig(kind, { firmware, coprocs }, async (rig) => {
      let seen: Completion | undefined;
      const hung = new Promise<void>((resolve) => {
        void rig.domain(name, { gpu0: name }, async (domain) => {
          const completion = await domain.coproc('gpu0').submit({ op: 1, args: [0] });
          seen = completion;
          resolve();
        });
      });
      await rig.domain('remembers', { gpu0: 'pattern' }, remembering(2));
      await rig.domain('streams', { gpu0: 'stream' }, async (domain) => {
        await streaming(2)(domain);
        // Whoever only denies is blamed when somebody wants the coprocessor: somebody does, until then.
        await Promise.all([hung, streaming(2)(domain)]);
        await streaming(1)(domain);
      });
      const report = await rig.run();
      expect(seen?.status).toBe('failed');
      expect(blamed(rig)).toEqual([`${name}/gpu0`]);
      expect(vcoprocOf(report, `${name}/gpu0`).faults.at(-1)).toMatch(HANGS[name]![1]);
      // Who still answers is taken out of the coprocessor; for who does not, it is ended.
      const ended = name.endsWith('denial') ? 0 : 1;
      expect(faultEvents(rig).filter(({ reset }) => reset)).toHaveLength(ended);
      expect(report.coprocs[0]).toMatchObject({ resets: ended, isolated: 1 });
      expect([reasonOf(report, 'streams'), reasonOf(report, 'remembers')]).toEqual([null, null]);
      expect(vcoprocOf(report, 'streams/gpu0').commands.failed).toBe(0);
      expect(vcoprocOf(report, 'remembers/gpu0').commands.failed).toBe(0);
    });
  });

  it.each(['start', 'step', 'irq-step'])('%s: is found when it is alone on the coprocessor', async (name) => {
    await withRig(kind, { firmware, coprocs }, async (rig) => {
      let seen: Completion | undefined;
      await rig.domain(
        name,
        { gpu0: name },
        once(1, [0], (completion) => (seen = completion)),
      );
      const report = await rig.run();
      expect(seen).toMatchObject({ status: 'failed', reason: 'did not return from a step' });
      expect(blamed(rig)).toEqual([`${name}/gpu0`]);
      expect(report.coprocs[0]?.resets).toBe(1);
    });
  });

  it('finds a step that hangs after a denial, when whoever wanted the coprocessor is gone', async () => {
    const text = firmwareText({
      // Denies as long as it works, and hangs when it is told to.
      step: `(local $n i32)
        (if (i32.eqz (call $reg_get (i32.const ${TELL}))) (then (return (call $busy))))
        ${forEver('').replace('(local $n i32)', '')}`,
      rest: `(func $busy (result i32) ${BUSY})`,
      quiesce: '(i32.const 1000)',
    });
    const own = ownFirmware({ turncoat: text });
    await withRig(
      kind,
      { firmware: own, coprocs: [coproc('gpu0', { stopDeadline: ms(300) })] },
      async (rig) => {
        let denied = false;
        await rig.domain('turncoat', { gpu0: 'turncoat' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          const done = gpu.submit({ op: 1 });
          while (!denied) await domain.sleep(us(500));
          gpu.registers.write(TELL, 1);
          expect((await done).status).toBe('failed');
        });
        const other = await rig.domain('other', { gpu0: 'noop' }, once(1));
        await rig.run(async () => {
          while (!rig.trace.some((event) => event.kind === 'denied')) await rig.after(us(500));
          if (other.kind === 'ok') await rig.hypervisor.destroyDomain(other.value);
          denied = true;
        });
        expect(blamed(rig)).toEqual(['turncoat/gpu0']);
      },
    );
  });

  it('forgives a denial when nobody waits for the coprocessor any more', async () => {
    const own = ownFirmware({ holder: firmwareText({ step: UNTIL_TOLD, quiesce: '(i32.const 1000)' }) });
    await withRig(
      kind,
      { firmware: own, coprocs: [coproc('gpu0', { stopDeadline: ms(100) })] },
      async (rig) => {
        let denied = false;
        await rig.domain('holder', { gpu0: 'holder' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          const done = gpu.submit({ op: 1 });
          while (!denied) await domain.sleep(us(500));
          await domain.sleep(ms(120));
          gpu.registers.write(TELL, 1);
          expect((await done).status).toBe('ok');
        });
        const other = await rig.domain('other', { gpu0: 'noop' }, once(1));
        const report = await rig.run(async () => {
          while (!rig.trace.some((event) => event.kind === 'denied')) await rig.after(us(500));
          if (other.kind === 'ok') await rig.hypervisor.destroyDomain(other.value);
          denied = true;
        });
        expect(reasonOf(report, 'holder')).toBe(null);
        expect(blamed(rig)).toEqual([]);
      },
    );
  });

  it('resets whoever denies more often than the limit, long before the stop deadline', async () => {
    const limited = [coproc('gpu0', { stopDeadline: ms(30_000), denyRetryLimit: 3 })];
    await withRig(kind, { firmware, coprocs: limited }, async (rig) => {
      await rig.domain('denial', { gpu0: 'denial' }, once(1));
      await rig.domain('streams', { gpu0: 'stream' }, streaming(2));
      const report = await rig.run();
      expect(blamed(rig)).toEqual(['denial/gpu0']);
      expect(report.coprocs[0]?.denials).toBe(4);
      expect(stateOf(report, 'streams')).toBe('finished');
    });
  });

  // On threads nobody can choose that moment.
  it.runIf(kind === 'simulated')(
    'lets go of a domain that is destroyed whenever a denial too many is on its way',
    async () => {
      const own = ofDenials();
      for (let at = 0; at < 40; at++) {
        const coprocs = [coproc('gpu0', { denyRetryLimit: 3, timeslice: us(50), commandTimeout: ms(1) })];
        await withRig(kind, { firmware: own, coprocs }, async (rig) => {
          await rig.domain('denies', { gpu0: 'denies' }, once(1));
          const waits = await rig.domain('waits', { gpu0: 'noop' }, once(1));
          const report = await rig.run(async () => {
            while (rig.trace.filter(({ kind }) => kind === 'denied').length < 3) await rig.after(us(0.25));
            await rig.after(us(at / 4));
            if (waits.kind === 'ok') await rig.hypervisor.destroyDomain(waits.value);
          });
          expect([at, blamed(rig), stateOf(report, 'denies')]).toEqual([at, ['denies/gpu0'], 'finished']);
        });
      }
    },
  );

  it('gives up a command that outlives its timeout although each of its steps is short', async () => {
    const timely = [coproc('gpu0', { commandTimeout: ms(20) })];
    const busy = ownFirmware({ endless: firmwareText({ step: BUSY }) });
    await withRig(kind, { firmware: busy, coprocs: timely }, async (rig) => {
      await rig.domain('endless', { gpu0: 'endless' }, once(1));
      await rig.domain('streams', { gpu0: 'stream' }, streaming(5));
      const report = await rig.run();
      expect(blamed(rig)).toEqual(['endless/gpu0']);
      expect(report.coprocs[0]?.resets).toBe(0);
      expect([stateOf(report, 'endless'), stateOf(report, 'streams')]).toEqual(['finished', 'finished']);
    });
  });
});

/** Works for ever and denies to leave, for 5 us each time. */
function ofDenials(): ReturnType<typeof ownFirmware> {
  return ownFirmware({ denies: firmwareText({ step: BUSY, quiesce: '(i32.const 5)' }) });
}

describe('a start function of the module that does not return', () => {
  const hang = ownFirmware({ setup: firmwareText({ rest: '(func $hang (loop $l (br $l))) (start $hang)' }) });

  it('is refused in simulation, where it has no fuel', async () => {
    await withRig('simulated', { firmware: hang }, async (rig) => {
      await rig.domain('streams', { gpu0: 'stream' }, streaming(3));
      const created = await rig.domain('setup', { gpu0: 'setup' }, once(1));
      expect(created.kind).toBe('failed');
      const report = await rig.run();
      expect(stateOf(report, 'streams')).toBe('finished');
    });
  });

  it('is blamed itself on threads, and whoever was there works on', async () => {
    await withRig(
      'threads',
      { firmware: hang, coprocs: [coproc('gpu0', { stopDeadline: ms(50) })] },
      async (rig) => {
        await rig.domain('streams', { gpu0: 'stream' }, streaming(3));
        const created = await rig.domain('setup', { gpu0: 'setup' }, once(1));
        expect(created.kind).toBe('failed');
        expect(blamed(rig)).toEqual(['setup/gpu0']);
        const report = await rig.run();
        expect(stateOf(report, 'streams')).toBe('finished');
        expect(report.coprocs[0]?.resets).toBe(1);
      },
    );
  });

  it('is blamed itself even while somebody else runs and does not get an answer', async () => {
    await withRig(
      'threads',
      { firmware: hang, coprocs: [coproc('gpu0', { stopDeadline: ms(50) })] },
      async (rig) => {
        await rig.domain('works', { gpu0: 'spin' }, async (domain) => {
          for (let n = 0; n < 3; n++) await domain.coproc('gpu0').submit({ op: 4, args: [1 << 22] });
        });
        const report = await rig.run(async () => {
          while (rig.hypervisor.occupancy()[0]?.state !== 'running') await rig.after(ms(1));
          expect((await rig.domain('setup', { gpu0: 'setup' }, once(1))).kind).toBe('failed');
        });
        expect(blamed(rig)).toEqual(['setup/gpu0']);
        expect(stateOf(report, 'works')).toBe('finished');
      },
    );
  });
});
