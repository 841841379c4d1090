/** Calls `what` about every `milliseconds` of the machine's time, for what people look at. Returns how to stop it. */
export function everyMilliseconds(milliseconds: number, what: () => void): () => void {
  const handle = setInterval(what, milliseconds);
  return () => clearInterval(handle);
}

/** Resolves after about `milliseconds` of the machine's time. */
export const afterMilliseconds = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => void setTimeout(resolve, milliseconds));
