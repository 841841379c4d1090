/** The known name closest to `wanted` by edit distance, if one is close enough to be what was meant. */
export function nearest(wanted: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 2)) + 1;
  for (const name of known) {
    const distance = editDistance(wanted.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** `expected one of a, b, c; did you mean b?`: the tail of every message about an unknown name. */
export function expectedOneOf(wanted: string, known: Iterable<string>): string {
  const names = [...known];
  if (names.length === 0) return 'there are none';
  const near = nearest(wanted, names);
  return `expected one of ${names.join(', ')}${near === undefined ? '' : `; did you mean ${near}?`}`;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
