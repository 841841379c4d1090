import { afterEach, describe, expect, it, vi } from 'vitest';
import { seconds } from '../../src/base/units.ts';
import { replayed, seeded } from '../../src/explore/decisions.ts';
import { runSeed } from '../../src/explore/run-seeds.ts';
import { runCompared } from '../../src/explore/neighbours.ts';
import { shrink } from '../../src/explore/shrink.ts';
import type { Subject } from '../../src/explore/subject.ts';
import { readTape, tapeOf, writeTape } from '../../src/explore/tape.ts';
import type { Failure, TrialResult } from '../../src/explore/trial.ts';
import { NO_FAULTS } from '../../src/faults/plan.ts';
import { openSubject } from '../../src/toolstack/subject.ts';
import { FAULTS } from '../defects/campaign.ts';
import { defects } from '../defects/defects.ts';

afterEach(() => void vi.restoreAllMocks());

async function failing(
  subject: Subject,
  seeds: number,
  most = Infinity,
): Promise<(TrialResult & { readonly failure: Failure })[]> {
  const found: (TrialResult & { readonly failure: Failure })[] = [];
  for (let seed = 1; seed <= seeds && found.length < most; seed++) {
    const result = await runCompared(subject, { oracle: seeded(seed), faults: FAULTS });
    if (result.failure !== undefined) found.push({ ...result, failure: result.failure });
  }
  return found;
}

describe('a failure', () => {
  it(
    'happens again from its tape, at the same step and with the same events, every time',
    { timeout: 60_000 },
    async () => {
      const subject = { ...(await openSubject('small')), ...defects['a read gives rubbish']!.build() };
      const failures = await failing(subject, 60);
      expect(failures.length).toBeGreaterThan(10);
      for (const { decisions, failure, fingerprint } of failures) {
        const again = await runCompared(subject, { oracle: replayed(decisions, true), faults: FAULTS });
        expect([again.failure, again.fingerprint]).toEqual([failure, fingerprint]);
      }
    },
  );

  it('is shrunk to few decisions that break the same law', { timeout: 60_000 }, async () => {
    const subject = {
      ...(await openSubject('small')),
      ...defects['wake dropped while asked to sleep']!.build(),
    };
    const [first] = await failing(subject, 2000, 1);
    const { result } = await shrink(subject, first!, { faults: FAULTS }, 300);
    expect(result.failure.law).toBe(first!.failure.law);
    expect(result.decisions.length).toBeLessThan(first!.decisions.length / 2);
    expect(result.decisions.length).toBeLessThan(30);
    const again = await runCompared(subject, { oracle: replayed(result.decisions, true), faults: FAULTS });
    expect(again.fingerprint).toBe(result.fingerprint);
  });

  it('keeps everything on its tape when it is written and read', async () => {
    const subject = { ...(await openSubject('small')), ...defects['names match by prefix']!.build() };
    const [first] = await failing(subject, 100, 1);
    const tape = tapeOf(
      { system: 'small', seed: 5, length: seconds(1), faults: FAULTS, plan: NO_FAULTS },
      first!,
    );
    expect(readTape(writeTape(tape))).toEqual({ kind: 'ok', value: tape });
    expect(readTape('{')).toMatchObject({ kind: 'failed' });
    expect(readTape('{"format":"covisor tape"}')).toMatchObject({ kind: 'failed' });
  });
});

describe('the guard', () => {
  it('finds a guest that is not deterministic', async () => {
    const small = await openSubject('small');
    let runs = 0;
    const subject: Subject = {
      ...small,
      build(oracle, run) {
        runs++;
        const system = small.build(oracle, run);
        return {
          ...system,
          coprocs: system.coprocs.map((coproc) => ({ ...coproc, clock: coproc.clock / runs })),
        };
      },
    };
    const record = await runSeed(subject, 64, { faults: 0, guardEvery: 64 });
    expect(record.failure?.law).toBe('the same seed gives the same run');
  });

  it('says nothing of the small system', async () => {
    const small = await openSubject('small');
    for (const seed of [1, 2, 3, 4])
      expect((await runSeed(small, seed, { faults: 4, guardEvery: 1 })).failure).toBeNull();
  });
});
