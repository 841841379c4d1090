import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from './files.ts';
import type { TraceEvent } from '../contract/events.ts';
import type { RunReport } from '../contract/report.ts';
import { actorTable } from '../explore/actor-table.ts';
import { replayed } from '../explore/decisions.ts';
import type { Subject } from '../explore/subject.ts';
import { writeTape, type Tape } from '../explore/tape.ts';
import { runCompared } from '../explore/neighbours.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { reportPage } from '../observe/report-page/report-page.ts';

/** Writes what a person needs of one failure into `folder`. Returns the path of the reduced tape. */
export async function writeFailure(
  folder: string,
  subject: Subject,
  whole: Tape,
  reduced: Tape,
): Promise<string> {
  const events: TraceEvent[] = [];
  let report: RunReport | undefined;
  await runCompared(subject, {
    oracle: replayed(reduced.decisions, false),
    plan: reduced.plan,
    faults: reduced.faults,
    onEvent: (event) => events.push(event),
    onEnd: (hypervisor) => (report = reportOf(hypervisor, subject, reduced)),
  });
  makeFolder(folder);
  const path = join(folder, 'reduced.json');
  writeFileSync(path, writeTape(reduced));
  writeFileSync(join(folder, 'tape.json'), writeTape(whole));
  if (report !== undefined) {
    writeFileSync(join(folder, 'table.txt'), failureText(reduced, events, report));
    writeFileSync(
      join(folder, 'timeline.html'),
      reportPage({ report, trace: events, pictures: [], losses: [] }),
    );
  }
  return path;
}

/** The table and what broke, as text. */
export function failureText(
  { expect, seed }: Tape,
  events: readonly TraceEvent[],
  report: Pick<RunReport, 'domains' | 'coprocs'>,
  mostRows = Infinity,
): string {
  const actors = [...report.domains.map(({ name }) => name), ...report.coprocs.map(({ id }) => id)];
  const origin = seed === null ? '' : `, found by seed ${seed}`;
  return `${actorTable(events, actors, mostRows)}\n${expect.law}\n  does not hold: ${expect.what}\n  at ${expect.at} ns, step ${expect.step}${origin}\n`;
}

export function reportOf(
  hypervisor: Hypervisor,
  { model }: Pick<Subject, 'model'>,
  { system, seed, expect }: Pick<Tape, 'system' | 'seed' | 'expect'>,
): RunReport {
  const figures = hypervisor.figures();
  return {
    schemaVersion: 1,
    system,
    model,
    runtime: 'simulated',
    seed: seed ?? 0,
    wall: figures.coprocs.reduce(
      (longest, { wall }) => (wall > longest ? wall : longest),
      0 as RunReport['wall'],
    ),
    ok: false,
    violations: [`${expect.law}: ${expect.what}`],
    ...figures,
    report: null,
  };
}
