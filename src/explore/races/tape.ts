import type { Execution } from './execution.ts';
import { siteKey } from './operation.ts';

/**
 * One order of one scenario. `choices` alone replays it; `keys` say what each step was (thread, file:line, operation),
 * so that a tape whose code has moved is known to be stale.
 */
export interface Tape {
  readonly choices: readonly number[];
  readonly keys: readonly string[];
}

/** The threads of the run at hand, step by step. */
export const played = (execution: Execution): number[] =>
  execution.log.slice(0, execution.length).map(({ thread }) => thread);

export function tapeOf(execution: Execution): Tape {
  const { log, names, conductor } = execution;
  const choices = played(execution);
  const keys = choices.map((thread, step) => {
    const site = { ...conductor.sites[log[step]!.site]!, kind: log[step]!.kind };
    return `${names[thread]} ${siteKey(site)}`;
  });
  return { choices, keys };
}

/** The tape as one word: runs of one thread as letter and count, then a fingerprint of its keys. `a3b2a1.1f4c09d2` */
export function showTape({ choices, keys }: Tape): string {
  let out = '';
  for (let at = 0; at < choices.length;) {
    let end = at;
    while (choices[end] === choices[at]) end++;
    out += `${String.fromCharCode(97 + choices[at]!)}${end - at}`;
    at = end;
  }
  return `${out}.${fingerprint(keys)}`;
}

/** Choices and fingerprint of a word that {@link showTape} wrote, or undefined when it is none. */
export function readTape(word: string): { choices: number[]; fingerprint: string } | undefined {
  const match = /^((?:[a-p]\d{1,6})*)\.([0-9a-f]{8})$/.exec(word);
  if (match === null) return undefined;
  const choices = [...match[1]!.matchAll(/([a-p])(\d+)/g)].flatMap(([, letter, length]) =>
    Array<number>(Number(length)).fill(letter!.charCodeAt(0) - 97),
  );
  return { choices, fingerprint: match[2]! };
}

/** FNV-1a, 32 bits. */
export function fingerprint(keys: readonly string[]): string {
  let hash = 0x811c9dc5;
  for (const character of keys.join('\n')) {
    hash ^= character.codePointAt(0)!;
    hash = Math.imul(hash, 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}
