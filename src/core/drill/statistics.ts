/** Figures of a sample. */

/** Nearest-rank percentile; 0 of nothing. */
export const percentile = (values: readonly number[], fraction: number): number =>
  rank(
    [...values].sort((a, b) => a - b),
    fraction,
  );

/** The same of a sample that is sorted already. */
export const rank = (sorted: readonly number[], fraction: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)] ?? 0;
