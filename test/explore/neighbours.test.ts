import { expect, it } from 'vitest';
import { DecisionOracle, replayed, seeded } from '../../src/explore/decisions.ts';
import { runCompared } from '../../src/explore/neighbours.ts';
import { shrink } from '../../src/explore/shrink.ts';
import type { Subject } from '../../src/explore/subject.ts';
import type { Failure, TrialResult } from '../../src/explore/trial.ts';
import { openSubject } from '../../src/toolstack/subject.ts';

const LAW = 'a neighbour changes nothing but timing';

/** What a seed draws, and which domain is left alone. */
function leavingAlone(seed: number, domain: number): DecisionOracle {
  const drawn = seeded(seed);
  return new DecisionOracle(
    (point) => (_nth, options) => (point === 'law/neighbours' ? 1 + domain : drawn.choose(point, options)),
  );
}

const compared = ({ marks }: TrialResult): boolean => marks.has('a domain is run without its neighbours');

it(
  'gives a domain the same, whether its neighbours are there, idle or hostile',
  { timeout: 60_000 },
  async () => {
    const small = await openSubject('small');
    let hostile = 0;
    let runs = 0;
    for (let seed = 1; seed <= 120; seed++) {
      const result = await runCompared(small, { oracle: leavingAlone(seed, seed % 3) });
      expect(result.failure, `seed ${seed}`).toBeUndefined();
      if (!compared(result)) continue;
      runs++;
      if (result.decisions.some(({ point }) => point === 'scenario/hostile')) hostile++;
    }
    expect([runs > 50, hostile > 10]).toEqual([true, true]);
  },
);

/** Each domain that is over while another one still runs tells of it, by a command more. */
async function indiscreet(): Promise<Subject> {
  const small = await openSubject('small');
  return {
    ...small,
    build(oracle, run) {
      const system = small.build(oracle, run);
      let running = 0;
      const domains = system.domains.map((domain) => ({
        ...domain,
        program: {
          async main(guest: Parameters<typeof domain.program.main>[0]): Promise<void> {
            running++;
            await domain.program.main(guest);
            if (running-- > 1) await guest.coproc(domain.description.coprocs[0]!.coproc).submit({ op: 0 });
          },
        },
      }));
      return { ...system, domains };
    },
  };
}

it(
  'finds a domain that can tell that it has neighbours, again from its tape and with little on it',
  { timeout: 60_000 },
  async () => {
    const subject = await indiscreet();
    let found: (TrialResult & { readonly failure: Failure }) | undefined;
    for (let seed = 1; found === undefined; seed++) {
      const result = await runCompared(subject, { oracle: leavingAlone(seed, 0) });
      if (result.failure !== undefined) found = { ...result, failure: result.failure };
    }
    expect(found.failure).toMatchObject({
      law: LAW,
      what: expect.stringMatching(
        /^domain a is run again without its neighbours: \d+ commands .+ instead of /,
      ),
    });
    const again = await runCompared(subject, { oracle: replayed(found.decisions, true) });
    expect([again.failure, again.fingerprint]).toEqual([found.failure, found.fingerprint]);
    const { result } = await shrink(subject, found, {}, 200);
    expect(result.failure.law).toBe(LAW);
    expect(result.decisions.length).toBeLessThan(10);
  },
);

it('compares some of the seeds of a campaign, and none of a system whose domains know each other', async () => {
  const small = await openSubject('small');
  const marked = async (subject: Subject): Promise<number> => {
    let count = 0;
    for (let seed = 1; seed <= 120; seed++)
      if (compared(await runCompared(subject, { oracle: seeded(seed) }))) count++;
    return count;
  };
  expect(await marked(small)).toBeGreaterThan(0);
  expect(await marked({ ...small, strangers: false })).toBe(0);
});
