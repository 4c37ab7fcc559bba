/** Against a program that answers as `nft --interactive` does. */
import { afterEach, expect, it } from "vitest";
import { Nft } from "./nft.ts";

/** Refuses lines with "bad" in them, never answers those with "hang", counts its own starts in its words. */
const script = `
process.stdin.setEncoding("utf8");
let rest = "";
process.stdin.on("data", (text) => {
  const lines = (rest + text).split("\\n");
  rest = lines.pop();
  for (const line of lines) {
    if (line.includes("hang")) { process.stdin.pause(); return; }
    if (line.includes("pid")) process.stderr.write("Error: I am " + process.pid + "\\n" + line + "\\n^^^\\n");
    if (line.includes("bad")) process.stderr.write("Error: No such file or directory\\n" + line + "\\n    ^^^\\n");
    if (line === "holdfast") process.stderr.write("Error: syntax error, unexpected newline, expecting string\\nholdfast\\n        ^\\n");
  }
});`;
let nft = new Nft([process.execPath, "--eval", script, "--"]);
afterEach(() => {
  nft.restart();
  nft = new Nft([process.execPath, "--eval", script, "--"]);
});

const pid = (): Promise<string> => nft.apply(["pid"]).then(String, (error: Error) => error.message);

it("tells a transaction that worked from one that was refused, in order", async () => {
  const outcomes = await Promise.allSettled([
    nft.apply(["add this", "add that"]),
    nft.apply(["add bad"]),
    nft.apply(["add more"]),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(String((outcomes[1] as PromiseRejectedResult).reason)).toContain("No such file or directory");
});

it("fails what waits when it is given up, and starts another", async () => {
  const first = await pid();
  const waiting = nft.apply(["hang"]);
  nft.restart();
  await expect(waiting).rejects.toThrow("given up");
  expect(await pid()).not.toBe(first);
});

it("is another process after some hundred transactions", async () => {
  const first = await pid();
  expect(await pid()).toBe(first);
  for (let count = 0; count < 500; count++) await nft.apply(["add"]);
  expect(await pid()).not.toBe(first);
});

it("says that it is not there", async () => {
  nft = new Nft(["/nowhere/nft"]);
  await expect(nft.apply(["add"])).rejects.toThrow("cannot be started");
});
