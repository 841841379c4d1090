import { readdirSync, readFileSync, statSync, type Stats } from 'node:fs';
import type { SourcePosition } from '../../contract/system.ts';
import { refuse } from './problem.ts';

/** No description of a board comes near this; a mistake would. */
const LARGEST_FILE = 16 * 1024 * 1024;

/** A source text that knows where each of its characters stands. */
export class Source {
  readonly file: string;
  readonly text: string;
  readonly #lineStarts: number[];
  /** Line directives, by the line of this file from which they hold. */
  readonly #directives: { readonly from: number; readonly file: string; readonly line: number }[] = [];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    this.#lineStarts = [0];
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lineStarts.push(at + 1);
  }

  position(offset: number): SourcePosition {
    const index = this.#lineAt(offset);
    const column = offset - this.#lineStarts[index]! + 1;
    const directive = this.#directives[lastUpTo(this.#directives, (known) => known.from <= index)];
    return directive === undefined
      ? { file: this.file, line: index + 1, column }
      : { file: directive.file, line: directive.line + index - directive.from, column };
  }

  /** The line after the one at `offset` is line `line` of `file`, as a preprocessor says. */
  renumber(offset: number, file: string, line: number): void {
    this.#directives.push({ from: this.#lineAt(offset) + 1, file, line });
  }

  #lineAt(offset: number): number {
    return lastUpTo(this.#lineStarts, (start) => start <= offset);
  }
}

/** The index of the last element of an ascending list that is `inside`, or -1. */
function lastUpTo<T>(list: readonly T[], inside: (element: T) => boolean): number {
  let low = -1;
  let high = list.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (inside(list[middle]!)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Reads a text file, or refuses at `blame`: the statement that named the file, or the file itself. */
export function readSource(
  file: string,
  encoding: 'utf8' | 'latin1',
  blame?: SourcePosition,
  largest = LARGEST_FILE,
): Source {
  const text = readBytes(file, blame, largest).toString(encoding);
  return new Source(file, encoding === 'utf8' ? text.replace(/^\uFEFF/, '') : text);
}

export function readBytes(file: string, blame?: SourcePosition, largest = LARGEST_FILE): Buffer {
  const where = blame ?? { file, line: 1, column: 1 };
  const named = blame === undefined ? 'this file' : file;
  const stats = trouble(() => statSync(file), where, named);
  // A pipe or a terminal would keep the reader waiting for ever.
  if (!stats.isFile()) {
    // Not "this file": it is none.
    const found = blame === undefined ? 'this' : file;
    refuse(where, `${found} is ${stats.isDirectory() ? 'a folder' : 'no regular file'}`, 'expected a file');
  }
  if (stats.size > largest) {
    refuse(where, `${named} has ${stats.size} bytes`, `expected at most ${largest}`);
  }
  return trouble(() => readFileSync(file), where, named);
}

/** The names in a folder; none when it is not there. */
export function readFolder(folder: string): string[] {
  if (!isFolder(folder)) return [];
  return trouble(() => readdirSync(folder), { file: folder, line: 1, column: 1 }, 'this folder');
}

// A name that no file can have is the name of no file.
export const isFile = (file: string): boolean => statsOf(file)?.isFile() === true;
export const isFolder = (folder: string): boolean => statsOf(folder)?.isDirectory() === true;

function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function trouble<T>(read: () => T, where: SourcePosition, named: string): T {
  try {
    return read();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'error';
    const words: Record<string, string> = {
      ENOENT: 'does not exist',
      ENOTDIR: 'does not exist',
      EACCES: 'may not be read',
    };
    return refuse(where, `${named} ${words[code] ?? `cannot be read (${code})`}`, 'expected a readable file');
  }
}
