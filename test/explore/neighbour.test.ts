import { expect, it } from 'vitest';
import type { TraceEvent } from '../../src/contract/events.ts';
import { replayed, seeded, type DecisionOracle } from '../../src/explore/decisions.ts';
import type { Subject } from '../../src/explore/subject.ts';
import { runTrial } from '../../src/explore/trial.ts';
import { openSubject } from '../../src/toolstack/subject.ts';

/** What domain a asked for and got, without the times: concurrent commands may change places, and who denies for ever
 * is blamed for another deadline when nobody waits. */
async function storyOfA(
  subject: Subject,
  oracle: DecisionOracle,
): Promise<{ story: string[]; whole: boolean }> {
  const story: string[] = [];
  const onEvent = (event: TraceEvent): void => {
    if (event.kind === 'submit' && event.vcoproc.startsWith('a/'))
      story.push(`${event.vcoproc} submit ${event.op}`);
    if (event.kind === 'complete' && event.vcoproc.startsWith('a/'))
      story.push(`${event.vcoproc} ${event.status}`);
  };
  const result = await runTrial(subject, { oracle, onEvent });
  return { story: story.sort((one, other) => (one < other ? -1 : 1)), whole: result.failure === undefined };
}

it(
  'gives a domain the same, whether its neighbours are there, idle or hostile',
  { timeout: 60_000 },
  async () => {
    const small = await openSubject('small');
    const alone: Subject = {
      ...small,
      build(oracle, run) {
        const system = small.build(oracle, run);
        return { ...system, domains: system.domains.slice(0, 1) };
      },
    };
    let hostile = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const first = seeded(seed);
      const together = await storyOfA(small, first);
      const without = await storyOfA(alone, replayed(first.decisions, false));
      expect([together.whole, without.whole]).toEqual([true, true]);
      expect(together.story, `seed ${seed}`).toEqual(without.story);
      hostile += first.decisions.some(({ point }) => point === 'scenario/hostile') ? 1 : 0;
    }
    expect(hostile).toBeGreaterThan(10);
  },
);
