/** "Did you mean …": the nearest known word, for unknown keys, values and names. */

/** Optimal string alignment distance: insert, delete, replace and swap of neighbours each cost 1. */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, (beforePrevious[column - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/**
 * The candidate nearest to `word`, ignoring case, dashes and underscores; undefined when none is
 * near: more than a third of the word wrong (or more than 3 edits) is another word.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const bound = Math.min(3, Math.floor(word.length / 3));
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(plain(word), plain(candidate));
    if (distance <= bound && distance < (best?.distance ?? Infinity)) best = { candidate, distance };
  }
  return best?.candidate;
}

/** `did you mean "x"? ` or nothing; to be put in front of a fix. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const candidate = nearest(word, candidates);
  return candidate === undefined ? "" : `did you mean "${candidate}"? `;
}

const plain = (word: string): string => word.slice(0, 64).toLowerCase().replaceAll(/[-_]/g, "");
