import { expect, test } from "vitest";
import { nspawnArgv, unitArgv } from "./launch.ts";

const spec = {
  lab: "shop",
  machine: "m1",
  root: "/h/labs/shop/machines/m1/root",
  console: "/h/labs/shop/machines/m1/console.log",
  shared: "/h/labs/shop/shared",
  memory: 1_073_741_824,
};

test("the container shares nothing with the host that it was not given", () => {
  const argv = nspawnArgv(spec);
  expect(argv).toContain("--network-namespace-path=/run/netns/hf-shop.m1");
  expect(argv).toContain("--bind=/h/labs/shop/shared:/mnt/holdfast-nas");
  for (const option of ["--resolv-conf=off", "--timezone=off", "--link-journal=no"])
    expect(argv).toContain(option);
});

test("under systemd it is a unit of its own, with its memory limit, and not tied to our session", () => {
  const argv = unitArgv(spec);
  expect(argv[0]).toBe("systemd-run");
  expect(argv).toContain("--unit=holdfast-shop.m1.service");
  expect(argv).toContain("--property=MemoryMax=1073741824");
  expect(argv).not.toContain("--scope");
  expect(argv.slice(-nspawnArgv(spec).length)).toEqual(nspawnArgv(spec));
});
