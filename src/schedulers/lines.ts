import type { Member } from './member.ts';

/** The end of a line, and of whoever stands in none. */
const NONE = -1;

/**
 * Lines of members, each in one line at most: first come, first served, and whoever stands there may leave. Every
 * change costs O(1).
 */
export class Lines {
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  /** Of each member. */
  readonly #line: number[] = [];
  readonly #ahead: number[] = [];
  readonly #behind: number[] = [];

  constructor(count: number) {
    this.#first = new Int32Array(count).fill(NONE);
    this.#last = new Int32Array(count).fill(NONE);
  }

  /** Gets to know a member, which stands in no line yet. */
  admit(member: Member): void {
    this.#line[member] = NONE;
    this.#ahead[member] = NONE;
    this.#behind[member] = NONE;
  }

  first(line: number): Member | undefined {
    return known(this.#first[line]!);
  }

  last(line: number): Member | undefined {
    return known(this.#last[line]!);
  }

  /** The line in which `member` stands. */
  of(member: Member): number | undefined {
    return known(this.#line[member]!);
  }

  behind(member: Member): Member | undefined {
    return known(this.#behind[member]!);
  }

  /** Puts `member`, which stands in no line, behind all others. */
  append(line: number, member: Member): void {
    const last = this.#last[line]!;
    this.#line[member] = line;
    this.#ahead[member] = last;
    this.#behind[member] = NONE;
    if (last === NONE) this.#first[line] = member;
    else this.#behind[last] = member;
    this.#last[line] = member;
  }

  /** Takes `member` out, which stands in a line. */
  remove(member: Member): void {
    const line = this.#line[member]!;
    const ahead = this.#ahead[member]!;
    const behind = this.#behind[member]!;
    if (ahead === NONE) this.#first[line] = behind;
    else this.#behind[ahead] = behind;
    if (behind === NONE) this.#last[line] = ahead;
    else this.#ahead[behind] = ahead;
    this.#line[member] = NONE;
  }
}

const known = (found: number): number | undefined => (found === NONE ? undefined : found);
