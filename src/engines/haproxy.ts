import { poolBackends } from "../core/engines/haproxy/entry.ts";
import { haproxyFiles } from "../core/engines/haproxy/paths.ts";
import { HoldfastError } from "../lib/errors.ts";
import { lastLines } from "../lib/exec.ts";
import type { Host } from "../ports.ts";
import { observeTimeoutMs, outputOf } from "./observed.ts";

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

/** What a server has answered since its HAProxy started. */
export interface ServerTraffic {
  readonly backend: string;
  readonly server: string;
  /** Tries, also those whose failure no client saw. */
  readonly requests: number;
  /** 5xx answers, broken answers, and tries that were sent to another server instead. */
  readonly failures: number;
  /** Mean time to the first byte of the last 1024 answers, ms. */
  readonly responseMs: number;
}

/** The servers of all pools as the HAProxy on this host sees them; null when it does not answer. */
export async function observeHaproxy(host: Host): Promise<HaproxyServer[] | null> {
  const csv = await showStat(host);
  return csv === null ? null : parseShowStat(csv);
}

/** What the servers of all pools have answered; null when HAProxy does not answer. */
export async function observeTraffic(host: Host): Promise<ServerTraffic[] | null> {
  const csv = await showStat(host);
  return csv === null ? null : parseTraffic(csv);
}

const socket = ["socat", "-t", "2", "stdio", `UNIX-CONNECT:${haproxyFiles.adminSocket}`] as const;

// Every proxy, type 4: servers only.
const showStat = (host: Host): Promise<string | null> =>
  outputOf(host, socket, { stdin: "show stat -1 4 -1\n" });

/** Reads `show stat` (CSV, names in a first line that starts with "# "). */
export function parseShowStat(csv: string): HaproxyServer[] {
  return serverRows(csv).map((field) => ({
    backend: field("pxname"),
    server: field("svname"),
    // "UP 1/2": on its way down or up; "* " before a check: one is running
    status: field("status").replace(/ \d+\/\d+$/, ""),
    check: [field("check_status").replace(/^\* /, ""), field("check_code")].join(" ").trim(),
    since: Number(field("lastchg")),
    sessions: Number(field("scur")),
  }));
}

export function parseTraffic(csv: string): ServerTraffic[] {
  return serverRows(csv).map((field) => {
    // Measured with 2.6: a bad answer that was retried elsewhere counts in both, a refused connection in wredis alone;
    // neither in req_tot, hrsp_5xx or eresp.
    const retried = Math.max(Number(field("wretr")), Number(field("wredis")));
    return {
      backend: field("pxname"),
      server: field("svname"),
      requests: Number(field("req_tot")) + retried,
      failures: Number(field("hrsp_5xx")) + Number(field("eresp")) + retried,
      responseMs: Number(field("rtime")),
    };
  });
}

function serverRows(csv: string): ((name: string) => string)[] {
  const [head = "", ...rows] = csv.trim().split("\n");
  const names = head.replace(/^# /, "").split(",");
  return rows
    .map((row) => row.split(","))
    .map((fields) => (name: string) => fields[names.indexOf(name)] ?? "")
    .filter((field) => field("type") === "2");
}

/**
 * Takes an app host out of the pool of the HAProxy on this entry host (`maint`: no new request, also not
 * of clients whose cookie names it; requests under way go on), or lets it in again (`ready`: at once, HAProxy
 * does not wait for a check). Holds over reloads and restarts of HAProxy, not over a boot of the entry host:
 * health checks decide then. Again is harmless.
 * @throws HoldfastError when HAProxy does not do it; HostUnreachable
 */
export async function setPoolState(entry: Host, server: string, state: "maint" | "ready"): Promise<void> {
  const commands = poolBackends.map((backend) => `set server ${backend}/${server} state ${state}`);
  await poolCommand(entry, commands, `set ${server} to ${state}`);
  const { code, stderr } = await entry.run(["sh", "-euc", saveScript]);
  if (code !== 0) {
    throw new HoldfastError(`${entry.name}: cannot record the pool's state: ${lastLines(stderr, 3)}`);
  }
}

/** Ends what a server still has under way. @throws HoldfastError when HAProxy does not answer; HostUnreachable */
export const cutSessions = (entry: Host, server: string): Promise<void> =>
  poolCommand(
    entry,
    poolBackends.map((backend) => `shutdown sessions server ${backend}/${server}`),
    `end the sessions of ${server}`,
  );

async function poolCommand(entry: Host, commands: readonly string[], what: string): Promise<void> {
  const stdin = `${commands.join("; ")}\n`;
  const { code, stdout, stderr } = await entry.run(socket, { stdin, timeoutMs: observeTimeoutMs });
  // HAProxy answers a command that it has carried out with nothing.
  const said = lastLines(code === 0 ? stdout.trim() : stderr, 3);
  if (said === "") return;
  throw new HoldfastError(`HAProxy on ${entry.name} does not ${what}: ${said}`, {
    fix: `look at it: holdfast status, and on ${entry.name}: journalctl -u haproxy`,
  });
}

/** Only servers that are out: of the others a restart is to know nothing, their checks tell soon enough. */
const saveScript = `new=${haproxyFiles.serverState}.new
echo 'show servers state' | ${socket.join(" ")} | awk 'NR <= 2 || $7 % 2 == 1' > "$new"
[ "$(head -n 1 "$new")" = 1 ]
mv -f "$new" ${haproxyFiles.serverState}`;
