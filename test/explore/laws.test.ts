import { afterEach, describe, expect, it, vi } from 'vitest';
import { between, type Duration, type Instant } from '../../src/base/units.ts';
import type { TraceEvent } from '../../src/contract/events.ts';
import { domainId, vcoprocId, type VcoprocId } from '../../src/contract/names.ts';
import type { Platform } from '../../src/contract/platform.ts';
import type { RecoveryStep } from '../../src/contract/recovery.ts';
import type { Context } from '../../src/coprocessor/context.ts';
import { seeded } from '../../src/explore/decisions.ts';
import type { Subject } from '../../src/explore/subject.ts';
import { runTrial, type TrialResult } from '../../src/explore/trial.ts';
import type { Fault, Point } from '../../src/faults/plan.ts';
import { Account } from '../../src/hypervisor/account.ts';
import { SharedCoproc } from '../../src/hypervisor/coproc.ts';
import { Domain } from '../../src/hypervisor/domain.ts';
import { Hypervisor } from '../../src/hypervisor/hypervisor.ts';
import { Tally } from '../../src/hypervisor/tally.ts';
import { Vcoproc } from '../../src/hypervisor/vcoproc.ts';
import { ContextImage, IMAGE_STATE } from '../../src/memory/context-image.ts';
import { platforms } from '../../src/platforms/index.ts';
import { openSubject } from '../../src/toolstack/subject.ts';
import { hunt } from '../defects/campaign.ts';
import { patch } from '../defects/defects.ts';

afterEach(() => void vi.restoreAllMocks());

/** A system that tells of its events like this; each event may become none, or several. */
const telling = (tell: (event: TraceEvent) => readonly TraceEvent[]): Partial<Subject> => ({
  hypervisor: (parts) =>
    new Hypervisor({
      ...parts,
      trace: (event) => {
        for (const told of tell(event)) parts.trace(told);
      },
    }),
});

/** A system in which one step of a recovery leads to another. */
const alsoTelling = (step: RecoveryStep, other: RecoveryStep): Partial<Subject> =>
  telling((event) =>
    event.kind === 'recovery' && event.step === step ? [event, { ...event, step: other }] : [event],
  );

const ISOLATION = 'a domain is isolated as a whole, and nobody else with it';

const isForAnother = (event: TraceEvent): event is TraceEvent & { readonly kind: 'recovery' } =>
  event.kind === 'recovery' && event.cause === 'domain';

const nthOf = (kind: TraceEvent['kind'], nth: number): ((event: TraceEvent) => boolean) => {
  let seen = 0;
  return (event) => event.kind === kind && ++seen === nth;
};

/** Changes what a context finds when it comes; `fresh`: for the first time. */
const arriving = (change: (context: Context, fresh: boolean) => void): Partial<Subject> =>
  patch(ContextImage.prototype, 'loadFrontEnd', function (original, into) {
    original.call(this, into);
    // A context that is just being attached has no place in a coprocessor yet.
    if (this.state !== IMAGE_STATE.away) change(into as Context, this.state === IMAGE_STATE.fresh);
  });

const bytesOf = ({ spec }: Context): Uint8Array => new Uint8Array(spec.local.buffer);

const onlyOnce = (): (() => boolean) => {
  let done = false;
  return () => !done && (done = true);
};

/** Each law, broken on purpose in one way: the law that must be named, how, and what it must say. */
const broken: readonly (readonly [law: string, how: string, build: () => Partial<Subject>, says: RegExp])[] =
  [
    [
      'every command completes exactly once',
      'a completion is told twice',
      () => telling((event) => (event.kind === 'complete' ? [event, event] : [event])),
      /commands are open|that was not open/,
    ],
    [
      'every command completes exactly once',
      'a completion is told and never was a command',
      () => {
        const first = nthOf('submit', 1);
        return telling((event) =>
          first(event)
            ? [{ ...event, kind: 'complete', status: 'ok', latency: 0 } as unknown as TraceEvent, event]
            : [event],
        );
      },
      /that was not open/,
    ],
    [
      'every command completes exactly once',
      'a completion is told to nobody',
      () => {
        const third = nthOf('complete', 3);
        return telling((event) => (third(event) ? [] : [event]));
      },
      /commands are open/,
    ],
    [
      'interrupts raised = delivered + pending + dropped',
      'an interrupt is forgotten while its domain runs',
      () => {
        const once = onlyOnce();
        return patch(Vcoproc.prototype, 'interrupt', function (original, line, count) {
          if (this.state !== 'running' || !once()) original.call(this, line, count);
        });
      },
      /raised/,
    ],
    [
      'interrupts raised = delivered + pending + dropped',
      'an interrupt is injected twice',
      () =>
        patch(Vcoproc.prototype, 'interrupt', function (original, line, count) {
          original.call(this, line, count);
          original.call(this, line, count);
        }),
      /raised/,
    ],
    [
      'a ring that rang is served; no wake-up is lost',
      'a coprocessor that asked to be rung for a command is not',
      () => patch(SharedCoproc.prototype, 'ring', () => {}),
      /sleeps and has work/,
    ],
    [
      'running + switching + idle + faulted = wall',
      'a nanosecond is in no bucket',
      () => {
        vi.spyOn(Account.prototype, 'missing', 'get').mockReturnValue(1 as Duration);
        return {};
      },
      /1 ns less than the whole/,
    ],
    [
      'running + switching + idle + faulted = wall',
      'who has a coprocessor is charged for the switches, too',
      () =>
        patch(Account.prototype, 'enter', function (original, state, at) {
          const before = this.until;
          original.call(this, state, at);
          return between(before, this.until);
        }),
      /its vcoprocs had it for/,
    ],
    [
      'the time of one coprocessor never goes back',
      'a state is told with a time that is over',
      () => {
        const tenth = nthOf('coproc', 10);
        return telling((event) => [tenth(event) ? { ...event, at: 1 as Instant } : event]);
      },
      /comes after/,
    ],
    [
      'the time of one coprocessor never goes back',
      'a command completes before it was submitted',
      () => telling((event) => [event.kind === 'complete' ? { ...event, latency: -1 as Duration } : event]),
      /completed 1 ns before it was submitted/,
    ],
    [
      'who is at fault is dealt with as the policy says',
      'its faults are not counted',
      () => patch(Tally.prototype, 'add', () => 0),
      /is renewed with policy ban, 1 faults, after 0 renewals/,
    ],
    [
      'who is isolated never gets the coprocessor again',
      'it begins anew',
      () => alsoTelling('isolated', 'renewed'),
      /is renewed/,
    ],
    [
      'who is isolated never gets the coprocessor again',
      'it comes once more after it has left',
      () =>
        telling((event) => {
          if (event.kind !== 'recovery' || event.step !== 'isolated') return [event];
          const { at, coproc, vcoproc } = event;
          const between = (from: VcoprocId | null, to: VcoprocId | null): TraceEvent =>
            ({ at, kind: 'switch', coproc, from, to, cost: 0, saved: 0, loaded: 0 }) as unknown as TraceEvent;
          // What it is isolated for happened elsewhere: it may be on its way, once.
          const elsewhere = { ...event, cause: 'domain' as const };
          return [elsewhere, between(null, vcoproc), between(vcoproc, null), between(null, vcoproc)];
        }),
      /has .* again/,
    ],
    [
      ISOLATION,
      'the other shares go on',
      () => patch(SharedCoproc.prototype, 'isolate', () => {}),
      /goes on, though \S+ was at fault$/,
    ],
    [
      ISOLATION,
      'it is said, and done to a neighbour',
      () =>
        telling((event) =>
          isForAnother(event) ? [{ ...event, vcoproc: vcoprocId(domainId('other'), event.coproc) }] : [event],
        ),
      /is isolated for \S+, whose policy is isolate-domain$/,
    ],
    [
      'a coprocessor that is out of service stays so',
      'it is started again',
      () => alsoTelling('out-of-service', 'restarted'),
      /is started again/,
    ],
    [
      'a loaded context is bit-identical to the saved one',
      'a bit of the local memory is another one',
      () =>
        arriving((context, fresh) => void (fresh || (bytesOf(context)[bytesOf(context).length - 1]! ^= 1))),
      /bytes of its local memory differ/,
    ],
    [
      'a loaded context is bit-identical to the saved one',
      'the globals begin anew',
      () =>
        arriving(
          ({ firmware }, fresh) => void (fresh || firmware.instance.loadGlobals(firmware.firstGlobals)),
        ),
      /its globals differ/,
    ],
    [
      'a loaded context is bit-identical to the saved one',
      'the registers are saved wrong',
      () =>
        patch(ContextImage.prototype, 'saveFrontEnd', function (original, state) {
          original.call(this, state);
          for (let word = 0; word < this.registers.length; word++) this.registers[word]! ^= 1;
        }),
      /: [A-Z_0-9a-z]+ differ/,
    ],
    [
      'a loaded context is bit-identical to the saved one',
      'a fresh context finds what another left behind',
      () => {
        let left = 0;
        return arriving((context, fresh) => void (fresh && (bytesOf(context)[0] = ++left)));
      },
      /bytes of its local memory differ/,
    ],
    [
      'a loaded context is bit-identical to the saved one',
      'an image says that it was saved, and it was not',
      () => {
        vi.spyOn(ContextImage.prototype, 'state', 'get').mockReturnValue(IMAGE_STATE.saved);
        vi.spyOn(ContextImage.prototype, 'isFirmware').mockReturnValue(true);
        vi.spyOn(ContextImage.prototype, 'intact').mockReturnValue(true);
        return {};
      },
      /was never saved/,
    ],
    [
      'who denies to leave stays',
      'a device asks its firmware and does not listen',
      () => ({ platforms: Object.fromEntries(Object.entries(platforms).map(deaf)) }),
      /the firmware denied/,
    ],
  ];

/** A device that is quiet whatever its firmware says. */
const deaf = ([name, platform]: [string, Platform]): [string, Platform] => [
  name,
  {
    ...platform,
    createDevice() {
      const device = platform.createDevice();
      return Object.assign(Object.create(device) as typeof device, {
        quiesce(_window: Int32Array, _active: boolean, firmware: () => number) {
          firmware();
          return { kind: 'quiet' } as const;
        },
      });
    },
  },
];

const MOST_RUNS = 200;

describe('a campaign names the law', { timeout: 60_000 }, () => {
  it.each(broken)('"%s" when %s', async (law, _how, build, says) => {
    const { failure } = await hunt(build(), MOST_RUNS);
    expect(failure).toMatchObject({ law, what: expect.stringMatching(says) });
  });
});

/** Runs seeds with one fault, and nothing drawn. */
async function withFault(fault: Fault, seeds: number, parts: Partial<Subject> = {}): Promise<TrialResult[]> {
  const subject = { ...(await openSubject('small')), ...parts };
  const results: TrialResult[] = [];
  for (let seed = 1; seed <= seeds; seed++)
    results.push(await runTrial(subject, { oracle: seeded(seed), plan: { faults: [fault] } }));
  return results;
}

const CREATING = ['allocate', 'firmware', 'admit', 'attach'] as const;
const failing = (point: Point, nth: number): Fault => ({ fault: 'fail', when: { point, nth } });

describe('a run in which a call fails while domains are created', { timeout: 60_000 }, () => {
  it.each([...CREATING, 'start'] as const)('of %s, is like every other', async (point) => {
    // The first systems that are drawn have one coprocessor.
    for (const nth of point === 'start' ? [1] : [1, 2]) {
      const results = await withFault(failing(point, nth), 20);
      expect(results.filter(({ failure }) => failure !== undefined)).toEqual([]);
      expect(results.filter(({ faults }) => faults.length > 0).length).toBeGreaterThan(5);
    }
  });

  it('breaks a law when something of the domain stays', async () => {
    const stays = patch(Domain.prototype, 'destroy', function (original) {
      if (this.state !== 'created') original.call(this);
    });
    for (const { failure } of await withFault(failing('attach', 2), 5, stays))
      expect(failure).toMatchObject({
        law: 'what failed leaves nothing behind',
        what: expect.stringMatching(/there is a domain . already/),
      });
  });
});

describe('interrupts are accounted for', { timeout: 60_000 }, () => {
  it.each(['kill', 'hang'] as const)(
    'when a %s comes in the middle of a turn, before what was raised in it was shown',
    async (fault) => {
      for (const nth of [2, 5, 8]) {
        const results = await withFault({ fault, coproc: 'gpu0', when: { point: 'interrupt', nth } }, 40);
        expect(results.filter(({ failure }) => failure !== undefined)).toEqual([]);
        expect(results.filter(({ faults }) => faults.length > 0).length).toBeGreaterThan(20);
      }
    },
  );

  it('when a storm raises some that no command asked for', async () => {
    const when = { event: 'submit', nth: 2 };
    const results = await withFault({ fault: 'interrupt-storm', coproc: 'gpu0', count: 300, when }, 60);
    expect(results.filter(({ failure }) => failure !== undefined)).toEqual([]);
    expect(results.filter(({ faults }) => faults.length > 0).length).toBeGreaterThan(30);
  });
});
