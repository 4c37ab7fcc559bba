import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { account, call, entry, i1, i2 } from "../../../../test/support/ec2.ts";
import { AccountStore } from "./account-store.ts";
import { ec2ConfigSchema } from "./config.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-ec2-"));
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

const first = call("AssociateAddress", { AllocationId: entry, InstanceId: i1 }).state;
const second = call("AssociateAddress", { AllocationId: entry, InstanceId: i2 }, { state: first }).state;

test("tells how things were at any time", async () => {
  const store = await AccountStore.open(join(directory, "state.json"), account);
  await store.change(first, 1000);
  await store.change(second, 2000);
  expect(store.at(999).associations).toEqual({});
  expect(store.at(1000)).toBe(first);
  expect(store.at(1999)).toBe(first);
  expect(store.now()).toBe(second);
});

test("forgets what is too long ago to be asked for, and never the present", async () => {
  const store = await AccountStore.open(join(directory, "state.json"), account);
  await store.change(first, 1000);
  await store.change(second, 10_000_000);
  expect(store.at(9_999_999)).toBe(first);
  expect(store.now()).toBe(second);
});

test("is found again after a restart, without what the account no longer has", async () => {
  const file = join(directory, "state.json");
  const store = await AccountStore.open(file, account);
  await Promise.all([store.change(first, 1000), store.change(second, 1001)]);
  expect(JSON.parse(await readFile(file, "utf8"))).toEqual(second);
  expect((await AccountStore.open(file, account)).now()).toEqual(second);
  const smaller = ec2ConfigSchema.parse({ ...account, instances: account.instances.slice(0, 1) });
  const left = (await AccountStore.open(file, smaller)).now();
  expect(left.associations).toEqual({});
  expect(left.sequence).toBe(second.sequence);
});
