/**
 * The simulator's kernel: a virtual clock, a heap of events and one source of randomness. Everything in a
 * simulated world is a synchronous function called at a time, so that a seed always gives the same
 * history; `digest` tells whether it did.
 */

/** sfc32: 128 bits of state, passes PractRand; 32 bits a call. Seeded through splitmix32. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    let state = seed | 0;
    const split = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a2d97);
      return mixed ^ (mixed >>> 15);
    };
    this.#a = split();
    this.#b = split();
    this.#c = split();
    for (let round = 0; round < 12; round++) this.next();
  }

  /** 32 bits, as a signed integer. */
  bits(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum;
  }

  /** In [0, 1). */
  next(): number {
    return (this.bits() >>> 0) / 4294967296;
  }

  /** An integer in [low, high]. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** Exponentially distributed with this mean: the gaps between events that do not know of each other. */
  gap(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.next() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }
}

interface Event {
  readonly time: number;
  /** Decides between events of one time: random, so that no order is taken for granted. */
  readonly tie: number;
  readonly sequence: number;
  readonly act: () => void;
}

const before = (one: Event, other: Event): boolean =>
  one.time !== other.time
    ? one.time < other.time
    : one.tie !== other.tie
      ? one.tie < other.tie
      : one.sequence < other.sequence;

/** Makes signed integers compare as the unsigned ones of the same bits do. */
const SIGN = 0x80000000;

/** FNV-1a's offset basis and prime. */
const DIGEST_START = 0x811c9dc5;
const DIGEST_PRIME = 0x01000193;

export class Simulation {
  readonly random: Random;
  /** Milliseconds since the world began: true time, which no node of a simulated world may read. */
  now = 0;
  #events: Event[] = [];
  #sequence = 0;
  #digest = DIGEST_START;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** Calls `act` once in `delay` ms (rounded up to the clock's 1 ms; never before what happens now). */
  after(delay: number, act: () => void): void {
    const event: Event = {
      time: this.now + Math.max(0, Math.ceil(delay)),
      tie: this.random.bits() ^ SIGN,
      sequence: this.#sequence++,
      act,
    };
    const heap = this.#events;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || before(above, event)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  /** Runs what is due until `time`, and leaves the clock there. */
  run(time: number): void {
    for (let next = this.#events[0]; next !== undefined && next.time <= time; next = this.#events[0]) {
      this.#removeFirst();
      this.now = next.time;
      next.act();
    }
    this.now = Math.max(this.now, time);
  }

  /** Makes what happened part of the history's digest. */
  trace(what: string): void {
    let digest = Math.imul(this.#digest ^ this.now, DIGEST_PRIME);
    for (let index = 0; index < what.length; index++) {
      digest = Math.imul(digest ^ what.charCodeAt(index), DIGEST_PRIME);
    }
    this.#digest = digest;
  }

  /** The same for two runs of one seed, or the world is not a function of its seed. */
  get digest(): string {
    return (this.#digest >>> 0).toString(16).padStart(8, "0");
  }

  #removeFirst(): void {
    const heap = this.#events;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      let lower = heap[child];
      if (lower === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, lower)) {
        lower = right;
        child++;
      }
      if (before(last, lower)) break;
      heap[index] = lower;
      index = child;
    }
    heap[index] = last;
  }
}
