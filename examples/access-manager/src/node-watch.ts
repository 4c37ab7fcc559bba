/** Watches what this node shares with others, and asks them where it fails here: the input of `fitness`. */
import type { Database } from "./database.ts";
import { repeat } from "./deadline.ts";
import { failing, type FitnessInput, type SharedThing, sharedThings } from "./fitness.ts";
import { dig, type RestClient } from "./rest.ts";

// Faster than the balancers' checks are worth, slow enough to cost nothing.
const WATCH_MS = 500;

export interface NodeWatchOptions {
  readonly database: Database;
  readonly rest: RestClient;
  readonly trailStatusUrl: string;
  readonly peerUrls: readonly string[];
}

export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly stop: () => void;
  #trailAt = performance.now(); // innocent until the grace has passed
  #peerHas: Readonly<Record<SharedThing, boolean>> = { database: false, trail: false };

  constructor(options: NodeWatchOptions) {
    this.#options = options;
    this.stop = repeat(
      WATCH_MS,
      () => this.#look(),
      () => undefined,
    );
  }

  view(): Pick<FitnessInput, "ageMs" | "peerHas"> {
    return {
      ageMs: { database: this.#options.database.lastSuccessAgeMs, trail: performance.now() - this.#trailAt },
      peerHas: this.#peerHas,
    };
  }

  async #look(): Promise<void> {
    const { rest, trailStatusUrl } = this.#options;
    const trail = await rest.call("GET", trailStatusUrl, { timeoutMs: 1_000 }).catch(() => undefined);
    if (trail?.status === 200) this.#trailAt = performance.now();
    const asked = failing(this.view().ageMs);
    this.#peerHas = asked.length === 0 ? { database: false, trail: false } : await this.#askPeers();
  }

  async #askPeers(): Promise<Record<SharedThing, boolean>> {
    const { rest, peerUrls } = this.#options;
    const answers = await Promise.all(
      peerUrls.map((url) =>
        rest.call("GET", `${url}/role-store/api/v1/status`, { timeoutMs: 1_000 }).catch(() => undefined),
      ),
    );
    // Only a peer that takes traffic itself is a better place for it.
    const fit = answers.filter((answer) => answer?.status === 200);
    const has = (thing: SharedThing): boolean =>
      fit.some((answer) => dig(answer?.body, "checks", thing) === true);
    const [database, trail] = sharedThings.map(has);
    return { database: database === true, trail: trail === true };
  }
}
