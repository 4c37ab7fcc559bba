import { expect, it } from "vitest";
import type { ServerTraffic } from "../../engines/haproxy.ts";
import { HostUnreachable } from "../../lib/errors.ts";
import type { Host } from "../../ports.ts";
import { RequestRates } from "./load.ts";

const host = (name: string): Host => ({
  name,
  address: "",
  run: () => Promise.reject(new HostUnreachable(name, "not asked")),
});
const entries = [host("lb1"), host("lb2")];

const counted = (requests: number): ServerTraffic => ({
  backend: "app",
  server: "app1",
  requests,
  failures: 0,
  responseMs: 1,
});

it("adds up what the entry hosts count, and needs two looks", async () => {
  let requests = 0;
  const rates = new RequestRates(() => Promise.resolve([counted((requests += 100))]));
  expect(await rates.measure(entries, 0)).toBeNull();
  // Both entry hosts counted 200 more in two seconds: 100 and 200, then 300 and 400.
  expect(await rates.measure(entries, 2000)).toEqual(new Map([["app1", 200]]));
});

it("knows nothing while an entry host does not answer, or has begun to count anew", async () => {
  let answer: () => Promise<ServerTraffic[]> = () => Promise.resolve([counted(500)]);
  const rates = new RequestRates(() => answer());
  await rates.measure(entries, 0);
  answer = () => Promise.resolve([counted(3)]);
  expect(await rates.measure(entries, 1000)).toBeNull();
  expect(await rates.measure(entries, 2000)).toEqual(new Map([["app1", 0]]));
  answer = () => Promise.reject(new HostUnreachable("lb1", "off"));
  expect(await rates.measure(entries, 3000)).toBeNull();
});
