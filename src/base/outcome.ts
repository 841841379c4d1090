/** What an operation that may fail gives back: a value, or the reason in words that a person can act on. */
export type Outcome<T> =
  { readonly kind: 'ok'; readonly value: T } | { readonly kind: 'failed'; readonly reason: string };

export const ok = <T>(value: T): Outcome<T> => ({ kind: 'ok', value });
export const failed = (reason: string): { readonly kind: 'failed'; readonly reason: string } => ({
  kind: 'failed',
  reason,
});
