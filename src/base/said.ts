const UNSPEAKABLE = 'something that cannot be put into words';

const inWords = (words: () => unknown): string => {
  try {
    return String(words());
  } catch {
    return UNSPEAKABLE;
  }
};

/** What was thrown, in words. Whatever it is, and whatever functions it brings: this does not throw. */
export const messageOf = (thrown: unknown): string =>
  inWords(() => (thrown instanceof Error ? thrown.message : thrown));

/** The same, with an error's kind, for whoever wrote what threw. */
export const namedMessageOf = (thrown: unknown): string =>
  inWords(() => (thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : thrown));

/** The first line of what was thrown. */
export const firstLineOf = (thrown: unknown): string => messageOf(thrown).split('\n', 1)[0]!;
