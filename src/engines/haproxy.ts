import { haproxyFiles } from "../core/engines/haproxy/paths.ts";
import type { Host } from "../ports.ts";
import { outputOf } from "./observed.ts";

export interface HaproxyServer {
  readonly backend: string;
  readonly server: string;
  /** HAProxy's word, without its counters: UP, DOWN, DRAIN, MAINT, NOLB, "no check". */
  readonly status: string;
  /** Outcome of the last check: "L7OK 200", "L4CON"; empty before the first. */
  readonly check: string;
  /** Seconds since the status changed. */
  readonly since: number;
  readonly sessions: number;
}

/** The servers of all pools as the HAProxy on this host sees them; null when it does not answer. */
export async function observeHaproxy(host: Host): Promise<HaproxyServer[] | null> {
  const csv = await outputOf(
    host,
    ["socat", "-t", "2", "stdio", `UNIX-CONNECT:${haproxyFiles.adminSocket}`],
    {
      stdin: "show stat -1 4 -1\n", // every proxy, type 4: servers only
    },
  );
  return csv === null ? null : parseShowStat(csv);
}

/** Reads `show stat` (CSV, names in a first line that starts with "# "). */
export function parseShowStat(csv: string): HaproxyServer[] {
  const [head = "", ...rows] = csv.trim().split("\n");
  const names = head.replace(/^# /, "").split(",");
  return rows
    .map((row) => row.split(","))
    .map((fields) => (name: string) => fields[names.indexOf(name)] ?? "")
    .filter((field) => field("type") === "2")
    .map((field) => ({
      backend: field("pxname"),
      server: field("svname"),
      // "UP 1/2": on its way down or up; "* " before a check: one is running
      status: field("status").replace(/ \d+\/\d+$/, ""),
      check: [field("check_status").replace(/^\* /, ""), field("check_code")].join(" ").trim(),
      since: Number(field("lastchg")),
      sessions: Number(field("scur")),
    }));
}
