import type ts from 'typescript';
import type { Kind } from '../operation.ts';
import type { Survey } from './survey.ts';

/** Names for intermediate values in one function: given back as soon as the expression has its value. */
export class Temps {
  #next = 0;
  #most = 0;

  /** Calls `build` with `count` names that nothing inside of it uses. */
  use<T>(count: number, build: (...names: string[]) => T): T {
    const names = Array.from({ length: count }, (_, at) => `$${this.#next + at}`);
    this.#next += count;
    this.#most = Math.max(this.#most, this.#next);
    const built = build(...names);
    this.#next -= count;
    return built;
  }

  get declaration(): string {
    if (this.#most === 0) return '';
    return `let ${Array.from({ length: this.#most }, (_, at) => `$${at}: any`).join(', ')}; `;
  }
}

/** How the code around an expression runs. */
export interface Mode {
  /** As a generator that stops before each access, or as it stands. */
  readonly threaded: boolean;
  readonly temps: Temps;
  /** What the function is called, for reports. */
  readonly inside: string;
  /** Private methods of the class around it that have a second form. */
  readonly privateMethods: ReadonlySet<string>;
}

/** A file that is being rewritten, as the rewriting of its expressions sees it. */
export interface Rewriting {
  readonly source: ts.SourceFile;
  readonly survey: Survey;
  /** Names of getters and setters that may touch shared memory. */
  readonly accessors: ReadonlySet<string>;
  /** Text of a node in its rewritten form. */
  visit(node: ts.Node, mode: Mode): string;
  /** Text of a node as it stands, with each of its children rewritten. */
  copy(node: ts.Node, mode: Mode): string;
  /** Takes a place in the source; returns its number. */
  site(node: ts.Node, kind: Kind, mode: Mode): number;
  /** Throws: this code cannot be checked. */
  refuse(node: ts.Node, reason: string): never;
}
