/** Where a command reads and writes: data on stdout, progress and complaints on stderr. */
export interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** Words as a shell reads them: what it would split or expand stands in quotes. */
export const forShell = (...words: readonly string[]): string =>
  words.map((word) => (/^[\w./=:,+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ');

export const EXIT = { ok: 0, failed: 1, usage: 2, infrastructure: 3, internal: 4, interrupted: 130 } as const;
