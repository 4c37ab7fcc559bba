import { describe, expect, it } from "vitest";
import { anyBlueprint, blueprint } from "../../test/support/render.ts";
import { HostUnreachable } from "../lib/errors.ts";
import type { Host, RunResult } from "../ports.ts";
import { observeApp } from "./app.ts";
import { observeEntry } from "./entry.ts";
import { parseShowStat } from "./haproxy.ts";

// As HAProxy 2.6 prints it, columns in the middle left out.
const stat = `# pxname,svname,scur,status,lastchg,type,check_status,check_code
app,app1,3,UP,12,2,L7OK,200
app,app2,0,DOWN 1/2,4,2,* L4CON,
app,BACKEND,3,UP,12,1,,
database_primary,data1,5,UP,90,2,L7OK,200
`;

const fakeHost = (answers: Record<string, Partial<RunResult>>): Host => ({
  name: "lb1",
  address: "10.77.10.11",
  run: (argv) => {
    const line = argv.join(" ");
    const key = Object.keys(answers).find((start) => line.startsWith(start));
    return Promise.resolve({
      code: key === undefined ? 1 : 0,
      stdout: "",
      stderr: "",
      ...answers[key ?? ""],
    });
  },
});
const offHost: Host = {
  name: "lb1",
  address: "10.77.10.11",
  run: () => Promise.reject(new HostUnreachable("lb1", "it is off")),
};

describe("show stat", () => {
  it("gives the servers, with their state and last check", () => {
    expect(parseShowStat(stat)).toEqual([
      { backend: "app", server: "app1", status: "UP", check: "L7OK 200", since: 12, sessions: 3 },
      { backend: "app", server: "app2", status: "DOWN", check: "L4CON", since: 4, sessions: 0 },
      {
        backend: "database_primary",
        server: "data1",
        status: "UP",
        check: "L7OK 200",
        since: 90,
        sessions: 5,
      },
    ]);
    expect(parseShowStat("")).toEqual([]);
  });
});

describe("an entry host", () => {
  const running = {
    "systemctl is-active": { stdout: "active\nactive\nactive\n" },
    "ip -4": { stdout: "2: host0    inet 10.77.10.10/32 scope global host0\n" },
    cat: { stdout: "0\n" },
    socat: { stdout: stat },
    "dpkg-query": { code: 1, stdout: "haproxy 2.6.12-1+deb12u3\n" },
  };
  it("holds the address", async () => {
    const status = await observeEntry(fakeHost(running), blueprint());
    expect(status).toMatchObject({
      reachable: true,
      holds: true,
      keepalived: "master",
      versions: { haproxy: "2.6.12-1+deb12u3" },
    });
  });
  it("is not fooled by an address that begins alike", async () => {
    const answers = {
      ...running,
      "ip -4": { stdout: "2: host0    inet 10.77.10.101/24 scope global host0\n" },
    };
    expect(await observeEntry(fakeHost(answers), blueprint())).toMatchObject({
      holds: false,
      keepalived: "backup",
    });
  });
  it("is at fault when the agent says so, and stopped when keepalived is", async () => {
    const { "ip -4": _, ...backup } = running;
    expect(await observeEntry(fakeHost({ ...backup, cat: { stdout: "1\n" } }), blueprint())).toMatchObject({
      keepalived: "fault",
    });
    const failed = { ...backup, "systemctl is-active": { code: 3, stdout: "active\nfailed\nactive\n" } };
    expect(await observeEntry(fakeHost(failed), blueprint())).toMatchObject({ keepalived: "stopped" });
  });
  it("holds an Elastic IP when it is master and EC2 has it here", async () => {
    const status = (role: string, here: boolean) => ({
      "cat /run/holdfast/address.json": { stdout: JSON.stringify({ role, addresses: [{ here }] }) },
      ...running,
    });
    const holds = async (role: string, here: boolean) =>
      observeEntry(fakeHost(status(role, here)), anyBlueprint("nginx-eip"));
    expect(await holds("master", true)).toMatchObject({ holds: true, keepalived: "master", servers: null });
    expect(await holds("master", false)).toMatchObject({ holds: false });
    expect(await holds("backup", true)).toMatchObject({ holds: false });
  });
  it("that is off is told, not thrown", async () => {
    expect(await observeEntry(offHost, blueprint())).toEqual({
      host: "lb1",
      reachable: false,
      why: "host lb1 cannot be reached: it is off",
    });
  });
});

describe("an app host", () => {
  it("says its release, its health and its view of the database", async () => {
    const host = fakeHost({
      readlink: { stdout: "releases/1.0.0\n" },
      curl: { stdout: "200" },
      socat: { stdout: stat },
      "systemctl is-active": { stdout: "active\nactive\nactive\n" },
    });
    expect(await observeApp(host, blueprint())).toMatchObject({
      version: "1.0.0",
      health: "200",
      healthy: true,
      database: [{ server: "data1", status: "UP" }],
    });
  });
  it("without anything is sick, in curl's words", async () => {
    const host = fakeHost({
      curl: { code: 7, stderr: "curl: (7) Failed to connect to localhost port 443\n" },
    });
    expect(await observeApp(host, blueprint())).toMatchObject({
      version: null,
      health: "Failed to connect to localhost port 443",
      healthy: false,
      database: null,
      units: { app: "unknown" },
    });
  });
});
