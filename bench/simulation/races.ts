import { openSubject } from '../../src/toolstack/subject.ts';
import type { Bench } from '../harness/bench.ts';
import type { Contestant } from '../harness/race.ts';
import { simpy, systemc, type Simulator } from '../peers/simulators.ts';
import { campaign, framework, timers } from './drive.ts';

/** What is aimed at, as a contestant: no figure stands alone. */
const aim = (name: string, value: number): Contestant => ({ name, sample: () => value });

/** Ten million runs in a night of eight hours, on two cores. */
const A_NIGHT = 10_000_000 / (8 * 3600) / 2;

/** How fast virtual time passes. An event is what the event queue takes out and carries out: nothing else counts. */
export const simulationBench: Bench = {
  name: 'simulation',
  what: 'events and runs per second of one core, under virtual time',
  async *races({ milliseconds, rounds }) {
    const smoke = rounds === 1;
    const peers: readonly (readonly [string, Simulator | undefined, number])[] = [
      ['SystemC', systemc(), 1],
      ['SimPy', simpy(), 10],
    ];
    for (const pending of [64, 4096]) {
      const contestants: Contestant[] = [
        { name: 'event queue', sample: () => timers(pending, 20_000 * milliseconds) },
      ];
      for (const [name, run, share] of peers)
        if (run !== undefined)
          contestants.push({
            name,
            sample: () => run(pending, Math.ceil((10_000 * milliseconds) / share)),
          });
      yield {
        title: `timers that ask to happen again, ${pending} pending`,
        unit: '/s',
        contestants,
        questions: peers.map(([to, , goal]) => ({ of: 'event queue', to, goal })),
      };
    }
    const goal = 'aimed at';
    yield {
      title: 'the whole framework: events, four domains on one coprocessor',
      unit: '/s',
      contestants: [
        { name: 'framework', sample: () => framework(smoke ? 5 : milliseconds * 2) },
        aim(goal, 500_000),
      ],
      questions: [{ of: 'framework', to: goal, goal: 1 }],
    };
    const subject = await openSubject('small');
    let first = 1;
    const one = async (what: 'runs' | 'events'): Promise<number> => {
      const rates = await campaign(subject, first, milliseconds * 4);
      first += 1000;
      return rates[what];
    };
    yield {
      title: 'a campaign on `small`: runs, every law and faults on',
      unit: '/s',
      contestants: [{ name: 'campaign', sample: () => one('runs') }, aim(goal, A_NIGHT)],
      questions: [{ of: 'campaign', to: goal, goal: 1 }],
      note: 'one core; aimed at: ten million in eight hours on two',
    };
    yield {
      title: 'a campaign on `small`: events, every law and faults on',
      unit: '/s',
      contestants: [{ name: 'campaign', sample: () => one('events') }, aim(goal, 500_000)],
      questions: [{ of: 'campaign', to: goal, goal: undefined }],
    };
  },
};
