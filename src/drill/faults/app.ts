/** Faults of one app host. Promise: another one serves, and no GET fails. */
import { tlsPaths } from "../../core/engines/tls.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import type { Machine } from "../../ports.ts";
import { type Attack, type Fault, type ServiceFaultContext, needsTwo, serviceFault } from "../fault.ts";
import { quote } from "../guard.ts";
import { cannotFill, damageHost, fillDisk, killUnits, powerOff, slowUnits, stopUnits } from "./damage.ts";
import { appServices } from "./systemd.ts";
import { busiestApp } from "./targets.ts";

interface AppFault {
  readonly name: string;
  readonly holdMs?: number;
  readonly title: string;
  readonly proves: string;
  readonly capability?: (context: ServiceFaultContext) => Promise<string | null>;
  readonly attack: (host: Machine, context: ServiceFaultContext) => Promise<Attack> | Attack;
}

const services =
  (attack: (host: Machine, units: readonly string[]) => Promise<Attack> | Attack): AppFault["attack"] =>
  async (host, { topology }) =>
    attack(host, await appServices(host, topology));

const table: readonly AppFault[] = [
  {
    name: "app-kill",
    title: "kill -9 of the app's services on one host",
    proves: "a crash of the app costs no GET: the entry sends it to another host, systemd restarts the app",
    attack: services(killUnits),
  },
  {
    name: "app-hang",
    holdMs: 6000, // the entry notices within 5 s
    title: "SIGSTOP of the app's services on one host",
    proves: "an app that accepts connections and never answers is taken out of the pool",
    attack: services(stopUnits),
  },
  {
    name: "app-slow",
    holdMs: 5000,
    title: "a tenth of the CPU for the app's services on one host",
    proves: "one slow host does not make the whole service slow for long",
    attack: services(slowUnits),
  },
  {
    name: "app-unhealthy",
    holdMs: 3000,
    title: "status 500 from the health path of one app host",
    proves: "a host that says it is not well gets no more clients, though it would still answer them",
    attack: (host, { topology }) => unhealthy(host, topology),
  },
  {
    name: "app-power-off",
    title: "power-off of one app host",
    proves: "a lost app host costs no GET, also of those under way on it",
    attack: (host, context) => powerOff(context, [host]),
  },
  {
    name: "app-disk-full",
    holdMs: 5000,
    title: "no space left on the disk of one app host",
    proves: "an app host with a full disk serves, or gives its clients to another",
    capability: async (context) => cannotFill(await busiestApp(context), "/var"),
    attack: (host) => fillDisk(host, "/var"),
  },
];

export const appFaults: readonly Fault[] = table.map(({ attack, ...fault }) =>
  serviceFault({
    ...fault,
    tier: "app",
    applies: ({ app }) => needsTwo(app.hosts, "the app"),
    prepare: async (context) => attack(await busiestApp(context), context),
  }),
);

const nginxConfig = "/etc/nginx/nginx.conf";

/** nginx answers for the health path itself; what it serves otherwise stays. */
function unhealthy(host: Machine, { app }: ServiceTopology): Attack {
  const changed = "/run/holdfast-drill/nginx.conf";
  const rule = `        location = ${app.health.path} { return 500; }`;
  const url = `https://localhost:${app.port}${app.health.path}`;
  return damageHost(host, {
    id: "unhealthy",
    inject: `awk -v rule=${quote(rule)} '{ print } /^    server \\{$/ { print rule }' ${nginxConfig} > ${changed}
mount --bind ${changed} ${nginxConfig}
nginx -q -t
systemctl reload nginx.service`,
    undo: `umount ${nginxConfig}\nrm -f ${changed}\nsystemctl reload nginx.service`,
    shows: `[ "$(curl --silent --max-time 2 --output /dev/null --write-out '%{http_code}' --cacert ${tlsPaths("app").ca} ${quote(url)})" = 500 ]`,
    proof: `${app.health.path} answers 500`,
    healing: `the health path of ${host.name} answering again`,
  });
}
