/** Faults of the entry hosts and of the way from the clients to them. Promise: the address moves in time. */
import { type Attack, type Fault, type FaultContext, needsTwo } from "../fault.ts";
import { proxyUnit } from "../../engines/entry.ts";
import { CLIENTS } from "../deadman.ts";
import { dropPackets, killForGood, killUnits, powerOff, stopUnits } from "./damage.ts";
import { standby, vipHolder } from "./targets.ts";

type EntryFault = Pick<Fault, "name" | "holdMs" | "title" | "proves" | "prepare">;

const table: readonly EntryFault[] = [
  {
    name: "haproxy-kill",
    title: "kill -9 of the proxy (HAProxy, or nginx where it is the entry's) on the holder of the address",
    proves: "a crashed proxy is back before clients notice: systemd holds its sockets, the address stays",
    prepare: async (context) => killUnits(await vipHolder(context), [proxyUnit(context.topology)]),
  },
  {
    name: "haproxy-hang",
    title: "SIGSTOP of the proxy on the holder of the address",
    proves: "a proxy that accepts connections and serves nobody loses the address",
    prepare: async (context) => stopUnits(await vipHolder(context), [proxyUnit(context.topology)]),
  },
  {
    name: "haproxy-dead",
    holdMs: 2000,
    title: "the proxy killed for good on the holder of the address, keepalived alive",
    proves: "the address follows a proxy that serves, not a keepalived that runs",
    prepare: async (context) => killForGood(await vipHolder(context), [proxyUnit(context.topology)]),
  },
  {
    name: "keepalived-kill",
    holdMs: 2000,
    title: "kill -9 of keepalived on the holder of the address",
    proves:
      "the address left behind by a crashed keepalived and the one that moves do not disturb clients for long",
    prepare: async (context) => killUnits(await vipHolder(context), ["keepalived.service"]),
  },
  {
    name: "vip-holder-power-off",
    title: "power-off of the entry host that holds the address",
    proves: "the address moves to another entry host when its holder is lost without a goodbye",
    prepare: async (context) => powerOff(context, [await vipHolder(context)]),
  },
  {
    name: "vrrp-cut",
    holdMs: 3000,
    title: "VRRP lost both ways between the entry hosts (split brain)",
    proves:
      "with the address on two hosts clients are served, and one gives it up when they hear each other again",
    prepare: async (context) =>
      dropPackets(await vipHolder(context), "VRRP in and out", {
        input: ["ip protocol 112"],
        output: ["ip protocol 112"],
      }),
  },
  {
    name: "vrrp-cut-one-way",
    holdMs: 3000,
    title: "the standby entry host no longer hears the holder's VRRP",
    proves: "an asymmetric cut ends with one holder whom the clients reach",
    prepare: async (context) =>
      dropPackets(await standby(context), "VRRP from the holder", { input: ["ip protocol 112"] }),
  },
];

const clientLinkCut: Fault = {
  name: "client-link-cut",
  tier: "entry",
  title: "the clients' link cut",
  proves: "once the link is back, clients are served again at once and nothing acknowledged is lost",
  total: true,
  applies: () => null,
  capability: ({ clients }) => Promise.resolve(clients === null ? "the clients' cable is not ours" : null),
  prepare: (context) => Promise.resolve(cutClients(context)),
};

export const entryFaults: readonly Fault[] = [
  ...table.map((fault): Fault => ({
    ...fault,
    tier: "entry",
    applies: ({ entry }) => needsTwo(entry.hosts, "the entry"),
  })),
  clientLinkCut,
];

function cutClients({ clients, deadMan }: FaultContext): Attack {
  let release: (() => Promise<void>) | undefined;
  return {
    target: "clients",
    healing: "plugging the clients in again",
    async inject() {
      release = await deadMan.watch([CLIENTS]);
      await clients?.cutLink();
    },
    async prove() {
      return (await clients?.linkIsUp()) === false
        ? { tookEffect: true, proof: "the clients' link is down" }
        : { tookEffect: false, proof: "the clients' link is still up" };
    },
    async endedEarly() {
      return (await clients?.linkIsUp()) === true
        ? "the clients' link was up before the drill healed it"
        : null;
    },
    async heal() {
      await clients?.restoreLink();
      await release?.();
    },
  };
}
