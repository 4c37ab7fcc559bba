/** Files that HAProxy reads on every host where it runs. */
export const haproxyFiles = {
  config: "/etc/haproxy/haproxy.cfg",
  tlsDirectory: "/etc/holdfast/tls/haproxy",
  ca: "/etc/holdfast/tls/haproxy/ca.pem",
  /** Certificate and key of the host, in one file as HAProxy wants them. */
  hostPair: "/etc/holdfast/tls/haproxy/host.pem",
  /** What clients see. */
  entryPair: "/etc/holdfast/tls/haproxy/entry.pem",
  adminSocket: "/run/haproxy/admin.sock",
  /** Servers that were taken out at run time, in HAProxy's own format: a reload or restart keeps them out, a boot forgets. */
  serverState: "/run/holdfast/haproxy-servers",
} as const;

/** A configuration section: its head, and its lines indented under it. */
export const section = (head: string, lines: readonly string[]): string =>
  [head, ...lines.map((line) => (line === "" ? "" : `    ${line}`))].join("\n");
