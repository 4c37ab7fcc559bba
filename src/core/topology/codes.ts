/** The mistakes that make a topology invalid: code, title, and what to do. Printed in docs/checks.md. */

export interface InvalidCode {
  readonly title: string;
  readonly why: string;
  readonly fix: string;
}

export const invalidCodes = {
  HF001: {
    title: "YAML syntax",
    why: "The text is not YAML: a bracket or quote is open, an indentation is wrong, a tab indents, an alias has no anchor.",
    fix: "Correct the line; indent with spaces",
  },
  HF002: {
    title: "Key given twice",
    why: "Only one of two equal keys can count, and readers will not agree on which.",
    fix: "Keep one of them",
  },
  HF003: {
    title: "Not a topology",
    why: "The file is empty, or is not a mapping of keys to values.",
    fix: "Start from a blueprint: `holdfast init privx-onprem`",
  },
  HF004: {
    title: "Unknown key",
    why: "A key that nothing reads is a setting that silently has no effect.",
    fix: "Correct the spelling, move it to where it belongs, or remove it",
  },
  HF005: { title: "Missing key", why: "The key has no default.", fix: "Add it" },
  HF006: {
    title: "Wrong kind of value",
    why: "For example a list where one text is needed, or an empty value.",
    fix: "Write the kind of value that the message names",
  },
  HF007: {
    title: "Value not among those allowed",
    why: "The key takes one of a few values.",
    fix: "Take one of those that the message lists",
  },
  HF008: {
    title: "Value in the wrong form",
    why: "Durations, sizes, addresses, names and paths have a fixed form.",
    fix: "Write it like the example in the message",
  },
  HF009: {
    title: "Value out of range",
    why: "The number is too small or too large, or the text or list too short or too long.",
    fix: "Stay within the limit that the message names",
  },
  HF010: {
    title: "Unknown version of the format",
    why: "`holdfast:` names the version of the file's format, and this Holdfast reads version 1.",
    fix: "Write `holdfast: 1`",
  },
  HF020: {
    title: "Host not defined",
    why: "A tier names a host that is not under `hosts`.",
    fix: "Correct the name or define the host",
  },
  HF021: {
    title: "Zone not declared",
    why: "A host stands in a zone that is not in `zones`.",
    fix: "Correct the name or add the zone",
  },
  HF022: {
    title: "Host twice in a tier",
    why: "A host runs one instance of an engine, so naming it twice adds no redundancy.",
    fix: "Remove one",
  },
  HF023: {
    title: "Two hosts with one address",
    why: "Both would answer for it.",
    fix: "Give each host its own address",
  },
  HF024: {
    title: "Address outside the subnet",
    why: "Hosts and the virtual address must be neighbours on one network: VRRP and gratuitous ARP do not cross a router.",
    fix: "Choose an address in `network.subnet`, or widen the subnet",
  },
  HF025: {
    title: "Network or broadcast address",
    why: "The first and last address of a subnet belong to no host.",
    fix: "Choose an address between them",
  },
  HF026: {
    title: "Virtual address outside the subnet",
    why: "Its holder announces it by gratuitous ARP, which reaches the subnet only.",
    fix: "Choose a free address in `network.subnet`",
  },
  HF027: {
    title: "Virtual address is a host's own",
    why: "It would not move when that host is lost.",
    fix: "Choose a free address in `network.subnet`",
  },
  HF028: {
    title: "Two listeners on one port of a host",
    why: "The second to start fails, and which one that is depends on timing.",
    fix: "Change one of the ports, or move one of the tiers to another host",
  },
  HF029: {
    title: "Two services with one name or prefix",
    why: "nginx can send a prefix to one service only, and files and units are named after the service.",
    fix: "Make it unique",
  },
  HF030: { title: "Zone declared twice", why: "A failure domain counts once.", fix: "Remove one" },
  HF031: {
    title: "Subnet with host bits",
    why: "It names a host, not a network, so it may not be the network that was meant.",
    fix: "Write the network address that the message names",
  },
  HF032: {
    title: "Subnet too small",
    why: "Each host and the virtual address need one address, and the lab two more: one for the operator and one for the clients of drills.",
    fix: "Use a shorter prefix, such as /24",
  },
  HF033: {
    title: "Subnet of special use",
    why: "Loopback, link-local, multicast and reserved networks are not routed to hosts.",
    fix: "Use a private network such as 10.77.10.0/24",
  },
  HF034: {
    title: "Root path shared by services and UI",
    why: "`app.static` is served at /, so no service can have the prefix /.",
    fix: "Give the service a prefix such as /api/, or remove `app.static`",
  },
  HF035: {
    title: "Directory that must not be mounted over",
    why: "A mount hides what is under it: the system's own directories would be gone.",
    fix: "Mount in a directory of its own, such as /var/privx/audit",
  },
  HF036: {
    title: "Name reserved by PostgreSQL or Patroni",
    why: "Databases and roles of the system must not be the app's.",
    fix: "Choose another name",
  },
  HF037: {
    title: "PostgreSQL parameter that Holdfast sets",
    why: "Replication, TLS and failover depend on it, and Patroni overrides it or refuses to start.",
    fix: "Remove it; where the topology has a key for it, the message names it",
  },
  HF038: {
    title: "User of the system or of an engine",
    why: "The app would be able to read or change what belongs to that user, keys included.",
    fix: "Give the app a user of its own",
  },
  HF039: {
    title: "Entry engine that does not fit",
    why: "HAProxy checks and balances app hosts, so it needs an app tier; nginx serves an entry that stands alone.",
    fix: "Use haproxy with an app tier, nginx without",
  },
  HF040: {
    title: "Elastic IP in a network of the hosts or of clients",
    why: "It is routed to the hosts' network and translated to a host's private address there; in the subnet of either side it would be a neighbour's.",
    fix: "Give the public address that was allocated; in a lab one such as 198.51.100.10",
  },
  HF041: {
    title: "Required witness that is not there",
    why: "The lease that every move of the address would need is kept in etcd: without it the address would never move.",
    fix: "Add `coordination` with the tiers of a whole service, or leave `witness` out",
  },
} as const satisfies Record<string, InvalidCode>;

export type InvalidCodeName = keyof typeof invalidCodes;
