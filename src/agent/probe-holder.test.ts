import { createServer, type AddressInfo, type Server } from "node:net";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterEach, beforeEach, expect, it } from "vitest";
import { poll } from "../lib/retry.ts";
import { answerPeers, askPeer, type PeerAnswer } from "./peer.ts";
import { probeHolder, type HolderProbe } from "./probe-holder.ts";

const reporter = {
  info: () => undefined,
  warn: () => undefined,
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
};
const holder = { instanceId: "i-1", networkInterfaceId: "eni-1", privateAddress: "10.0.0.1" };
// No packet leaves for it: the kernel refuses, which is as good as silence.
const nowhere = { host: "255.255.255.255", port: 443 };
const timeoutMs = 3000;

let server: Server;
let serving: { host: string; port: number };
let refusing: { host: string; port: number };
let peerPort: number;
let stop: AbortController;
let own: PeerAnswer | null;
let peers: string[];
let answering: Promise<void>;

beforeEach(async () => {
  server = createServer((socket) => void socket.on("error", () => undefined)).listen(0, "127.0.0.1");
  const closed = createServer().listen(0, "127.0.0.1");
  await Promise.all([once(server, "listening"), once(closed, "listening")]);
  serving = { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
  refusing = { host: "127.0.0.1", port: (closed.address() as AddressInfo).port };
  await new Promise((resolve) => closed.close(resolve));
  const probe = createSocket("udp4").bind(0, "127.0.0.1");
  await once(probe, "listening");
  peerPort = probe.address().port;
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  stop = new AbortController();
  own = { role: "master", instanceId: "i-1" };
  peers = ["127.0.0.1"];
  answering = answerPeers({
    address: "127.0.0.1",
    port: peerPort,
    peers: () => peers,
    own: () => own,
    signal: stop.signal,
    reporter,
  });
});
afterEach(async () => {
  stop.abort();
  await answering;
  server.close();
});

const probe = async (more: Partial<HolderProbe>) =>
  probeHolder({
    holder,
    service: serving,
    reference: serving,
    peers: ["127.0.0.1"],
    peerPort,
    instanceState: async () => Promise.resolve("running"),
    timeoutMs,
    ...more,
  });

it("learns all three: the service, the agent's role, EC2's word", async () => {
  await poll(async () => (await askPeer("127.0.0.1", peerPort, 1000)) !== "reachable", {
    deadlineMs: 15_000,
    what: "the agent to listen",
  });
  expect(await probe({})).toEqual({ service: "serves", peer: "master", instance: "running" });
  const refused = await probe({ service: refusing, instanceState: null });
  expect(refused).toEqual({ service: "refused", peer: "master", instance: "unknown" });
});

it("does not wait for the rest when one part settles it", async () => {
  own = { role: "backup", instanceId: "i-1" };
  const start = performance.now();
  const never = async () => new Promise<string>(() => undefined);
  const asked = await probe({ service: nowhere, instanceState: never, timeoutMs: 20_000 });
  expect(asked).toMatchObject({ service: "silent", peer: "backup" });
  expect(performance.now() - start).toBeLessThan(10_000);
  expect(await probe({ instanceState: never, timeoutMs: 20_000 })).toMatchObject({
    service: "serves",
    peer: "backup",
  });
  own = null;
  const gone = await probe({
    service: nowhere,
    instanceState: async () => Promise.resolve("stopped"),
    timeoutMs: 20_000,
  });
  expect(gone.instance).toBe("gone");
});

it("a silent service counts only while something else on the way out answers", async () => {
  own = null;
  expect((await probe({ service: nowhere, timeoutMs: 200 })).service).toMatch(/silent|unknown/);
  expect((await probe({ service: nowhere, reference: nowhere, timeoutMs: 200 })).service).toBe("unknown");
  // Without a port to ask, VRRP's word stands alone.
  expect((await probe({ service: null, reference: nowhere, timeoutMs: 200 })).service).toMatch(
    /silent|unknown/,
  );
});

it("an EC2 that fails to answer says nothing of the instance", async () => {
  expect((await probe({ instanceState: async () => Promise.reject(new Error("throttled")) })).instance).toBe(
    "unknown",
  );
});

it("another instance's answer is not the holder's; a stranger gets none", async () => {
  own = { role: "backup", instanceId: "i-2" };
  expect((await probe({ timeoutMs: 300 })).peer).toBe("silent");
  own = { role: "backup", instanceId: "i-1" };
  peers = ["192.0.2.7"];
  expect((await probe({ timeoutMs: 300 })).peer).toBe("silent");
});

it("a host without an agent is reachable", async () => {
  stop.abort();
  await answering;
  expect((await probe({})).peer).toBe("reachable");
});
