/**
 * `text` made safe for a terminal and for one line: a guest's log, name or reason must not move the
 * cursor, change colours or forge a second line. Control characters become `?`, line ends a space.
 */
export function printable(text: string): string {
  return text.replace(/[\r\n\t\u2028\u2029]+/g, ' ').replace(/[\p{Cc}\p{Cf}]/gu, '?');
}

/** The first `width` characters of a line that may carry colours; the colours are always closed. */
export function clipped(line: string, width: number): string {
  let seen = 0;
  return line.replace(/\u001b\[[\d;]*m|[^]/gu, (piece) => (piece.length > 2 || seen++ < width ? piece : ''));
}

/** `1 domain`, `2 domains`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
