import { describe, expect, it } from "vitest";
import type { Host, RunResult } from "../ports.ts";
import { cutSessions, observeTraffic, setPoolState } from "./haproxy.ts";

/** An entry host whose HAProxy answers each line of its socket by `answer`. */
function entryHost(answer: (line: string) => Partial<RunResult>) {
  const asked: string[] = [];
  const host: Host = {
    name: "lb1",
    address: "10.77.10.11",
    run: (argv, options) => {
      const line = argv[0] === "socat" ? String(options?.stdin).trim() : "save";
      asked.push(line);
      return Promise.resolve({ code: 0, stdout: "", stderr: "", ...answer(line) });
    },
  };
  return { host, asked };
}

describe("the pool at run time", () => {
  it("changes a host in both of its backends, and records it for the next reload", async () => {
    const { host, asked } = entryHost(() => ({ stdout: "\n\n" }));
    await setPoolState(host, "app1", "maint");
    await cutSessions(host, "app1");
    expect(asked).toEqual([
      "set server app/app1 state maint; set server app_last_resort/app1 state maint",
      "save",
      "shutdown sessions server app/app1; shutdown sessions server app_last_resort/app1",
    ]);
  });

  it("passes on why HAProxy does not, and why it cannot be recorded", async () => {
    const unknown = entryHost(() => ({ stdout: "No such server.\n\n" }));
    await expect(setPoolState(unknown.host, "app9", "ready")).rejects.toThrow(
      "HAProxy on lb1 does not set app9 to ready: No such server.",
    );
    expect(unknown.asked).not.toContain("save");
    const full = entryHost((line) => (line === "save" ? { code: 1, stderr: "No space left on device" } : {}));
    await expect(setPoolState(full.host, "app1", "ready")).rejects.toThrow(/cannot record .*No space left/);
  });
});

it("counts as a failure what a server answered badly, and what another had to answer for it", async () => {
  const stat = `# pxname,svname,wretr,wredis,req_tot,hrsp_5xx,eresp,rtime,type
app,app1,3,5,1000,4,1,17,2
app,app2,2,0,900,0,0,16,2
app,BACKEND,5,5,1900,4,1,17,1
`;
  const { host } = entryHost(() => ({ stdout: stat }));
  expect(await observeTraffic(host)).toEqual([
    { backend: "app", server: "app1", requests: 1005, failures: 10, responseMs: 17 },
    { backend: "app", server: "app2", requests: 902, failures: 2, responseMs: 16 },
  ]);
});
