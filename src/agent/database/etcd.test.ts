import { afterEach, expect, it } from "vitest";
import { closeGateways, etcdGateway as gateway } from "../../../test/support/etcd-gateway.ts";
import { base64 } from "../../lib/etcd.ts";
import { Etcd } from "./etcd.ts";

let etcd: Etcd | null = null;
afterEach(async () => {
  await etcd?.close();
  etcd = null;
  await closeGateways();
});

async function open(...endpoints: string[]): Promise<Etcd> {
  etcd = await Etcd.open({
    endpoints,
    tls: null,
    leaderKey: "/holdfast/t/leader",
    recordPrefix: "/holdfast-gate/t/",
    requestMs: 15_000, // a loaded machine's
  });
  return etcd;
}

const leader = { key: base64("/holdfast/t/leader"), value: base64("data1"), mod_revision: "9", lease: "77" };
const record = (host: string, value: unknown, revision: string): object => ({
  key: base64(`/holdfast-gate/t/${host}`),
  value: base64(typeof value === "string" ? value : JSON.stringify(value)),
  mod_revision: revision,
});
const range = (kvs: readonly object[]): object => ({ response_range: kvs.length === 0 ? {} : { kvs } });
const view = (
  leaders: readonly object[],
  records: readonly object[],
  failovers: readonly object[] = [],
): object => ({
  header: { revision: "12" },
  succeeded: true,
  responses: [range(leaders), range(failovers), range(records)],
});

it("reads the leader, what is left of its lease, and the records", async () => {
  const asked: unknown[] = [];
  const address = await gateway((path, body) => {
    asked.push([path, body]);
    return path === "/v3/lease/timetolive"
      ? { json: { ID: "77", TTL: "18", grantedTTL: "20" } }
      : {
          json: view(
            [leader],
            [record("data1", { state: "open", lease: "77" }, "5"), record("data2", "?", "6")],
          ),
        };
  });
  const read = await (await open(address)).read();
  expect(read).toEqual({
    leader: { host: "data1", lease: "77", ttlMs: 18_000 },
    switchover: null,
    // data2's cannot be read: as if there were none
    records: { data1: { state: "open", lease: "77", revision: "5" } },
  });
  expect(asked).toEqual([
    [
      "/v3/kv/txn",
      {
        success: [
          { request_range: { key: base64("/holdfast/t/leader") } },
          { request_range: { key: base64("/holdfast/t/failover") } },
          { request_range: { key: base64("/holdfast-gate/t/"), range_end: base64("/holdfast-gate/t0") } },
        ],
      },
    ],
    ["/v3/lease/timetolive", { ID: "77" }],
  ]);
});

it("knows no leader: none there, one without a lease, one whose lease just ended", async () => {
  const answers = [[], [{ ...leader, lease: "0" }], [leader]];
  const address = await gateway((path) =>
    path === "/v3/lease/timetolive" ? { json: { TTL: "-1" } } : { json: view(answers.shift() ?? [], []) },
  );
  const client = await open(address);
  expect(await client.read()).toEqual({ leader: null, switchover: null, records: {} });
  expect(await client.read()).toEqual({ leader: null, switchover: null, records: {} });
  expect((await client.read()).leader).toEqual({ host: "data1", lease: "77", ttlMs: 0 });
});

it.each([
  ["to whoever is best", '{"leader":"data1"}', "data1"],
  ["to one host", '{"leader":"data1","member":"data2"}', "data1"],
  ["ended", "{}", null],
  ["a failover without a leader", '{"member":"data2"}', null],
  ["for a later time", '{"leader":"data1","scheduled_at":"2031-01-01T00:00:00+00:00"}', null],
  ["not Patroni's", "?", null],
])("reads who is to hand over: %s", async (_what, value, expected) => {
  const failover = { key: base64("/holdfast/t/failover"), value: base64(value), mod_revision: "10" };
  const address = await gateway(() => ({ json: view([], [], [failover]) }));
  expect((await (await open(address)).read()).switchover).toBe(expected);
});

it("writes a record only against its revision and the leader's lease", async () => {
  let body: unknown;
  let succeeded = true;
  const address = await gateway((_path, asked) => {
    body = asked;
    return { json: { header: { revision: "21" }, ...(succeeded ? { succeeded } : {}) } };
  });
  const client = await open(address);
  const write = {
    host: "data1",
    record: { state: "fenced", lease: "77" },
    revision: "5",
    leaderLease: "77",
  } as const;
  expect(await client.writeRecord(write)).toBe("21");
  const key = base64("/holdfast-gate/t/data1");
  expect(body).toEqual({
    compare: [
      { key, target: "MOD", result: "EQUAL", mod_revision: "5" },
      { key: base64("/holdfast/t/leader"), target: "LEASE", result: "EQUAL", lease: "77" },
    ],
    success: [{ request_put: { key, value: base64('{"state":"fenced","lease":"77"}') } }],
  });
  succeeded = false;
  expect(await client.writeRecord({ ...write, leaderLease: null })).toBe(null);
  expect((body as { compare: unknown[] }).compare).toHaveLength(1);
});

it("revokes exactly the lease; one that is gone is a success, an error is not", async () => {
  const asked: unknown[] = [];
  const answers = [
    { json: {} },
    { status: 404, json: { error: "etcdserver: requested lease not found", code: 5 } },
    { status: 503, json: { error: "etcdserver: no leader", code: 14 } },
  ];
  const address = await gateway((path, body) => {
    asked.push([path, body]);
    return answers.shift() ?? null;
  });
  const client = await open(address);
  await client.revoke("77");
  await client.revoke("77");
  await expect(client.revoke("78")).rejects.toThrow("no leader");
  expect(asked[0]).toEqual(["/v3/lease/revoke", { ID: "77" }]);
});

it("asks the next beside an endpoint that hangs, and from then on the one that answers", async () => {
  let hung = 0;
  const silent = await gateway(() => (hung++, null));
  const dead = "http://127.0.0.1:1";
  const address = await gateway(() => ({ json: view([], []) }));
  const client = await open(silent, dead, address);
  expect(await client.read()).toEqual({ leader: null, switchover: null, records: {} });
  expect(hung).toBe(1);
  await client.read();
  expect(hung).toBe(1);
});

it("fails when nobody answers, with what each endpoint said", async () => {
  const address = await gateway(() => ({ status: 503, json: { error: "no leader", code: 14 } }));
  const client = await open("http://127.0.0.1:1", address);
  await expect(client.read()).rejects.toThrow(/ECONNREFUSED.*no leader|no leader.*ECONNREFUSED/);
});
