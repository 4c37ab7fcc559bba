/** Mistakes between keys that make a topology invalid: names without a definition, clashes. */
import { inSubnet, addressNumber, parseSubnet, specialUse, subnetText, usableAddresses } from "./address.ts";
import type { InvalidCodeName } from "./codes.ts";
import { listeners } from "./listeners.ts";
import type { Path } from "./problem.ts";
import { reservedProblems } from "./reserved.ts";
import type { Sections } from "./sections.ts";
import { didYouMean } from "./suggest.ts";

export interface Mistake {
  readonly code: InvalidCodeName;
  readonly path: Path;
  readonly found: string;
  readonly fix?: string;
}

/** All mistakes between the sections that are well-formed. */
export function referenceMistakes(sections: Sections): Mistake[] {
  return [
    ...undefinedHosts(sections),
    ...repeatedHosts(sections),
    ...zones(sections),
    ...subnetMistakes(sections),
    ...addresses(sections),
    ...virtualAddress(sections),
    ...publicAddress(sections),
    ...requiredWitness(sections),
    ...serviceParts(sections),
    ...services(sections),
    ...portClashes(sections),
    ...reservedProblems(sections),
  ];
}

function undefinedHosts(sections: Sections): Mistake[] {
  const known = sections.hostNames;
  if (known === undefined) return [];
  return sections.tiers.flatMap(({ tier, hosts }) =>
    hosts.flatMap((host, index) =>
      known.has(host)
        ? []
        : {
            code: "HF020",
            path: [tier, "hosts", index],
            found: `host "${host}" is not defined under hosts`,
            fix: `${didYouMean(host, known)}defined: ${[...known].join(", ") || "none"}`,
          },
    ),
  );
}

function repeatedHosts(sections: Sections): Mistake[] {
  return sections.tiers.flatMap(({ tier, hosts }) =>
    repeats(hosts).map(({ value, index }) => ({
      code: "HF022",
      path: [tier, "hosts", index],
      found: `host "${value}" is already in ${tier}.hosts`,
      fix: "remove it: naming a host twice adds no redundancy",
    })),
  );
}

function zones(sections: Sections): Mistake[] {
  const declared = sections.zones;
  if (declared === undefined) return [];
  const undeclared = Object.entries(sections.hosts)
    .filter(([, host]) => !declared.includes(host.zone))
    .map(([name, host]): Mistake => ({
      code: "HF021",
      path: ["hosts", name, "zone"],
      found: `zone "${host.zone}" is not in zones`,
      fix: `${didYouMean(host.zone, declared)}declared: ${declared.join(", ")}`,
    }));
  const twice = repeats(declared).map(({ value, index }): Mistake => ({
    code: "HF030",
    path: ["zones", index],
    found: `zone "${value}" is already declared`,
    fix: "remove it",
  }));
  return [...undeclared, ...twice];
}

function subnetMistakes({ network, hosts, clientAddress }: Sections): Mistake[] {
  if (network === undefined) return [];
  const subnet = parseSubnet(network.subnet);
  const path = ["network", "subnet"];
  const mistakes: Mistake[] = [];
  if (subnetText(subnet) !== network.subnet) {
    const found = `${network.subnet} names a host, not a network`;
    mistakes.push({ code: "HF031", path, found, fix: `write ${subnetText(subnet)}` });
  }
  const use = specialUse(subnet);
  if (use !== undefined) mistakes.push({ code: "HF033", path, found: `${network.subnet} ${use}` });
  // Two more: the lab gives the operator's machine and the drills' clients an address each.
  const needed = Object.keys(hosts).length + (clientAddress?.key === "vip" ? 1 : 0) + 2;
  const usable = usableAddresses(subnet);
  if (usable < needed) {
    const found = `${network.subnet} has ${usable} addresses, the topology needs ${needed}`;
    mistakes.push({ code: "HF032", path, found });
  }
  return mistakes;
}

function addresses({ network, hosts }: Sections): Mistake[] {
  const mistakes: Mistake[] = [];
  const owners = new Map<string, string>();
  for (const [name, host] of Object.entries(hosts)) {
    const path = ["hosts", name, "address"];
    const owner = owners.get(host.address);
    if (owner === undefined) owners.set(host.address, name);
    else mistakes.push({ code: "HF023", path, found: `${host.address} is already the address of ${owner}` });
    if (network === undefined) continue;
    const code = outside(host.address, network.subnet);
    if (code === "outside") {
      mistakes.push({ code: "HF024", path, found: `${host.address} is not in the subnet ${network.subnet}` });
    } else if (code !== undefined) {
      mistakes.push({
        code: "HF025",
        path,
        found: `${host.address} is the ${code} address of ${network.subnet}`,
      });
    }
  }
  return mistakes;
}

function outside(address: string, subnetOf: string): "outside" | "network" | "broadcast" | undefined {
  const subnet = parseSubnet(subnetOf);
  if (!inSubnet(address, subnet)) return "outside";
  if (addressNumber(address) === subnet.network) return "network";
  return addressNumber(address) === subnet.broadcast ? "broadcast" : undefined;
}

function virtualAddress({ network, hosts, clientAddress }: Sections): Mistake[] {
  if (clientAddress?.key !== "vip") return [];
  const vip = clientAddress.address;
  const path = ["entry", "address", "vip"];
  const mistakes: Mistake[] = Object.entries(hosts)
    .filter(([, host]) => host.address === vip)
    .map(([name]) => ({ code: "HF027", path, found: `${vip} is the address of host ${name}` }));
  const code = network === undefined ? undefined : outside(vip, network.subnet);
  if (code === "outside") {
    mistakes.push({ code: "HF026", path, found: `${vip} is not in the subnet ${network?.subnet}` });
  } else if (code !== undefined) {
    mistakes.push({ code: "HF025", path, found: `${vip} is the ${code} address of ${network?.subnet}` });
  }
  return mistakes;
}

/** Where the lab's router and its clients are: an address of it would be a neighbour's, and is not routed. */
const LAB_PUBLIC_NETWORK = "203.0.113.0/24";

function publicAddress({ network, provider, clientAddress }: Sections): Mistake[] {
  if (clientAddress?.key !== "publicAddress") return [];
  const { address } = clientAddress;
  const taken = [
    ...(network === undefined ? [] : [{ subnet: network.subnet, whose: "the hosts' own subnet" }]),
    ...(provider?.kind === "lab"
      ? [{ subnet: LAB_PUBLIC_NETWORK, whose: "the lab's network of clients" }]
      : []),
  ];
  return taken
    .filter(({ subnet }) => inSubnet(address, parseSubnet(subnet)))
    .map(({ subnet, whose }) => ({
      code: "HF040",
      path: ["entry", "address", "publicAddress"],
      found: `${address} is in ${whose} ${subnet}`,
    }));
}

function requiredWitness({ entry, keys }: Sections): Mistake[] {
  if (entry?.address.kind !== "elastic-ip" || entry.address.witness !== "required") return [];
  if (keys.has("coordination")) return [];
  const found = "the topology has no etcd to keep the lease in";
  return [{ code: "HF041", path: ["entry", "address", "witness"], found }];
}

const serviceTiers = ["app", "database", "coordination"] as const;
const judgedTiers = ["app", "database"] as const;

/** The tiers of a service come together, each with its objective, behind HAProxy; an entry alone is nginx's. */
function serviceParts({ keys, entry, objectives }: Sections): Mistake[] {
  const there = serviceTiers.filter((tier) => keys.has(tier));
  const missing = there.length === 0 ? [] : serviceTiers.filter((tier) => !keys.has(tier));
  const mistakes = missing.map((tier): Mistake => ({
    code: "HF005",
    path: [],
    found: `the file lacks "${tier}"`,
    fix: `add \`${tier}: …\`: with ${there.join(" and ")} the topology is a whole service, which needs it`,
  }));
  for (const tier of judgedTiers) {
    if (objectives === undefined || !keys.has(tier) || objectives[tier] !== undefined) continue;
    const fix = `add \`${tier}: …\` (what its loss may cost)`;
    mistakes.push({ code: "HF005", path: ["objectives"], found: `\`objectives\` lacks "${tier}"`, fix });
  }
  if (entry === undefined) return mistakes;
  const wanted = there.length === 0 ? "nginx" : "haproxy";
  if (entry.engine === wanted) return mistakes;
  const found =
    wanted === "nginx"
      ? "haproxy has no app tier to balance"
      : "nginx does not know which app hosts can serve";
  return [...mistakes, { code: "HF039", path: ["entry", "engine"], found, fix: `write engine: ${wanted}` }];
}

function services({ app }: Sections): Mistake[] {
  if (app === undefined) return [];
  const twice = (key: "name" | "prefix"): Mistake[] =>
    repeats(app.services.map((service) => service[key])).map(({ value, index }) => ({
      code: "HF029",
      path: ["app", "services", index, key],
      found: `another service has the ${key} "${value}"`,
    }));
  const root = app.services.findIndex((service) => service.prefix === "/");
  const shared: Mistake[] =
    root === -1 || app.static === undefined
      ? []
      : [
          {
            code: "HF034",
            path: ["app", "services", root, "prefix"],
            found: "app.static is served at / already",
          },
        ];
  return [...twice("name"), ...twice("prefix"), ...shared];
}

function portClashes(sections: Sections): Mistake[] {
  const mistakes = new Map<string, { path: Path; what: string; port: number; hosts: string[] }>();
  const taken = new Map<string, string>();
  for (const { host, port, what, path } of listeners(sections)) {
    const place = `${host} ${port}`;
    const other = taken.get(place);
    if (other === undefined) {
      taken.set(place, what);
      continue;
    }
    const id = `${other} ${what} ${port}`;
    const clash = mistakes.get(id) ?? { path, what: `${what} and ${other}`, port, hosts: [] };
    clash.hosts.push(host);
    mistakes.set(id, clash);
  }
  return [...mistakes.values()].map(({ path, what, port, hosts }) => ({
    code: "HF028",
    path,
    found: `${what} would both listen on port ${port} of ${hosts.join(", ")}`,
  }));
}

function repeats(values: readonly string[]): { value: string; index: number }[] {
  return values.flatMap((value, index) => (values.indexOf(value) < index ? [{ value, index }] : []));
}
