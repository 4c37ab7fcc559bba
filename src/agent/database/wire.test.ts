import { expect, it } from "vitest";
import { Wire, type Opened } from "./wire.ts";

const key = "shared";
const wire = (self: string, incarnation: string, secret = key): Wire =>
  new Wire(
    self,
    ["a", "b", "c"].filter((name) => name !== self),
    incarnation,
    secret,
  );

/** Talks until both know each other's incarnation. */
function introduce(a: Wire, b: Wire): void {
  const answer = b.open(a.seal("b", "hello"));
  expect(answer.kind).toBe("hello");
  expect(a.open((answer as Opened & { kind: "hello" }).reply).kind).toBe("refused"); // nothing was said in it
  expect(b.open(a.seal("b", 1))).toEqual({ kind: "message", from: "a", message: 1 });
  expect(a.open(b.seal("a", 2))).toEqual({ kind: "message", from: "b", message: 2 });
}

it("carries messages between processes that know each other", () => {
  const [a, b] = [wire("a", "a1"), wire("b", "b1")];
  introduce(a, b);
  const message = { kind: "heartbeat", number: 7, nested: [1, { deep: "ä" }] };
  expect(b.open(a.seal("b", message))).toEqual({ kind: "message", from: "a", message });
});

it("refuses what was recorded, overtaken, or meant for somebody else", () => {
  const [a, b, c] = [wire("a", "a1"), wire("b", "b1"), wire("c", "c1")];
  introduce(a, b);
  const [first, second] = [a.seal("b", 1), a.seal("b", 2)];
  expect(b.open(second).kind).toBe("message");
  expect(b.open(second).kind).toBe("refused");
  expect(b.open(first).kind).toBe("refused");
  expect(c.open(first).kind).toBe("refused");
  expect(a.open(first).kind).toBe("refused");
});

it("refuses every recording of an earlier run of the sender", () => {
  const [a, b, again] = [wire("a", "a1"), wire("b", "b1"), wire("a", "a2")];
  introduce(a, b);
  const recorded = a.seal("b", "old");
  introduce(again, b);
  expect(b.open(recorded).kind).toBe("refused");
  expect(b.open(again.seal("b", "new")).kind).toBe("message");
});

it("answers a recording from before its own start, believes nothing of it, and goes on with the living", () => {
  const [a, b] = [wire("a", "a1"), wire("b", "b1")];
  introduce(a, b);
  const recorded = a.seal("b", "old");
  const [living, restarted] = [wire("a", "a2"), wire("b", "b2")];
  introduce(living, restarted);
  expect(restarted.open(recorded).kind).toBe("hello");
  expect(living.open(restarted.seal("a", "still")).kind).toBe("message");
  expect(restarted.open(living.seal("b", "still")).kind).toBe("message");
});

it("refuses another key's, a changed, a cut and a foreign datagram", () => {
  const [a, b] = [wire("a", "a1"), wire("b", "b1")];
  introduce(a, b);
  const good = a.seal("b", { value: 1 });
  for (let index = 0; index < good.length; index++) {
    const changed = Uint8Array.from(good);
    changed[index] = (changed[index] ?? 0) ^ 1;
    expect(b.open(changed).kind).toBe("refused");
  }
  for (let length = 0; length < good.length; length++) {
    expect(b.open(good.subarray(0, length)).kind).toBe("refused");
  }
  expect(b.open(new Uint8Array(4000)).kind).toBe("refused");
  expect(b.open(wire("a", "a1", "other").seal("b", 1)).kind).toBe("refused");
  expect(b.open(good).kind).toBe("message");
});
