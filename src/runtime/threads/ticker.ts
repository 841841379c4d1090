/** Calls `what` about every `milliseconds` of the machine's time, for what people look at. Returns how to stop it. */
export function everyMilliseconds(milliseconds: number, what: () => void): () => void {
  const handle = setInterval(what, milliseconds);
  return () => clearInterval(handle);
}
