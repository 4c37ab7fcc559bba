/** What a topology cannot survive, and why: from the topology alone. */
import { availabilityRules } from "../../checks/availability.ts";
import { cacheRules } from "../../checks/cache.ts";
import { dataRules } from "../../checks/data.ts";
import { objectiveRules } from "../../checks/objectives.ts";
import type { Facts } from "../../checks/rule.ts";
import { tiers, zoneOf, type Tier } from "../../checks/tiers.ts";
import type { TierName } from "../../topology/sections.ts";
import type { Topology } from "../../topology/schema.ts";

export interface Limit {
  readonly tier: string;
  readonly hosts: readonly string[];
  /** Losses that stop it, smallest first, in words. */
  readonly stoppedBy: readonly string[];
  readonly consequence: string;
}

/** A finding of `check` that says what a loss would cost, with the operator's reason to accept it. */
export interface KnownRisk {
  readonly code: string;
  readonly title: string;
  readonly found: string;
  readonly why: string;
  readonly accepted: string | null;
}

const consequences: Readonly<Record<TierName, string>> = {
  entry: "Nobody holds the address: no client is served.",
  app: "Nobody answers: no client is served.",
  database: "Nothing can be read or written.",
  // Patroni's failsafe_mode, which Holdfast switches on.
  coordination:
    "The database goes on while its primary reaches every other database host; nobody can take over from it.",
  cache:
    "Update triggers are lost: app hosts learn of each other's changes only by their own version check. The service goes on.",
};

/** Per tier: the smallest losses of hosts and of zones that stop it. */
export function limitsOf(topology: Topology): Limit[] {
  const limits = tiers(topology).map((tier) => ({
    tier: tier.name,
    hosts: tier.hosts,
    stoppedBy: [hostLoss(tier), ...zoneLosses(topology, tier)],
    consequence: consequences[tier.name],
  }));
  return [...limits, ...storageLimit(topology)];
}

/** Every host of a tier counts the same, so the number that must be left says which sets stop it. */
function hostLoss({ hosts, serves }: Tier): string {
  const least = hosts.findIndex((_, lost) => !serves(hosts.length - lost - 1)) + 1;
  if (least === 1)
    return hosts.length === 1 ? `the loss of ${hosts[0]}` : `the loss of any one of ${list(hosts)}`;
  return least === hosts.length ? `the loss of ${both(hosts)}` : `the loss of any ${least} of ${list(hosts)}`;
}

/** The smallest sets of zones whose loss stops the tier. */
function zoneLosses(topology: Topology, { hosts, serves }: Tier): string[] {
  const zones = topology.zones.filter((zone) => hosts.some((host) => zoneOf(topology, host) === zone));
  const stops = (lost: readonly string[]): boolean =>
    !serves(hosts.filter((host) => !lost.includes(zoneOf(topology, host))).length);
  const minimal: string[][] = [];
  for (const set of subsets(zones)) {
    if (stops(set) && !minimal.some((smaller) => smaller.every((zone) => set.includes(zone))))
      minimal.push(set);
  }
  return minimal.map(
    (set) => `the loss of ${set.length === 1 ? `zone ${set[0]}` : `zones ${list(set)} at once`}`,
  );
}

/** All sets that are not empty, smaller ones first. Zones are few: racks, rooms, availability zones. */
function subsets(items: readonly string[]): string[][] {
  const all = items.reduce<string[][]>((sets, item) => [...sets, ...sets.map((set) => [...set, item])], [[]]);
  return all.filter((set) => set.length > 0).sort((a, b) => a.length - b.length);
}

function storageLimit({ storage, app }: Topology): Limit[] {
  if (storage === undefined || app === undefined) return [];
  const { mount, source } = storage;
  const limit = { tier: "storage", hosts: app.hosts };
  if (source.kind === "local") {
    const consequence = `What that host wrote to ${mount} is lost: it is on no other host.`;
    return [{ ...limit, stoppedBy: ["the loss of any app host's disk"], consequence }];
  }
  const server = source.kind === "nfs" ? source.server : "the lab's shared directory";
  const consequence = `${mount} cannot be written on any app host. Its redundancy is its server's own affair: Holdfast only mounts it.`;
  return [{ ...limit, stoppedBy: [`the loss of ${server}`], consequence }];
}

/** These rules look at the topology alone: facts of the machine play no part in them. */
const noFacts: Facts = { now: 0, package: { file: "" } };

/** What `check` knows of losses: availability, data, failover times, caches. */
export function knownRisks(topology: Topology): KnownRisk[] {
  const reasons = new Map(topology.accept.map(({ code, reason }) => [code, reason]));
  return [...availabilityRules, ...dataRules, ...objectiveRules, ...cacheRules].flatMap((rule) =>
    rule.check(topology, noFacts).map(({ found }) => ({
      code: rule.code,
      title: rule.title,
      found,
      why: rule.why,
      accepted: reasons.get(rule.code) ?? null,
    })),
  );
}

const list = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
const both = (names: readonly string[]): string =>
  names.length === 2 ? `both ${list(names)}` : `all of ${list(names)}`;
