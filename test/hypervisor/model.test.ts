import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ns } from '../../src/base/units.ts';
import type { Completion, GuestCoproc } from '../../src/contract/guest.ts';
import type { Domain } from '../../src/hypervisor/domain.ts';
import { GPU } from '../../src/platforms/gpu/registers.ts';
import { withCaptive } from '../hostile/support.ts';
import { type Rig } from '../rig.ts';

/** Schedules to try per property; `COVISOR_RUNS` hunts longer. */
const RUNS = Number(process.env['COVISOR_RUNS'] ?? 25);

const DOMAINS = ['a', 'b', 'c'] as const;
type Name = (typeof DOMAINS)[number];

/** What happens to the system, at random. Every command that is submitted would end by itself. */
type Act =
  | { readonly do: 'work' | 'deny' | 'interrupt'; readonly who: Name; readonly steps: number }
  | { readonly do: 'pause' | 'mask' | 'destroy'; readonly who: Name }
  | { readonly do: 'kill' }
  | { readonly do: 'wait'; readonly ns: number };

const who = fc.constantFrom(...DOMAINS);
const steps = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 60_000 }));
/** Long enough to fall into every state: before a doorbell, while saving (17 us), while running, after a slice. */
const wait = fc.oneof(
  fc.integer({ min: 0, max: 400 }),
  fc.integer({ min: 0, max: 40_000 }),
  fc.integer({ min: 0, max: 3_000_000 }),
);
const act = ({ kills }: { kills: boolean }): fc.Arbitrary<Act> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('work' as const), who, steps }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('deny' as const), who, steps }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('interrupt' as const), who, steps }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('pause' as const), who }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('mask' as const), who }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('destroy' as const), who }) },
    { weight: 12, arbitrary: fc.record({ do: fc.constant('wait' as const), ns: wait }) },
    ...(kills ? [{ weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const) }) }] : []),
  );

class Guest {
  readonly domain: Domain;
  readonly completions: Completion[] = [];
  readonly pending: Promise<void>[] = [];
  device: GuestCoproc | undefined;
  submitted = 0;
  interrupts = 0;
  heard = 0;
  paused = false;
  masked = false;
  destroyed = false;
  #end: () => void = () => {};
  readonly ended = new Promise<void>((resolve) => (this.#end = resolve));

  constructor(domain: Domain) {
    this.domain = domain;
  }

  submit(op: number, args: number[]): void {
    this.submitted++;
    const submitted = this.device!.submit({ op, args });
    this.pending.push(submitted.then((completion) => void this.completions.push(completion)));
  }

  end(): void {
    this.#end();
  }
}

async function create(rig: Rig, name: Name): Promise<Guest> {
  const created = await rig.domain(name, { gpu0: 'spin' }, async (domain) => {
    guest.device = domain.coproc('gpu0');
    guest.device.onInterrupt(() => guest.heard++);
    await guest.ended;
  });
  if (created.kind === 'failed') throw new Error(created.reason);
  const guest = new Guest(created.value);
  return guest;
}

async function play(
  rig: Rig,
  guests: Map<Name, Guest>,
  acts: readonly Act[],
  kill: () => void,
): Promise<void> {
  const destroyed: Promise<void>[] = [];
  await rig.after(ns(1));
  for (const act of acts) {
    if (act.do === 'wait') await rig.after(ns(act.ns));
    else if (act.do === 'kill') kill();
    else {
      const guest = guests.get(act.who)!;
      if (guest.destroyed) continue;
      if (act.do === 'work') guest.submit(4, [act.steps]);
      else if (act.do === 'deny') guest.submit(5, [1 + (act.steps % 300), act.steps]);
      else if (act.do === 'interrupt') {
        guest.interrupts++;
        guest.submit(9, [2 + (act.steps % 30)]);
      } else if (act.do === 'mask') {
        guest.masked = !guest.masked;
        guest.device!.registers.write(GPU.interruptMask, guest.masked ? -1 : 0);
      } else if (act.do === 'pause') {
        if (guest.paused) rig.hypervisor.unpauseDomain(guest.domain);
        else rig.hypervisor.pauseDomain(guest.domain);
        guest.paused = !guest.paused;
      } else {
        guest.destroyed = true;
        destroyed.push(rig.hypervisor.destroyDomain(guest.domain));
      }
    }
  }
  for (const guest of guests.values()) {
    if (guest.destroyed) continue;
    if (guest.paused) rig.hypervisor.unpauseDomain(guest.domain);
    if (guest.masked) guest.device!.registers.write(GPU.interruptMask, 0);
  }
  await Promise.all([...guests.values()].flatMap(({ pending }) => pending));
  await rig.after(ns(100_000));
  for (const guest of guests.values()) guest.end();
  await Promise.all(destroyed);
}

async function survives(acts: readonly Act[]): Promise<void> {
  await withCaptive('simulated', {}, async (rig, captive) => {
    const guests = new Map<Name, Guest>();
    for (const name of DOMAINS) guests.set(name, await create(rig, name));
    const report = await rig.run(() => play(rig, guests, acts, () => captive.kill()));
    const killed = acts.some((act) => act.do === 'kill');
    for (const [name, guest] of guests) {
      const { submitted, completions, destroyed, interrupts, heard } = guest;
      expect([name, completions.length]).toEqual([name, submitted]);
      for (const { status, reason } of completions) {
        if (status === 'cancelled') expect(destroyed).toBe(true);
        else if (status === 'failed') expect([killed, reason]).toEqual([true, 'coprocessor reset']);
      }
      if (!killed && !destroyed) expect([name, heard]).toEqual([name, interrupts]);
      const vcoproc = report.vcoprocs.find(({ domain }) => domain === name)!;
      expect(vcoproc.state).toBe('gone');
      expect(vcoproc.interrupts.pending).toBe(0);
      if (!killed) expect(vcoproc.faults).toEqual([]);
    }
    const { running } = report.coprocs[0]!;
    expect(report.vcoprocs.reduce((total, { time }) => total + time, 0)).toBe(running);
  });
}

describe('any schedule of submits, pauses, masks and destroys, in simulation', () => {
  it('completes every command once, delivers every interrupt once and stalls nowhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act({ kills: false }), { maxLength: 60, size: 'max' }), survives),
      {
        numRuns: RUNS,
      },
    );
  });

  it('holds its laws when the coprocessor dies at random moments, too', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act({ kills: true }), { maxLength: 60, size: 'max' }), survives),
      {
        numRuns: RUNS,
      },
    );
  });
});

describe('wakes', () => {
  it('are lost in no state: many tiny commands after many tiny sleeps', async () => {
    const naps = fc.array(fc.tuple(wait, fc.integer({ min: 1, max: 400 })), {
      minLength: 5,
      maxLength: 25,
      size: 'max',
    });
    await fc.assert(
      fc.asyncProperty(naps, naps, async (first, second) => {
        await withCaptive('simulated', {}, async (rig) => {
          for (const [name, plan] of [
            ['a', first],
            ['b', second],
          ] as const) {
            await rig.domain(name, { gpu0: 'spin' }, async (domain) => {
              for (const [nap, count] of plan) {
                await domain.sleep(ns(nap % 50_000));
                const { status } = await domain.coproc('gpu0').submit({ op: 4, args: [count] });
                if (status !== 'ok') throw new Error(status);
              }
            });
          }
          const report = await rig.run();
          expect(report.domains.map(({ reason }) => reason)).toEqual([null, null]);
        });
      }),
      { numRuns: RUNS },
    );
  });
});
