const UNSPEAKABLE = 'something that cannot be put into words';

const inWords = (words: () => unknown): string => {
  try {
    return String(words());
  } catch {
    return UNSPEAKABLE;
  }
};

/** Whether it is an error of this kind. Whatever was thrown, a proxy too, this does not throw. */
export function isError<T extends Error>(
  thrown: unknown,
  kind: abstract new (...args: never[]) => T,
): thrown is T {
  try {
    return thrown instanceof kind;
  } catch {
    return false;
  }
}

/** What was thrown, in words. Whatever it is, and whatever functions it brings: this does not throw. */
export const messageOf = (thrown: unknown): string =>
  inWords(() => (isError(thrown, Error) ? thrown.message : thrown));

/** The same, with an error's kind, for whoever wrote what threw. */
export const namedMessageOf = (thrown: unknown): string =>
  inWords(() => (isError(thrown, Error) ? `${thrown.name}: ${thrown.message}` : thrown));

/** The first line of what was thrown. */
export const firstLineOf = (thrown: unknown): string => messageOf(thrown).split('\n', 1)[0]!;

/** Its stack, with paths as they are: in a stack they stand as URLs. */
export function stackOf(thrown: unknown): string {
  const stack = inWords(() => (isError(thrown, Error) ? thrown.stack : thrown));
  return stack.replace(/(?:%[\da-f]{2})+/gi, (bytes) => {
    try {
      return decodeURIComponent(bytes);
    } catch {
      return bytes;
    }
  });
}

/** Where it was thrown, in `file` or below its folder: `guest.mjs:7:3`. Nothing when its stack does not say. */
export function placeOf(thrown: unknown, file: string): string | undefined {
  const folder = file.slice(0, file.lastIndexOf('/') + 1);
  if (folder === '' || !isError(thrown, Error)) return undefined;
  for (const after of stackOf(thrown).split(folder).slice(1)) {
    const [, name, at] = /^([^\s()?]+?)(?:\?[^:\s]*)?(:\d+:\d+)/.exec(after) ?? [];
    if (name !== undefined) return `${name}${at}`;
  }
  return undefined;
}
