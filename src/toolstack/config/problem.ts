import { isAbsolute, relative, sep } from 'node:path';
import { nearest } from '../../base/nearest.ts';
import type { SourcePosition } from '../../contract/system.ts';

/** More than a person reads: what follows is mostly a consequence of the first ones. */
const MOST_SHOWN = 20;
/** A longer word is no misspelt name, and comparing it would take long. */
const LONGEST_NAME = 64;

/** One thing that is wrong with the configuration, and where. */
export interface Problem extends SourcePosition {
  readonly what: string;
  /** `expected ...`: what would have been right, with the nearest known name where there is one. */
  readonly expected: string;
}

/**
 * Wrong input: the user's files, never Covisor. Its message has one line per problem:
 * `file:line:column: what is wrong; what was expected, and the nearest known name`.
 */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.slice(0, MOST_SHOWN).map(showProblem).join('\n'));
    this.problems = problems;
  }
}

const problem = (position: SourcePosition, what: string, expected: string): Problem => ({
  file: position.file,
  line: position.line,
  column: position.column,
  what,
  expected,
});

/** Ends the reading of a file at its first problem. */
export function refuse(position: SourcePosition, what: string, expected: string): never {
  throw new ConfigurationError([problem(position, what, expected)]);
}

/** `path:line:column`, relative to the working directory when the file lies below it. */
export function showPosition({ file, line, column }: SourcePosition): string {
  const short = relative(process.cwd(), file);
  const below = isAbsolute(file) && short !== '' && short !== '..' && !short.startsWith(`..${sep}`);
  return `${below && !isAbsolute(short) ? short : file}:${line}:${column}`;
}

function showProblem(wrong: Problem): string {
  return oneLine(`${showPosition(wrong)}: ${wrong.what}; ${wrong.expected}`);
}

/** `expected a label of this tree; did you mean gpu?`: for names too many to list. */
export function expectedLike(kind: string, wanted: string, known: Iterable<string>): string {
  const near = wanted.length > LONGEST_NAME ? undefined : nearest(wanted, known);
  return `expected ${kind}${near === undefined ? '' : `; did you mean ${near}?`}`;
}

/** A word of the user's text, quoted, shortened and printable. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

/**
 * Runs independent parts of a reading and keeps the problems of each, so that a user sees them together.
 * `attempt` gives undefined for a part that failed; `finish` throws if any did.
 */
export class ProblemList {
  readonly #problems: Problem[] = [];

  /** As many as are shown: more need not be looked for. */
  get full(): boolean {
    return this.#problems.length >= MOST_SHOWN;
  }

  add(position: SourcePosition, what: string, expected: string): void {
    this.#problems.push(problem(position, what, expected));
  }

  attempt<T>(part: () => T): T | undefined {
    try {
      return part();
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      for (const found of error.problems) this.#problems.push(found);
      return undefined;
    }
  }

  finish(): void {
    if (this.#problems.length > 0) throw new ConfigurationError(this.#problems);
  }
}

// A file name may hold any character; a message stays one line that a terminal takes literally.
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => JSON.stringify(character).slice(1, -1));
}
