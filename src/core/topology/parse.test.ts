import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isMap, isPair, parseDocument, visit, type Node } from "yaml";
import { parseTopology } from "./parse.ts";
import { durationMs, duration, size, sizeBytes } from "./schema.ts";

const blueprint = readFileSync(new URL("../../../blueprints/privx-onprem.yaml", import.meta.url), "utf8");

/** What is wrong with the answer to any text: it must be a topology or problems, each with its place. */
function unsound(text: string): string[] {
  const { topology, problems } = parseTopology(text, "t.yaml");
  const lines = text.split("\n").length;
  const faults = problems
    .filter(({ code, found, fix }) => !/^HF0\d\d$/.test(code) || found === "" || fix === "")
    .map((problem) => `incomplete: ${JSON.stringify(problem)}`);
  const misplaced = problems
    .filter(({ line, column }) => line < 1 || line > lines || column < 1)
    .map((problem) => `misplaced: ${JSON.stringify(problem)}`);
  const both =
    (topology === undefined) === problems.length > 0 ? [] : ["a topology and problems, or neither"];
  return [...faults, ...misplaced, ...both];
}

test("the blueprint: defaults filled in, units converted", () => {
  const { topology, problems } = parseTopology(blueprint, "t.yaml");
  expect(problems).toEqual([]);
  expect(topology?.entry.address.advertInterval).toBe(50);
  expect(topology?.hosts["data1"]?.memory).toBe(4 * 1024 ** 3);
  expect(topology?.database?.port).toBe(5432);
  expect(topology?.entry.tls).toEqual({ source: "generated" });
  expect(topology?.objectives.database?.recoveryTime).toBe(10_000);
});

test("any text gives problems, not an exception", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (text) => {
      expect(unsound(text)).toEqual([]);
    }),
  );
});

test("the blueprint with characters deleted or inserted anywhere", () => {
  const at = fc.nat(blueprint.length - 1);
  const inserted = fc.constantFrom(
    "",
    " ",
    "\n",
    "\t",
    ":",
    "- ",
    "{",
    "]",
    '"',
    "*",
    "&",
    "!",
    "#",
    "0",
    "x",
  );
  fc.assert(
    fc.property(at, fc.nat(20), inserted, (start, length, text) => {
      expect(unsound(blueprint.slice(0, start) + text + blueprint.slice(start + length))).toEqual([]);
    }),
    { numRuns: 100 },
  );
});

const strange = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(
    "__proto__",
    "constructor",
    -1,
    1e300,
    "1e3s",
    "999999999d",
    "0.0.0.0/0",
    "255.255.255.255",
    null,
  ),
);

test("the blueprint with one value replaced by anything, and one key renamed", () => {
  const nodes = countNodes();
  fc.assert(
    fc.property(
      fc.nat(nodes - 1),
      strange,
      fc.option(fc.constantFrom("__proto__", "constructor", "x", "")),
      (index, value, key) => {
        const document = parseDocument(blueprint);
        let seen = 0;
        visit(document, {
          Pair: (_key, pair) => {
            if (seen++ !== index) return undefined;
            pair.value = document.createNode(value);
            if (key !== null) pair.key = document.createNode(key);
            return visit.BREAK;
          },
        });
        expect(unsound(document.toString())).toEqual([]);
      },
    ),
    { numRuns: 150 },
  );
});

function countNodes(): number {
  let count = 0;
  visit(parseDocument(blueprint), { Pair: () => void count++ });
  return count;
}

test("every key that is removed is either optional or reported where it is missing", () => {
  const document = parseDocument(blueprint);
  const removals: [Node, unknown][] = [];
  visit(document, {
    Map: (_key, map) => {
      for (const pair of map.items) removals.push([map, pair.key]);
    },
  });
  expect(removals.length).toBeGreaterThan(60);
  for (const [map, key] of removals) {
    if (!isMap(map)) throw new Error("not a mapping");
    const items = [...map.items];
    map.items = map.items.filter((pair) => isPair(pair) && pair.key !== key);
    expect(unsound(document.toString())).toEqual([]);
    map.items = items;
  }
});

test("a JavaScript-like key is a key like any other", () => {
  const { problems } = parseTopology(blueprint.replace("network:", "__proto__: 1\nnetwork:"), "t.yaml");
  expect(problems).not.toEqual([]);
});

test("anchors and aliases: the place is that of the text that was written", () => {
  const text = blueprint
    .replace("entry: { recoveryTime: 1s }", "entry: &fast { recoveryTime: soon }")
    .replace("app: { recoveryTime: 5s }", "app: *fast");
  const { problems } = parseTopology(text, "t.yaml");
  expect(problems.map(({ path, line }) => `${path} ${line}`)).toEqual([
    "objectives.entry.recoveryTime 27",
    "objectives.app.recoveryTime 27",
  ]);
});

test("aliases that multiply without end are refused", () => {
  const bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level < 9; level++) {
    const item = `*a${level - 1}`;
    bomb.push(`a${level}: &a${level} [${Array.from({ length: 9 }, () => item).join(", ")}]`);
  }
  const { problems } = parseTopology(bomb.join("\n"), "t.yaml");
  expect(problems.map(({ code }) => code)).toEqual(["HF001"]);
});

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
test("durations keep their value through every unit", () => {
  fc.assert(
    fc.property(
      fc.nat(99_999),
      fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])),
      (count, unit) => {
        const ms = count * units[unit];
        expect(durationMs(`${count}${unit}`)).toBe(ms);
        expect(duration.parse(`${count}${unit}`)).toBe(ms);
      },
    ),
  );
});

test("sizes keep their value through every unit, fractions too", () => {
  fc.assert(
    fc.property(fc.nat(9999), (quarters) => {
      expect(sizeBytes(`${quarters / 4}GiB`)).toBe(quarters * 256 * 1024 ** 2);
      expect(size.parse(`${quarters * 256}MiB`)).toBe(quarters * 256 * 1024 ** 2);
    }),
  );
});

test.each(["1", "s", "1.s", "-1s", "1 s", "1S", "1e3s", ".5s", "", "1s ", "1.2345s"])(
  "no duration: %j",
  (text) => {
    expect(duration.safeParse(text).success).toBe(false);
  },
);
test.each(["1GB", "1", "1Gib", "-1GiB", "1 GiB", "GiB"])("no size: %j", (text) => {
  expect(size.safeParse(text).success).toBe(false);
});
