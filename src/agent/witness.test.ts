import { afterEach, beforeEach, expect, it } from "vitest";
import { HoldfastError } from "../lib/errors.ts";
import { poll } from "../lib/retry.ts";
import type { Reporter } from "../ports.ts";
import { Witness } from "./witness.ts";
import type { WitnessHolder, WitnessStore } from "./witness-store.ts";

/** The tests' own clock goes as the machine's does, so that a slow machine is not a dead host. */
const TTL_MS = 2000;

const reporter: Reporter = {
  info: () => undefined,
  warn: () => undefined,
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
};

/** One key with a lease, as etcd keeps it; hosts can be cut off from it. */
class Store {
  #key: (WitnessHolder & { until: number }) | null = null;
  #leases = 0;
  readonly cut = new Set<string>();
  /** Who takes it does not hear of it. */
  readonly mute = new Set<string>();
  calls = 0;

  get key(): WitnessHolder | null {
    if (this.#key !== null && performance.now() >= this.#key.until) this.#key = null;
    return this.#key;
  }

  of(host: string): WitnessStore {
    const ask = async <T>(act: () => T): Promise<T> => {
      this.calls++;
      if (this.cut.has(host)) throw new HoldfastError("no answer");
      return Promise.resolve(act());
    };
    return {
      holder: () => ask(() => this.key),
      take: async () => {
        const taken = await ask(() => {
          if (this.key !== null) return null;
          this.#key = { host, leaseId: String(++this.#leases), until: performance.now() + TTL_MS };
          return this.#key;
        });
        if (this.mute.has(host)) throw new HoldfastError("no answer");
        return taken;
      },
      renew: (leaseId) =>
        ask(() => {
          if (this.key?.leaseId !== leaseId) return false;
          if (this.#key !== null) this.#key.until = performance.now() + TTL_MS;
          return true;
        }),
      giveBack: (leaseId) =>
        ask(() => {
          if (this.key?.leaseId === leaseId) this.#key = null;
        }),
      close: () => Promise.resolve(),
    };
  }
}

let store: Store;
let stop: AbortController;
const running: Promise<void>[] = [];
const seen: string[] = [];

beforeEach(() => {
  store = new Store();
  stop = new AbortController();
  seen.length = 0;
});
afterEach(async () => {
  stop.abort();
  await Promise.all(running.splice(0));
});

function host(self: string): Witness {
  const parts = { self, ttlMs: TTL_MS, store: store.of(self), reporter, now: () => performance.now() };
  const witness: Witness = new Witness({
    ...parts,
    onChange: () => void seen.push(`${self} ${witness.lease}`),
  });
  running.push(witness.run(stop.signal));
  return witness;
}
const until = (what: string, probe: () => boolean): Promise<unknown> =>
  poll(probe, { deadlineMs: 20_000, intervalMs: 5, what });

it("a master takes it, keeps it, and gives it back when it is master no more", async () => {
  const one = host("one");
  expect(one.lease).toBe("none");
  one.want(true);
  await until("the lease", () => one.lease === "mine");
  const from = store.calls;
  await until("three renewals", () => store.calls >= from + 3);
  expect(store.key?.host).toBe("one");
  one.want(false);
  await until("it to be free", () => store.key === null);
  expect(one.lease).toBe("none");
  expect(seen).toEqual(["one mine", "one none"]);
});

it("of two masters one has it, and the other when the first is gone", async () => {
  const [one, two] = [host("one"), host("two")];
  one.want(true);
  await until("the lease", () => one.lease === "mine");
  two.want(true);
  await until("the second to know", () => two.lease === "other");
  one.want(false);
  await until("the second to have it", () => two.lease === "mine");
  await until("the first to know", () => one.lease === "other");
  expect(store.key?.host).toBe("two");
});

it("a master that cannot ask counts on it no longer than etcd does", async () => {
  const [one, two] = [host("one"), host("two")];
  one.want(true);
  await until("the lease", () => one.lease === "mine");
  store.cut.add("one");
  two.want(true);
  // Asked in the other order a moment would lie between: the first must know before the second may.
  await until("the second to have it", () => {
    const taken = store.key?.host === "two";
    expect(taken && one.lease === "mine").toBe(false);
    return two.lease === "mine";
  });
  expect(one.lease).toBe("none");
  store.cut.clear();
  await until("the first to know", () => one.lease === "other");
});

it("a lease whose grant was not heard of is found again", async () => {
  store.mute.add("one");
  const one = host("one");
  one.want(true);
  await until("the host to know", () => one.lease === "mine");
  expect(store.key).toMatchObject({ host: "one", leaseId: "1" });
});

it("at its end an agent gives it back", async () => {
  const one = host("one");
  one.want(true);
  await until("the lease", () => one.lease === "mine");
  stop.abort();
  await Promise.all(running.splice(0));
  expect(store.key).toBeNull();
});
