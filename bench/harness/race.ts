import { probe, type Placement } from './noise.ts';
import { atPriority } from './priority.ts';

/** One thing that is measured against others. */
export interface Contestant {
  readonly name: string;
  /** One sample, in the race's unit; `undefined` when it cannot run here, with the reason in `absent`. */
  sample(): Promise<number> | number;
}

/** A figure that the race is run for: `of` divided by `to`, in the direction in which more is better. */
export interface Question {
  readonly of: string;
  readonly to: string;
  /** At least this ratio is aimed at; `undefined` when the figure only informs. */
  readonly goal: number | undefined;
}

export interface Race {
  readonly title: string;
  readonly unit: '/s' | 'ns' | 'bytes';
  readonly contestants: readonly Contestant[];
  readonly questions: readonly Question[];
  /** Said below the table, once it is run. */
  readonly note?: string | (() => string);
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly samples: number;
}

export interface Answer extends Question {
  /** Speed of `of` over speed of `to`: of times it is `to` over `of`. */
  readonly ratio: Spread;
  readonly holds: boolean | undefined;
}

export interface Result {
  readonly title: string;
  readonly unit: Race['unit'];
  readonly placement: Placement;
  /** Samples that were thrown away because the machine was busy with something else. */
  readonly noisy: number;
  readonly figures: Readonly<Record<string, Spread>>;
  readonly answers: readonly Answer[];
  readonly note: string | undefined;
}

export interface Effort {
  /** How long one sample takes, about. */
  readonly milliseconds: number;
  /** Rounds of A-B-A-B that count. */
  readonly rounds: number;
  /** Noisy rounds that are run again, at most. */
  readonly retries: number;
}

interface Round {
  readonly placement: Placement;
  readonly values: readonly number[];
}

/**
 * Runs the contestants one after the other, round after round, so that each meets the same machine. A probe
 * before and after each sample says how the two cores stand to each other; rounds are compared with their own
 * kind only, and a round that somebody else's work disturbed is run again.
 */
export async function run(race: Race, effort: Effort): Promise<Result> {
  for (const { sample } of race.contestants) await sample();
  const rounds: Round[] = [];
  let noisy = 0;
  while (rounds.length < effort.rounds) {
    const round = await oneRound(race.contestants);
    if (round.placement === 'noisy' && noisy < effort.retries) noisy++;
    else rounds.push(round);
  }
  const placement = commonest(rounds.map((round) => round.placement));
  const alike = rounds.filter((round) => round.placement === placement);
  const column = (name: string): number[] => {
    const at = race.contestants.findIndex((contestant) => contestant.name === name);
    return alike.map((round) => round.values[at]!);
  };
  const figures = Object.fromEntries(race.contestants.map(({ name }) => [name, spread(column(name))]));
  const answers = race.questions
    .filter(({ of, to }) => of in figures && to in figures)
    .map((question) => answer(question, race.unit, column(question.of), column(question.to)));
  const { title, unit } = race;
  const note = typeof race.note === 'function' ? race.note() : race.note;
  return { title, unit, placement, noisy, figures, answers, note };
}

async function oneRound(contestants: readonly Contestant[]): Promise<Round> {
  const seen: Placement[] = [];
  const values: number[] = [];
  for (const contestant of contestants) {
    await atPriority(async () => {
      seen.push(await probe());
      values.push(await contestant.sample());
      seen.push(await probe());
    });
  }
  return { placement: seen.every((one) => one === seen[0]) ? seen[0]! : 'noisy', values };
}

function answer(
  question: Question,
  unit: Race['unit'],
  of: readonly number[],
  to: readonly number[],
): Answer {
  const ratios = of.map((value, at) => (unit === '/s' ? value / to[at]! : to[at]! / value));
  const ratio = spread(ratios);
  const { goal } = question;
  return { ...question, ratio, holds: goal === undefined ? undefined : ratio.median >= goal };
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, least: sorted[0]!, most: sorted.at(-1)!, samples: sorted.length };
}

function commonest(placements: readonly Placement[]): Placement {
  const kinds = ['near', 'far', 'noisy'] as const;
  const count = (kind: Placement): number => placements.filter((one) => one === kind).length;
  return kinds.reduce((best, kind) => (count(kind) > count(best) ? kind : best));
}
