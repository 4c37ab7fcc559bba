import { describe, expect, it } from "vitest";
import { HostUnreachable } from "../lib/errors.ts";
import type { Host } from "../ports.ts";
import { admitHost, drainHost } from "./drain.ts";

interface Server {
  status: string;
  sessions: number;
  since: number;
}

/** An entry host whose HAProxy does what its socket is told; a session of a drained server ends with each look. */
function entryHost(name: string, { stuck = 0, down = [] as readonly string[] } = {}) {
  const pool = new Map<string, Server>(
    ["app1", "app2"].map((server) => [
      server,
      { status: down.includes(server) ? "DOWN" : "UP", sessions: 3, since: 60 },
    ]),
  );
  const cut: string[] = [];
  const obey = (line: string): string => {
    for (const command of line.trim().split("; ")) {
      const [, backend, server, state] = /^set server (\w+)\/(\w+) state (\w+)$/.exec(command) ?? [];
      const row = pool.get(server ?? "");
      if (row !== undefined && backend === "app") {
        if (state === "maint") row.status = "MAINT";
        else if (row.status === "MAINT") Object.assign(row, { status: "UP", since: 0 });
      }
      if (command.startsWith("shutdown sessions server app/")) {
        cut.push(command.split("/")[1] ?? "");
        const ended = pool.get(command.split("/")[1] ?? "");
        if (ended !== undefined) ended.sessions = 0;
      }
    }
    if (!line.startsWith("show stat")) return "\n";
    const rows = [...pool].map(([server, row]) => {
      const { status, sessions, since } = row;
      if (status === "MAINT") row.sessions = Math.max(Math.min(stuck, sessions), sessions - 1);
      row.since += 1;
      return `app,${server},${sessions},${status},${since},2`;
    });
    return `# pxname,svname,scur,status,lastchg,type\n${rows.join("\n")}\n`;
  };
  const host: Host = {
    name,
    address: "10.77.10.11",
    run: (argv, options) =>
      Promise.resolve({
        code: 0,
        stdout: argv[0] === "socat" ? obey(String(options?.stdin)) : "",
        stderr: "",
      }),
  };
  return { host, pool, cut };
}
const health = { interval: 500, fall: 2 };

describe("draining", () => {
  it("takes the host out everywhere and waits for what is under way", async () => {
    const entries = [entryHost("lb1"), entryHost("lb2")];
    const hosts = entries.map(({ host }) => host);
    expect(await drainHost(hosts, "app1", { deadlineMs: 60_000 })).toBe(0);
    for (const { pool, cut } of entries) {
      expect(pool.get("app1")).toMatchObject({ status: "MAINT", sessions: 0 });
      expect(pool.get("app2")?.status).toBe("UP");
      expect(cut).toEqual([]);
    }
    // Again: it is out already, and alone in nobody's way.
    expect(await drainHost(hosts, "app1", { deadlineMs: 60_000 })).toBe(0);
  });

  it("cuts what does not end, and says how much that was", async () => {
    const entries = [entryHost("lb1", { stuck: 2 }), entryHost("lb2", { stuck: 1 })];
    const hosts = entries.map(({ host }) => host);
    expect(await drainHost(hosts, "app1", { deadlineMs: 1000 })).toBe(3);
    expect(entries.map(({ cut }) => cut)).toEqual([["app1"], ["app1"]]);
  });

  it("never takes the last host that serves, at any entry host", async () => {
    const entries = [entryHost("lb1"), entryHost("lb2", { down: ["app2"] })];
    const drain = drainHost(
      entries.map(({ host }) => host),
      "app1",
      { deadlineMs: 1000 },
    );
    await expect(drain).rejects.toThrow("app1 is the only app host that serves, as lb2 sees it");
    expect(entries.map(({ pool }) => pool.get("app1")?.status)).toEqual(["UP", "UP"]);
  });

  it("does not take a HAProxy that does not answer for one without sessions", async () => {
    const { host } = entryHost("lb1");
    const silent: Host = { ...host, run: () => Promise.resolve({ code: 1, stdout: "", stderr: "" }) };
    await expect(drainHost([silent], "app1", { deadlineMs: 1000 })).rejects.toThrow(HostUnreachable);
  });
});

describe("admitting", () => {
  it("waits until checks have had the time to say otherwise", async () => {
    const entry = entryHost("lb1");
    await drainHost([entry.host], "app1", { deadlineMs: 60_000 });
    await admitHost([entry.host], "app1", health);
    expect(entry.pool.get("app1")?.status).toBe("UP");
    expect(entry.pool.get("app1")?.since).toBeGreaterThanOrEqual(2);
  });
});
