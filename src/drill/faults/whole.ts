/** Faults across tiers: zones, clocks, certificates, two things at once. */
import type { Machine } from "../../ports.ts";
import { type Attack, type Fault, type FaultContext, machinesNamed, serviceFault } from "../fault.ts";
import { shell } from "../guard.ts";
import { damageHost, killUnits, powerOff, proveBy, together } from "./damage.ts";
import { killPostmaster } from "./database.ts";
import { primaryHost } from "./patroni.ts";
import { appServices } from "./systemd.ts";
import { busiestApp, vipHolder } from "./targets.ts";

const zonePowerOff = serviceFault({
  name: "zone-power-off",
  tier: "zone",
  title: "power-off of every host of the primary's zone at once",
  proves: "a whole zone can be lost, the one with the primary too",
  applies: ({ zones }) => (zones.length < 2 ? "the topology has only one zone" : null),
  async prepare(context) {
    const { hosts } = context.topology;
    const zone = hosts[(await primaryHost(context)).name]?.zone;
    const names = Object.keys(hosts).filter((name) => hosts[name]?.zone === zone);
    return powerOff(context, machinesNamed(context, names));
  },
});

/** A minute: more than certificates, leases and time-outs that wrongly read the wall clock forgive. */
const JUMP_SECONDS = 60;

const setClock = (seconds: number): string => `date --utc --set="@$(($(date +%s) + ${seconds}))" > /dev/null`;

const clockJump = (name: string, direction: "forward" | "back"): Fault => {
  const sign = direction === "forward" ? 1 : -1;
  return serviceFault({
    name,
    tier: "database",
    title: `the clock of the primary's host set ${direction} by ${JUMP_SECONDS} s`,
    proves: "leases and time-outs do not depend on the wall clock",
    applies: () => null,
    capability: async (context) => sharesClock(await primaryHost(context)),
    async prepare(context) {
      const host = await primaryHost(context);
      const mark = "/run/holdfast-drill/clock-was-set";
      return damageHost(host, {
        id: "clock",
        inject: `${setClock(sign * JUMP_SECONDS)}\ntouch ${mark}`,
        undo: `[ -e ${mark} ] && ${setClock(-sign * JUMP_SECONDS)}\nrm -f ${mark}`,
        shows: `[ -e ${mark} ]`,
        proof: `the clock is ${JUMP_SECONDS} s ${direction === "forward" ? "ahead" : "behind"}`,
        healing: `setting the clock of ${host.name} right`,
      });
    },
  });
};

/** CAP_SYS_TIME of capabilities(7). */
const SYS_TIME = 25n;

/** A container shares its host's clock, and is therefore not allowed to set it. */
async function sharesClock(host: Machine): Promise<string | null> {
  const status = await shell(host, "cat /proc/1/status", "read its capabilities");
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  const may = (BigInt(`0x${mask}`) & (1n << SYS_TIME)) !== 0n;
  return may ? null : "the machines share one clock, this host's, and may not set it";
}

const certificateRenewal: Fault = {
  name: "certificate-renewal",
  tier: "entry",
  title: "a new certificate for the entry, and its proxy reloaded with it",
  proves: "a certificate that is about to expire is renewed under load without a failed request",
  objectives: { noIdempotentFailures: true },
  applies: ({ entry }) =>
    entry.tls.source === "generated" ? null : "the entry's certificate is the operator's to renew",
  prepare: renewCertificate,
};

async function renewCertificate(context: FaultContext): Promise<Attack> {
  const entries = machinesNamed(context, context.topology.entry.hosts);
  const { https } = context.topology.entry.ports;
  const served = (host: Machine): Promise<string> =>
    shell(
      host,
      `openssl s_client -connect 127.0.0.1:${https} < /dev/null 2> /dev/null | openssl x509 -noout -serial`,
      "read the certificate that it serves",
    );
  const before = await Promise.all(entries.map(served));
  return {
    target: entries.map(({ name }) => name).join(", "),
    healing: null,
    inject: context.renewEntryCertificate,
    prove: () =>
      proveBy("every entry host serves a certificate with a new serial number", async () => {
        const now = await Promise.all(entries.map(served));
        const old = entries.find((_, index) => now[index] === before[index]);
        return old === undefined ? null : `${old.name} serves the old one`;
      }),
    heal: () => Promise.resolve(),
  };
}

const combined: readonly Fault[] = [
  serviceFault({
    name: "primary-and-haproxy-kill",
    tier: "database",
    title: "kill -9 of the PostgreSQL primary, and of HAProxy on the address's holder during the failover",
    proves: "a second fault of another tier during a recovery delays it, and stops nothing",
    applies: ({ database, entry }) =>
      database.hosts.length < 2 || entry.hosts.length < 2 ? "a tier has only one host" : null,
    prepare: async (context) =>
      together([
        await killPostmaster(await primaryHost(context), context.topology),
        await killUnits(await vipHolder(context), ["haproxy.service"]),
      ]),
  }),
  serviceFault({
    name: "primary-and-app-kill",
    tier: "database",
    title: "kill -9 of the PostgreSQL primary, and of an app host's services during the failover",
    proves: "an app host that starts while there is no primary comes up as soon as there is one",
    applies: ({ database, app }) =>
      database.hosts.length < 2 || app.hosts.length < 2 ? "a tier has only one host" : null,
    async prepare(context) {
      const app = await busiestApp(context);
      return together([
        await killPostmaster(await primaryHost(context), context.topology),
        await killUnits(app, await appServices(app, context.topology)),
      ]);
    },
  }),
];

export const wholeFaults: readonly Fault[] = [
  zonePowerOff,
  clockJump("clock-forward", "forward"),
  clockJump("clock-back", "back"),
  certificateRenewal,
  ...combined,
];
