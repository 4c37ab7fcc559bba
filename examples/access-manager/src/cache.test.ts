import { describe, expect, test } from "vitest";
import { parseTrigger, type Role, RoleCache } from "./cache.ts";

const role = (id: string, name = id): Role => ({ id, name, description: "", members: [] });

function loaded(version = 5): RoleCache {
  const cache = new RoleCache();
  cache.applySnapshot(cache.changes, { version, roles: [role("b"), role("a")] });
  return cache;
}

describe("RoleCache", () => {
  test("before the first load every trigger asks for everything, even version 1", () => {
    expect(new RoleCache().whatFor(1)).toBe("everything");
    expect(new RoleCache().applyObject(1, "a", role("a"))).toBe(false);
  });
  test("old triggers ask for nothing, the next for its object, a gap for everything", () => {
    const cache = loaded(5);
    expect([4, 5, 6, 7].map((version) => cache.whatFor(version))).toEqual([
      "nothing",
      "nothing",
      "object",
      "everything",
    ]);
  });
  test("the next change is applied, a repeated one is harmless, one after a gap is refused", () => {
    const cache = loaded(5);
    expect(cache.applyObject(6, "c", role("c"))).toBe(true);
    expect(cache.applyObject(6, "c", role("c", "late copy"))).toBe(true);
    expect(cache.applyObject(8, "d", role("d"))).toBe(false);
    expect(cache.roles.map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(cache.applyObject(7, "a", undefined)).toBe(true);
    expect(cache.role("a")).toBeUndefined();
    expect(cache.version).toBe(7);
  });
  test("a snapshot that was overtaken by a newer change is dropped", () => {
    const cache = loaded(5);
    const begun = cache.changes;
    cache.applyObject(6, "c", role("c"));
    expect(cache.applySnapshot(begun, { version: 5, roles: [] })).toBe(false);
    expect(cache.version).toBe(6);
  });
  test("an undisturbed snapshot of a lower version is the truth after a failover that lost changes", () => {
    const cache = loaded(5);
    expect(cache.applySnapshot(cache.changes, { version: 3, roles: [role("z")] })).toBe(true);
    expect([cache.version, cache.roles.map(({ id }) => id)]).toEqual([3, ["z"]]);
  });
});

test("parseTrigger takes triggers and nothing else", () => {
  expect(parseTrigger('{"role":"a","version":2,"node":"app1"}')).toEqual({
    role: "a",
    version: 2,
    node: "app1",
  });
  for (const text of [
    "",
    "x",
    "null",
    "[]",
    "{}",
    '{"role":1,"version":2,"node":"n"}',
    '{"role":"a","version":"2","node":"n"}',
  ]) {
    expect(parseTrigger(text)).toBeUndefined();
  }
});
