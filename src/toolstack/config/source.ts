import { readFileSync, statSync } from 'node:fs';
import type { SourcePosition } from '../../contract/system.ts';
import { refuse } from './problem.ts';

/** No description of a board comes near this; a device file or a mistake would. */
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
    const directive = this.#directives.findLast(({ from }) => from <= index);
    return directive === undefined
      ? { file: this.file, line: index + 1, column }
      : { file: directive.file, line: directive.line + index - directive.from, column };
  }

  /** The line after the one at `offset` is line `line` of `file`, as a preprocessor says. */
  renumber(offset: number, file: string, line: number): void {
    this.#directives.push({ from: this.#lineAt(offset) + 1, file, line });
  }

  #lineAt(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#lineStarts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Reads a text file, or refuses at `blame`: the statement that named the file, or the file itself. */
export function readSource(file: string, encoding: 'utf8' | 'latin1', blame?: SourcePosition): Source {
  const text = readBytes(file, blame).toString(encoding);
  return new Source(file, encoding === 'utf8' ? text.replace(/^\uFEFF/, '') : text);
}

export function readBytes(file: string, blame?: SourcePosition): Buffer {
  const where = blame ?? { file, line: 1, column: 1 };
  const named = blame === undefined ? 'this file' : file;
  const stats = trouble(() => statSync(file), where, named);
  // A pipe or a terminal would keep the reader waiting for ever.
  if (!stats.isFile()) refuse(where, `${named} is not a file`, 'expected a regular file');
  if (stats.size > LARGEST_FILE) {
    refuse(where, `${named} has ${stats.size} bytes`, `expected at most ${LARGEST_FILE}`);
  }
  return trouble(() => readFileSync(file), where, named);
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
