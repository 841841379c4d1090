/** Where a command reads and writes: data on stdout, progress and complaints on stderr. */
export interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export const EXIT = { ok: 0, failed: 1, usage: 2, infrastructure: 3, internal: 4, interrupted: 130 } as const;
