/** Rules: addresses, affinity, clocks, ports. */
import { isPublic } from "../topology/address.ts";
import { listeners } from "../topology/listeners.ts";
import { clientAddress } from "../topology/schema.ts";
import type { Path } from "../topology/problem.ts";
import { type Finding, type Rule, serviceRule } from "./rule.ts";

// Linux's default net.ipv4.ip_local_port_range: outgoing connections take a port from it.
const EPHEMERAL = { first: 32_768, last: 60_999 };

export const networkRules: readonly Rule[] = [
  serviceRule({
    code: "HF151",
    title: "Affinity declared",
    severity: "warning",
    why: "Whether a client must stay with one app host (sessions in memory, uploads in parts) is a property of the app: left open, it is found out by users.",
    fix: "Set `entry.affinity` to cookie, source or none.",
    check: ({ entry }) =>
      entry.affinity === undefined
        ? [
            {
              path: ["entry"],
              found: "affinity is not declared",
              fix: "add affinity: cookie, source or none",
            },
          ]
        : [],
  }),
  {
    code: "HF152",
    title: "Source affinity behind few addresses",
    severity: "warning",
    why: "Clients that share an address (an office, a proxy) all go to one app host: the load does not spread.",
    fix: "Use `affinity: cookie` for browsers.",
    check: ({ entry }) =>
      entry.affinity === "source"
        ? [
            {
              path: ["entry", "affinity"],
              found: "source: all clients behind one address go to one app host",
              fix: "use cookie, if the clients are browsers",
            },
          ]
        : [],
  },
  {
    code: "HF153",
    title: "Clocks kept in step",
    severity: "warning",
    why: "Certificates, tokens and the order of audit entries depend on the hosts' clocks; after months without synchronisation they are minutes apart.",
    fix: "Set `network.timeSync` to who keeps the clocks; in the lab `host`, with a synchronised clock on this machine.",
    check: ({ network, provider }, { machine }) => {
      const path = ["network", "timeSync"];
      if (network.timeSync === "none") {
        return [
          {
            path,
            found: "nobody keeps the hosts' clocks",
            fix: "use chrony or timesyncd (in the lab: host)",
          },
        ];
      }
      if (provider.kind === "lab" && network.timeSync !== "host") {
        const found = `${network.timeSync}: a lab machine cannot set its clock, it is this machine's`;
        return [{ path, found, fix: "use host" }];
      }
      if (network.timeSync !== "host" || machine?.clockSynchronized !== false) return [];
      return [
        {
          path,
          found: "host, but this machine's own clock is not synchronised",
          fix: "install chrony or enable systemd-timesyncd on it",
        },
      ];
    },
  },
  serviceRule({
    code: "HF154",
    title: "Ports that unprivileged engines can open",
    severity: "error",
    why: "Below 1024 only root may listen; the app's services, PostgreSQL and Redis run as users of their own.",
    fix: "Use a port from 1024 to 32767.",
    check: ({ app, database, cache }) => {
      const ports: [number, Path][] = [
        ...app.services.map(({ port }, index): [number, Path] => [port, ["app", "services", index, "port"]]),
        [database.port, ["database", "port"]],
        ...(cache === undefined ? [] : [[cache.port, ["cache", "port"]] satisfies [number, Path]]),
      ];
      return ports
        .filter(([port]) => port < 1024)
        .map(([port, path]) => ({
          path,
          found: `only root may listen on ${port}`,
          fix: "use a port from 1024 to 32767",
        }));
    },
  }),
  {
    code: "HF155",
    title: "Ports outside the range of outgoing connections",
    severity: "warning",
    why: "Linux gives outgoing connections ports from 32768 to 60999: one of them may hold the port when the engine restarts, which then fails now and then.",
    fix: "Use a port below 32768.",
    check: (topology) => {
      const seen = new Set<string>();
      return listeners(topology).flatMap(({ port, what, path }): Finding[] => {
        if (port < EPHEMERAL.first || port > EPHEMERAL.last || seen.has(what)) return [];
        seen.add(what);
        return [
          {
            path,
            found: `${what} on ${port}: an outgoing connection may hold it when it restarts`,
            fix: "use a port below 32768",
          },
        ];
      });
    },
  },
  {
    code: "HF156",
    title: "Service on the usual port",
    severity: "warning",
    why: "Clients, firewalls and proxies expect https on 443; redirects and links with another port are easily lost.",
    fix: "Use `entry.ports.https: 443`.",
    check: ({ entry }) =>
      entry.ports.https === 443
        ? []
        : [
            {
              path: ["entry", "ports", "https"],
              found: `clients must name port ${entry.ports.https} in every URL`,
              fix: "use 443",
            },
          ],
  },
  {
    code: "HF157",
    title: "Private addresses",
    severity: "warning",
    why: "Addresses of the Internet that are somebody else's make their true owner unreachable; your own expose engines that only the topology's hosts should reach.",
    fix: "Use a subnet of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16.",
    check: ({ network }) =>
      isPublic(network.subnet.split("/")[0] ?? "")
        ? [
            {
              path: ["network", "subnet"],
              found: `${network.subnet} is public address space`,
              fix: "use a private subnet such as 10.77.10.0/24",
            },
          ]
        : [],
  },
  {
    code: "HF158",
    title: "Hosts named by an address that moves",
    severity: "warning",
    why: "A NAS on the virtual address is reached only while an entry host serves, and moves with it.",
    fix: "Name the server itself.",
    check: ({ entry, storage, backup }) => {
      const servers: [string, Path][] = [];
      if (storage?.source.kind === "nfs")
        servers.push([storage.source.server, ["storage", "source", "server"]]);
      if (backup?.target.kind === "nfs") servers.push([backup.target.server, ["backup", "target", "server"]]);
      return servers
        .filter(([server]) => server === clientAddress({ entry }))
        .map(([server, path]) => ({
          path,
          found: `${server} is the topology's own virtual address`,
          fix: "name the server's own address",
        }));
    },
  },
];
