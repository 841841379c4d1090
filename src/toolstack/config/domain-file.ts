import type { SourcePosition } from '../../contract/system.ts';
import { quote, refuse } from './problem.ts';
import type { Source } from './source.ts';

/** A value of a domain file, with the place where it begins. */
export type Value =
  | { readonly kind: 'string'; readonly text: string; readonly position: SourcePosition }
  | { readonly kind: 'number'; readonly number: number; readonly position: SourcePosition }
  | { readonly kind: 'list'; readonly values: readonly Value[]; readonly position: SourcePosition };

export interface Setting {
  readonly key: string;
  /** The key's place; the value has its own. */
  readonly position: SourcePosition;
  readonly value: Value;
}

const DEEPEST_LIST = 64;

const BLANK = /(?:[ \t\r\f\v]|\\\r?\n|#[^\n]*)+/y;
const BLANK_OR_LINE = /(?:\s|\\\r?\n|#[^\n]*)+/y;
const KEY = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /[+-]?[0-9][0-9A-Za-z]*/y;
const QUOTED = /(["'])/y;

/**
 * Reads the syntax of xl.cfg(5): `KEY=VALUE` and `KEY+=VALUE`, one per line or apart by `;`. Values are
 * strings in single or double quotes, decimal, octal and hexadecimal numbers, and nested lists.
 * `+=` appends a list to a list, a string to a string. A key set twice is there twice.
 * Throws a `ConfigurationError` at the first syntax error.
 */
export function parseDomainFile(source: Source): Setting[] {
  const reader = new Reader(source);
  const settings: Setting[] = [];
  for (;;) {
    do reader.take(BLANK_OR_LINE);
    while (reader.takeText(';'));
    if (reader.atEnd()) return settings;
    statement(reader, settings);
    reader.take(BLANK);
    if (!reader.atEnd() && !reader.sees('\n') && !reader.sees(';')) {
      reader.unexpected("expected the end of the line or ';' after a setting");
    }
  }
}

function statement(reader: Reader, settings: Setting[]): void {
  const position = reader.here();
  const key = reader.take(KEY) ?? reader.unexpected('expected a setting, KEY = VALUE');
  reader.take(BLANK);
  const append = reader.takeText('+=');
  if (!append && !reader.takeText('=')) reader.unexpected(`expected '=' after ${key}`);
  reader.take(BLANK);
  const given = value(reader, 0);
  const last = settings.findLastIndex((setting) => setting.key === key);
  const old = settings[last];
  if (append && old !== undefined) settings[last] = { ...old, value: appended(old.value, given) };
  else settings.push({ key, position, value: given });
}

function appended(old: Value, more: Value): Value {
  if (old.kind === 'list' && more.kind === 'list') return { ...old, values: [...old.values, ...more.values] };
  if (old.kind === 'string' && more.kind === 'string') return { ...old, text: old.text + more.text };
  return refuse(
    more.position,
    `a ${more.kind} is added to a ${old.kind}`,
    'expected += between two lists or two strings',
  );
}

function value(reader: Reader, depth: number): Value {
  const position = reader.here();
  if (reader.takeText('[')) return { kind: 'list', values: list(reader, position, depth + 1), position };
  if (reader.peek(QUOTED) !== undefined) return { kind: 'string', text: reader.takeString(), position };
  const digits = reader.take(NUMBER);
  if (digits !== undefined) return { kind: 'number', number: numberOf(digits, position), position };
  return reader.unexpected('expected a string in quotes, a number or a list in [ ]');
}

function list(reader: Reader, opened: SourcePosition, depth: number): Value[] {
  if (depth > DEEPEST_LIST)
    refuse(opened, 'this list nests too deep', `expected at most ${DEEPEST_LIST} levels`);
  const values: Value[] = [];
  for (;;) {
    reader.take(BLANK_OR_LINE);
    if (reader.takeText(']')) return values;
    if (reader.atEnd()) refuse(opened, 'this list does not end', "expected ']'");
    values.push(value(reader, depth));
    reader.take(BLANK_OR_LINE);
    if (!reader.takeText(',') && !reader.sees(']')) {
      if (reader.atEnd()) refuse(opened, 'this list does not end', "expected ']'");
      reader.unexpected("expected ',' or ']' in the list");
    }
  }
}

/** C's rule: 0x is hexadecimal, a leading 0 octal. */
function numberOf(digits: string, position: SourcePosition): number {
  const [, sign, text] = /^([+-]?)(.*)$/.exec(digits)!;
  const value = /^0x[0-9a-f]+$/i.test(text!)
    ? Number(text)
    : /^0[0-7]*$/.test(text!)
      ? Number.parseInt(text!, 8)
      : /^[1-9][0-9]*$/.test(text!)
        ? Number(text)
        : refuse(
            position,
            `${quote(digits)} is no number`,
            'expected decimal, octal (0...) or hexadecimal (0x...) digits',
          );
  if (!Number.isSafeInteger(value))
    refuse(position, `${quote(digits)} is too large`, 'expected less than 2^53');
  return sign === '-' ? 0 - value : value;
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

class Reader {
  readonly #source: Source;
  #offset = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  here(): SourcePosition {
    return this.#source.position(this.#offset);
  }

  atEnd(): boolean {
    return this.#offset === this.#source.text.length;
  }

  sees(text: string): boolean {
    return this.#source.text.startsWith(text, this.#offset);
  }

  takeText(text: string): boolean {
    if (!this.sees(text)) return false;
    this.#offset += text.length;
    return true;
  }

  peek(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#offset;
    return pattern.exec(this.#source.text)?.[0];
  }

  take(pattern: RegExp): string | undefined {
    const found = this.peek(pattern);
    this.#offset += found?.length ?? 0;
    return found;
  }

  takeString(): string {
    const start = this.here();
    const { text } = this.#source;
    const mark = text[this.#offset];
    let end = this.#offset + 1;
    while (end < text.length && text[end] !== mark && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
    if (text[end] !== mark) refuse(start, 'this string does not end', `expected ${mark} on the same line`);
    const raw = text.slice(this.#offset + 1, end);
    this.#offset = end + 1;
    return raw.replace(/\\(?:([0-7]{1,3})|x([0-9a-fA-F]{0,2})|([^]))/g, (_, octal, hex, other) => {
      if (typeof octal === 'string') return String.fromCharCode(Number.parseInt(octal, 8));
      if (typeof other === 'string') return ESCAPES[other] ?? other;
      if (hex === '') refuse(start, '\\x stands without a digit', 'expected hexadecimal digits after it');
      return String.fromCharCode(Number.parseInt(String(hex), 16));
    });
  }

  unexpected(expected: string): never {
    const found = this.peek(/[\w.+-]+|[^]/uy);
    const what =
      found === undefined ? 'the end of the file' : found === '\n' ? 'the end of the line' : quote(found);
    return refuse(this.here(), `${what} is out of place`, expected);
  }
}
