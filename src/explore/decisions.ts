import { InvariantError } from '../base/assert.ts';
import { seededRandom, type Random } from '../base/random.ts';
import type { Oracle } from '../contract/oracle.ts';

/** One choice that was not the undisturbed one. */
export interface Decision {
  readonly point: string;
  /** The how-manieth question at this point it answers, from 0. */
  readonly nth: number;
  readonly options: number;
  readonly choice: number;
}

/** The tape has a decision that the code does not ask for any more, or asks for otherwise. */
export class StaleTapeError extends Error {
  override readonly name = 'StaleTapeError';
}

interface Point {
  readonly name: string;
  readonly hash: number;
  readonly choose: (nth: number, options: number) => number;
  asked: number;
}

/**
 * Answers every question of a run and keeps those answers that were not 0. A point and a count name a
 * decision, so that one that is taken back leaves the others where they are.
 */
export class DecisionOracle implements Oracle {
  /** In the order in which they were asked for. */
  readonly decisions: Decision[] = [];
  /** Why the tape is stale, once it is: whoever asked may have taken what was thrown for its own. */
  stale: StaleTapeError | undefined;
  readonly #points = new Map<string, Point>();
  readonly #source: (point: string) => Point['choose'];
  #asked = 0;
  #hash = 0;

  constructor(source: (point: string) => (nth: number, options: number) => number) {
    this.#source = source;
  }

  /** Questions that were asked. */
  get asked(): number {
    return this.#asked;
  }

  /** Changes with every question and every answer. */
  get hash(): number {
    return this.#hash;
  }

  choose(name: string, options: number): number {
    let point = this.#points.get(name);
    if (point === undefined) {
      point = { name, hash: hashText(name), choose: this.#source(name), asked: 0 };
      this.#points.set(name, point);
    }
    const nth = point.asked++;
    const choice = options > 1 ? point.choose(nth, options) : 0;
    this.#asked++;
    this.#hash = mix(this.#hash, point.hash ^ (options << 8) ^ choice);
    if (choice !== 0) this.decisions.push({ point: name, nth, options, choice });
    return choice;
  }
}

/** Nothing is disturbed and nobody does anything by chance. */
export const undisturbed = (): DecisionOracle => new DecisionOracle(() => () => 0);

/**
 * How often a choice of a class is not the undisturbed one. Each seed draws its own of these. What is a law's costs a
 * second run.
 */
const RATES: Readonly<Record<string, readonly number[]>> = {
  order: [0, 0.1, 0.5, 1],
  turn: [0, 0, 0.004, 0.05, 0.3],
  latency: [0, 0, 0.01, 0.2, 0.7],
  timer: [0, 0, 0.05, 0.4],
  fault: [0, 0.3, 0.8],
  recovery: [0, 0.5, 1],
  law: [1 / 32],
};

/**
 * Draws from a seed. Classes that disturb are as frequent as this seed has them (swarm testing: Groce et al.,
 * 2012), and all others are drawn uniformly.
 */
export function seeded(seed: number): DecisionOracle {
  const swarm = seededRandom(scattered(seed, 1));
  const random = seededRandom(scattered(seed, 2));
  const rates = new Map(
    Object.entries(RATES).map(([name, choices]) => [name, choices[swarm.below(choices.length)]!]),
  );
  return new DecisionOracle((point) => {
    const rate = rates.get(classOf(point));
    return (_nth, options) => {
      if (rate !== undefined && (rate === 0 || random.unit() >= rate)) return 0;
      return rate === undefined ? draw(random, options) : 1 + draw(random, options - 1);
    };
  });
}

/**
 * The `nth` of the many seeds that one stands for. Seeds of campaigns follow each other, and what the generator draws
 * first is little more than its seed: without this, all of them drew the same at first (MurmurHash3's finalizer).
 */
function scattered(seed: number, nth: number): number {
  let bits = seed ^ Math.imul(nth, 0x9e3779b9);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}

const draw = (random: Random, options: number): number => Math.floor(random.unit() * options);

const classOf = (point: string): string => {
  const slash = point.indexOf('/');
  return slash < 0 ? point : point.slice(0, slash);
};

/**
 * Answers from a tape, and 0 where the tape says nothing. `strict`: a question whose options differ from
 * the tape's makes it stale; otherwise the nearest answer is given, which is what shrinking needs.
 */
export function replayed(decisions: readonly Decision[], strict: boolean): DecisionOracle {
  const byPoint = new Map<string, Map<number, Decision>>();
  for (const decision of decisions) {
    const answers = byPoint.get(decision.point) ?? new Map<number, Decision>();
    byPoint.set(decision.point, answers.set(decision.nth, decision));
  }
  const oracle = new DecisionOracle((point) => {
    const answers = byPoint.get(point);
    if (answers === undefined) return () => 0;
    return (nth, options) => {
      const decision = answers.get(nth);
      if (decision === undefined) return 0;
      if (decision.options === options) return decision.choice;
      if (strict) {
        oracle.stale ??= new StaleTapeError(
          `question ${nth} at ${point} has ${options} answers, on the tape it has ${decision.options}`,
        );
        throw oracle.stale;
      }
      return Math.min(decision.choice, options - 1);
    };
  });
  return oracle;
}

/** A 32-bit number for a text (FNV-1a). */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  return hash;
}

/** `hash` with `word` mixed in (MurmurHash3's body). */
export function mix(hash: number, word: number): number {
  let part = Math.imul(word, 0xcc9e2d51);
  part = (part << 15) | (part >>> 17);
  const mixed = hash ^ Math.imul(part, 0x1b873593);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

/** A law of the house does not hold. */
export class BrokenLawError extends InvariantError {
  readonly law: string;

  constructor(law: string, what: string) {
    super(what);
    this.law = law;
  }
}
