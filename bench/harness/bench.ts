import type { Effort, Race } from './race.ts';

/** A group of races that share a name on the command line. */
export interface Bench {
  readonly name: string;
  readonly what: string;
  /** Sets one race up, yields it, and takes it down once it was run. */
  races(effort: Effort): AsyncGenerator<Race, void, void>;
}
