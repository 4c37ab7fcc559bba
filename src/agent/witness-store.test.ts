import { afterEach, expect, it } from "vitest";
import { closeGateways, etcdGateway, type GatewayAnswer } from "../../test/support/etcd-gateway.ts";
import { base64 } from "../lib/etcd.ts";
import { openWitnessStore, type WitnessStore } from "./witness-store.ts";

const key = "/holdfast-address/t/witness";
let store: WitnessStore | null = null;
afterEach(async () => {
  await store?.close();
  store = null;
  await closeGateways();
});

async function open(answer: GatewayAnswer): Promise<WitnessStore> {
  store = await openWitnessStore({
    self: "lb1",
    key,
    ttlSeconds: 3,
    endpoints: [await etcdGateway(answer)],
    tls: null,
    requestMs: 15_000, // a loaded machine's
  });
  return store;
}

it("says who holds it", async () => {
  const found = { key: base64(key), value: base64("lb2"), lease: "7587" };
  const kvs: object[] = [];
  const asked = await open((path, body) => {
    expect([path, body]).toEqual(["/v3/kv/range", { key: base64(key) }]);
    return { json: kvs.length === 0 ? { count: "0" } : { kvs } };
  });
  expect(await asked.holder()).toBeNull();
  kvs.push(found);
  expect(await asked.holder()).toEqual({ host: "lb2", leaseId: "7587" });
});

it("takes it only when nobody has it, and leaves no lease behind when somebody has", async () => {
  const calls: [string, object][] = [];
  let free = true;
  const asked = await open((path, body) => {
    calls.push([path, body]);
    if (path === "/v3/lease/grant") return { json: { ID: "42", TTL: "3" } };
    if (path === "/v3/lease/revoke") return { json: { header: {} } };
    return { json: free ? { succeeded: true } : {} };
  });
  expect(await asked.take()).toEqual({ host: "lb1", leaseId: "42" });
  const put = {
    compare: [{ key: base64(key), target: "CREATE", result: "EQUAL", create_revision: "0" }],
    success: [{ request_put: { key: base64(key), value: base64("lb1"), lease: "42" } }],
  };
  expect(calls).toEqual([
    ["/v3/lease/grant", { TTL: "3" }],
    ["/v3/kv/txn", put],
  ]);
  free = false;
  expect(await asked.take()).toBeNull();
  expect(calls.at(-1)).toEqual(["/v3/lease/revoke", { ID: "42" }]);
});

it("renews it while it lives", async () => {
  let ttl: string | undefined = "3";
  const asked = await open(() => ({
    json: { result: { ID: "42", ...(ttl === undefined ? {} : { TTL: ttl }) } },
  }));
  expect(await asked.renew("42")).toBe(true);
  ttl = undefined;
  expect(await asked.renew("42")).toBe(false);
});
