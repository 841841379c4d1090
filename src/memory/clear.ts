const ZEROS = new Uint8Array(64 * 1024);

/** Zeroes shared memory: to copy zeros is several times as fast as `fill`. */
export function clear(bytes: Uint8Array): void {
  let at = 0;
  for (; at + ZEROS.length <= bytes.length; at += ZEROS.length) bytes.set(ZEROS, at);
  if (at < bytes.length) bytes.set(ZEROS.subarray(0, bytes.length - at), at);
}
