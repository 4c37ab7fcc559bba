import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blueprint } from "../../../test/support/render.ts";
import { faultNamed, faults, findFault } from "./registry.ts";

const topology = blueprint("privx-onprem");

test("names are unique, and every fault applies to the blueprint", () => {
  const names = faults.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(faults.filter((fault) => fault.applies(topology) !== null)).toEqual([]);
});

test("the documentation has every fault with what it proves, and no other", async () => {
  const text = await readFile(join(import.meta.dirname, "../../../docs/faults.md"), "utf8");
  const rows = [...text.matchAll(/^\| `([^`]+)` +\| (.+?) +\| (.+?) +\|$/gm)].map(
    ([, name, title, proves]) => [name, title, proves],
  );
  expect(rows).toEqual(faults.map(({ name, title, proves }) => [name, title, proves]));
});

test("a topology without the redundancy that a fault takes away cannot have it, and is told why", () => {
  const small = blueprint("privx-onprem", (file) => {
    file.entry.hosts = ["lb1"];
    file.app.hosts = ["app1"];
    file.database.hosts = ["data1"];
    delete file.cache;
    delete file.storage;
    delete file.backup;
    file.zones = ["a"];
    for (const host of Object.values<{ zone: string }>(file.hosts)) host.zone = "a";
  });
  const applying = faults.filter((fault) => fault.applies(small) === null).map(({ name }) => name);
  expect(applying).toEqual([
    "client-link-cut",
    "etcd-member-loss",
    "etcd-majority-loss",
    "clock-forward",
    "clock-back",
    "certificate-renewal",
  ]);
  expect(() => findFault("redis-partition", small)).toThrow("the topology has no cache");
  expect(() => findFault("app-kill", small)).toThrow("the app has only one host");
});

test("an unknown name is answered with the known ones", () => {
  expect(() => faultNamed("meteor")).toThrow("there is no fault meteor");
});
