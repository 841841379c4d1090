import type { Random } from '../../src/base/random.ts';
import { after, instant, seconds, us, type Duration, type Instant } from '../../src/base/units.ts';
import type { Scheduler } from '../../src/contract/scheduler.ts';
import { Simulation, vcoproc, type Agent } from './simulation.ts';

interface Limits {
  readonly denial: Duration;
  readonly switchCost: Duration;
}

/**
 * Draws a random set of sporadic tasks, as many as are admitted, and runs it: each job takes its whole budget, comes
 * at its period or up to half a period later, and denies as long as it may whenever it is asked to leave. Returns
 * who missed which deadline; nothing when no task was admitted.
 */
export function admittedSet(
  random: Random,
  create: () => Scheduler,
  { denial, switchCost }: Limits,
): { readonly tasks: number; readonly misses: readonly string[] } | undefined {
  // The first draws of neighbouring seeds are alike.
  for (let draw = 0; draw < 16; draw++) random.bits();
  const probe = create();
  const agents: Agent[] = [];
  const periods: Duration[] = [];
  const wanted = 1 + random.below(8);
  const sporadic = random.below(2) === 1;
  for (let at = 0; at < wanted; at++) {
    const period = Math.round(1_000 * 10 ** (random.unit() * 1.7));
    const budget = Math.max(10, Math.round(period * random.unit() * (1.6 / wanted)));
    const parameters = { period, budget };
    if (probe.admit(vcoproc(`t${at}`), parameters).kind === 'refused') continue;
    let release: Instant = instant(us(random.below(sporadic ? period : 1)));
    let first = true;
    periods.push(us(period));
    agents.push({
      name: `t${at}`,
      parameters,
      next: () => {
        const gap = sporadic ? random.below(period >> 1) : 0;
        if (!first) release = after(release, us(period + gap));
        first = false;
        return { at: release, length: us(budget) };
      },
      denial: () => (random.below(2) === 0 ? denial : us(random.below(200))),
    });
  }
  if (agents.length === 0) return undefined;
  const simulation = new Simulation(create(), agents, { switchCost, stopDeadline: denial });
  simulation.run(seconds(0.15));
  const misses = agents.flatMap(({ name }, at) =>
    simulation
      .figures(name)
      .responses.filter((response) => response > periods[at]!)
      .map((response) => `${name} took ${response} of ${periods[at]}`),
  );
  return { tasks: agents.length, misses };
}
