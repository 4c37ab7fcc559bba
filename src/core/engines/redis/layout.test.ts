import { describe, expect, it } from "vitest";
import { blueprint } from "../../../../test/support/render.ts";
import { redisNodes, slotRanges } from "./layout.ts";

describe("redisNodes", () => {
  it("puts the two copies of a shard, and two masters, on different hosts", () => {
    const nodes = redisNodes(blueprint());
    expect(nodes).toHaveLength(6);
    for (const shard of [0, 1, 2]) {
      const copies = nodes.filter((node) => node.shard === shard);
      expect(copies.map((node) => node.role).sort()).toEqual(["master", "replica"]);
      expect(new Set(copies.map((node) => node.host)).size).toBe(2);
    }
    const masters = nodes.filter((node) => node.role === "master");
    expect(new Set(masters.map((node) => node.host)).size).toBe(3);
  });

  it("is one process on the first host in single mode", () => {
    const topology = blueprint("privx-onprem", (raw) => {
      raw.cache = { mode: "single", hosts: ["data2", "data3"] };
    });
    expect(redisNodes(topology)).toEqual([
      { host: "data2", address: "10.77.10.32", port: 6379, shard: 0, role: "master" },
    ]);
  });

  it("is empty without a cache tier", () => {
    const topology = blueprint("privx-onprem", (raw) => {
      delete raw.cache;
    });
    expect(redisNodes(topology)).toEqual([]);
  });
});

describe("slotRanges", () => {
  it.each([1, 3, 5, 7])("covers every slot once with %i shards", (shards) => {
    const ranges = slotRanges(shards);
    expect(ranges).toHaveLength(shards);
    let next = 0;
    for (const { first, last } of ranges) {
      expect(first).toBe(next);
      expect(last).toBeGreaterThanOrEqual(first);
      next = last + 1;
    }
    expect(next).toBe(16_384);
  });
});
