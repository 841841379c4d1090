import { dirname, resolve } from 'node:path';
import type { SourcePosition } from '../../../contract/system.ts';
import { quote, refuse } from '../problem.ts';
import { readSource, type Source } from '../source.ts';

/** dtc's limit too. */
const DEEPEST_INCLUDE = 100;
/** All files together: includes of includes may double at every level. */
const LARGEST_TOTAL = 64 * 1024 * 1024;
const MOST_INCLUDES = 10_000;

const BLANK = /\s+/y;
const LINE_DIRECTIVE = /#(?:line)?[ \t]+(\d+)(?:[ \t]+"([^"\n]*)")?[ \t\r\d]*(?=\n|$)/y;
const PREPROCESSOR =
  /#[ \t]*(include|define|undef|if|ifdef|ifndef|elif|else|endif|error|warning|pragma)\b(?![-,._+*#?@]|[ \t\r\n]*[=;])/y;
const INCLUDE = /\/include\/\s*(?=")/y;

/** Characters of a device tree source: skips what means nothing, follows includes, knows where it is. */
export class Reader {
  readonly #open: { readonly source: Source; offset: number }[];
  #total: number;
  #includes = 0;

  constructor(source: Source) {
    this.#open = [{ source, offset: 0 }];
    this.#total = source.text.length;
  }

  /** The position of the next thing that means something. */
  here(): SourcePosition {
    this.skip();
    return this.#top.source.position(this.#top.offset);
  }

  atEnd(): boolean {
    this.skip();
    return this.#top.offset === this.#top.source.text.length;
  }

  /** Takes what the sticky `pattern` matches after blanks. */
  take(pattern: RegExp): RegExpExecArray | undefined {
    this.skip();
    return this.#match(pattern);
  }

  /** What the sticky `pattern` would take. */
  peek(pattern: RegExp): string | undefined {
    this.skip();
    pattern.lastIndex = this.#top.offset;
    return pattern.exec(this.#top.source.text)?.[0];
  }

  takeText(text: string): boolean {
    this.skip();
    if (!this.#top.source.text.startsWith(text, this.#top.offset)) return false;
    this.#top.offset += text.length;
    return true;
  }

  sees(text: string): boolean {
    this.skip();
    return this.#top.source.text.startsWith(text, this.#top.offset);
  }

  expect(text: string, after: string): void {
    if (!this.takeText(text)) this.unexpected(`expected '${text}' ${after}`);
  }

  unexpected(expected: string): never {
    return refuse(this.here(), `${this.#found()} is out of place`, expected);
  }

  /** A string in double quotes, escapes resolved, one character per byte; undefined if none stands here. */
  takeString(): string | undefined {
    if (!this.sees('"')) return undefined;
    const at = this.here();
    return unescape(this.#quoted('"', at), at);
  }

  /** A character in single quotes, as its byte; undefined if none stands here. */
  takeCharacter(): number | undefined {
    if (!this.sees("'")) return undefined;
    const at = this.here();
    const text = unescape(this.#quoted("'", at), at);
    if (text.length !== 1) {
      refuse(at, `a character literal holds ${text.length} characters`, "expected one, as in 'a' or '\\n'");
    }
    return text.charCodeAt(0);
  }

  /** A file that the source names: relative to the file that names it. */
  resolve(name: string): string {
    return resolve(dirname(this.#top.source.file), name);
  }

  skip(): void {
    for (;;) {
      const { source, offset } = this.#top;
      const next = source.text[offset];
      if (next === undefined) {
        if (this.#open.length === 1) return;
        this.#open.pop();
      } else if (next === '/') {
        if (!this.#comment() && !this.#include()) return;
      } else if (next === '#') {
        if (!this.#directive()) return;
      } else if (this.#match(BLANK) === undefined) {
        return;
      }
    }
  }

  get #top(): { readonly source: Source; offset: number } {
    return this.#open[this.#open.length - 1]!;
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#top.offset;
    const found = pattern.exec(this.#top.source.text);
    if (found === null) return undefined;
    this.#top.offset = pattern.lastIndex;
    return found;
  }

  #comment(): boolean {
    const { source, offset } = this.#top;
    const line = source.text.startsWith('//', offset);
    if (!line && !source.text.startsWith('/*', offset)) return false;
    const end = line ? source.text.indexOf('\n', offset) : source.text.indexOf('*/', offset + 2);
    if (end < 0 && !line) refuse(source.position(offset), 'this comment does not end', "expected '*/'");
    this.#top.offset = end < 0 ? source.text.length : line ? end : end + 2;
    return true;
  }

  #directive(): boolean {
    const { source, offset } = this.#top;
    let before = offset - 1;
    while (source.text[before] === ' ' || source.text[before] === '\t') before--;
    if (before >= 0 && source.text[before] !== '\n') return false;
    const directive = this.#match(LINE_DIRECTIVE);
    if (directive !== undefined) {
      const name = directive[2];
      const file = name === undefined ? source.position(offset).file : resolve(dirname(source.file), name);
      source.renumber(offset, file, Number(directive[1]));
      return true;
    }
    const word = this.#match(PREPROCESSOR)?.[1];
    if (word === undefined) return false;
    return refuse(
      source.position(offset),
      `#${word} is a line for the C preprocessor`,
      'expected plain device tree source: run the C preprocessor first, or use /include/ "file"',
    );
  }

  #include(): boolean {
    const { source: from, offset } = this.#top;
    if (this.#match(INCLUDE) === undefined) return false;
    const at = from.position(offset);
    const nameAt = this.#top.source.position(this.#top.offset);
    const file = this.resolve(decode(unescape(this.#quoted('"', nameAt), nameAt)));
    if (this.#open.some(({ source }) => source.file === file)) {
      refuse(at, `${quote(file)} includes itself`, 'expected includes without a cycle');
    }
    const source = readSource(file, 'latin1', nameAt);
    this.#total += source.text.length;
    this.#includes += 1;
    if (
      this.#open.length >= DEEPEST_INCLUDE ||
      this.#includes > MOST_INCLUDES ||
      this.#total > LARGEST_TOTAL
    ) {
      refuse(at, 'the includes are too many', `expected at most ${DEEPEST_INCLUDE} levels and 64 MiB in all`);
    }
    this.#open.push({ source, offset: 0 });
    return true;
  }

  /** The raw text between two quotes. */
  #quoted(quoteMark: string, at: SourcePosition): string {
    const { source, offset } = this.#top;
    let end = offset + 1;
    while (end < source.text.length && source.text[end] !== quoteMark)
      end += source.text[end] === '\\' ? 2 : 1;
    if (end >= source.text.length) {
      refuse(
        at,
        quoteMark === '"' ? 'this string does not end' : 'this character does not end',
        `expected ${quoteMark}`,
      );
    }
    this.#top.offset = end + 1;
    return source.text.slice(offset + 1, end);
  }

  #found(): string {
    if (this.atEnd()) return 'the end of the file';
    const { source, offset } = this.#top;
    const word = /[\w,.+*?@&#-]+|[^]/y;
    word.lastIndex = offset;
    return quote(decode(word.exec(source.text)![0]));
  }
}

/** Text of a file that was read byte by byte, as the UTF-8 that it is. */
export const decode = (text: string): string => Buffer.from(text, 'latin1').toString('utf8');

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  t: '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
};

/** C's escapes, as dtc reads them: up to three octal or two hexadecimal digits, others stand for themselves. */
function unescape(text: string, at: SourcePosition): string {
  return text.replace(/\\(?:([0-7]{1,3})|x([0-9a-fA-F]{0,2})|([^]))/g, (_, octal, hex, other) => {
    if (typeof octal === 'string') return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
    if (typeof other === 'string') return ESCAPES[other] ?? other;
    if (hex === '') refuse(at, '\\x stands without a digit', 'expected hexadecimal digits after it');
    return String.fromCharCode(Number.parseInt(String(hex), 16));
  });
}
