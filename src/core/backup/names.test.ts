import { expect, it } from "vitest";
import { appBackups, parseAppBackup } from "./names.ts";
import { parseProofs } from "./proof.ts";

it("reads the names of R1.9, and nothing that is not finished", () => {
  expect(parseAppBackup("app1_2026-11-20-1504")).toEqual({
    name: "app1_2026-11-20-1504",
    hostname: "app1",
    time: "2026-11-20 15:04",
  });
  expect(parseAppBackup("node.example.com_2026-11-20-0004")?.hostname).toBe("node.example.com");
  for (const name of [
    "app1_2026-11-20-1504.Ab12Cd",
    "app1_2026-11-20-1504.expired",
    "database",
    "../x_2026-11-20-1504",
  ])
    expect(parseAppBackup(name)).toBeNull();
});

it("lists the newest first", () => {
  const names = ["app2_2026-11-20-1504", "database", "app1_2026-11-20-1504", "app1_2026-11-21-0000"];
  expect(appBackups(names).map(({ name }) => name)).toEqual([
    "app1_2026-11-21-0000",
    "app1_2026-11-20-1504",
    "app2_2026-11-20-1504",
  ]);
});

it("reads the proofs between which others were torn", () => {
  const proof = { backup: "20261120-150000F", provenAt: 1, tookMs: 2, recoveredTo: null };
  const line = JSON.stringify(proof);
  expect(parseProofs(`\n${line}\n\n${line.slice(0, 20)}\n${line}\n`)).toEqual([proof, proof]);
});
