/** The order in which a drill's faults come: repeatable from a seed that is printed. Pure. */

export interface Turn {
  readonly fault: string;
  /** 1 for the first round. */
  readonly repeat: number;
}

/**
 * Every fault once per round. With a seed each round has an order of its own, so that no fault always
 * meets what the same one before it left behind.
 * @param seed null: the order given
 */
export function turnsOf(faults: readonly string[], repeats: number, seed: number | null): Turn[] {
  const random = seed === null ? null : mulberry32(seed);
  return Array.from({ length: repeats }, (_, round) =>
    (random === null ? faults : shuffle(faults, random)).map((fault) => ({ fault, repeat: round + 1 })),
  ).flat();
}

/** Fisher and Yates. */
function shuffle(items: readonly string[], random: () => number): string[] {
  const shuffled = [...items];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [shuffled[last], shuffled[other]] = [shuffled[other] ?? "", shuffled[last] ?? ""];
  }
  return shuffled;
}

/** Tommy Ettinger's mulberry32: 32 bits of state are plenty for an order. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
