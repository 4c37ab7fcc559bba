import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { createLab, type LabSpec, openLab } from "../../src/hosts/lab/lab.ts";
import { exec, execOk } from "../../src/lib/exec.ts";
import { poll } from "../../src/lib/retry.ts";
import {
  home,
  must,
  node,
  randomName,
  randomNetwork,
  testLabSpec,
  testReporter,
  withLab,
} from "../support/lab.ts";

const reporter = testReporter();
const createScript = fileURLToPath(new URL("../support/lab-create.ts", import.meta.url));

/** Looks for traces of a lab with other means than the product's own proof. */
async function traces(name: string): Promise<string[]> {
  const found = [
    ...readdirSync("/run/netns").filter((entry) => entry.includes(name)),
    ...readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .filter((line) => line.includes(`/${name}/`)),
    // Its exit status is not asked for: directories may vanish under it.
    ...(await exec(["find", "/sys/fs/cgroup", "-type", "d", "-path", `*${name}*`])).stdout.split("\n"),
    ...(await execOk(["ps", "-ww", "-eo", "pid,args"], "ps"))
      .split("\n")
      .filter((line) => line.includes(`/${name}/`)),
  ];
  if (existsSync(`${home}/labs/${name}`)) found.push("directory");
  return found.filter((line) => line !== "");
}

/** Starts to create a lab in a process of its own and kills that after so many milliseconds. */
async function killCreation(spec: LabSpec, after: number): Promise<number> {
  const child = spawn(node, [createScript], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  child.stdin.end(JSON.stringify(spec));
  await once(child.stdout, "data");
  await sleep(after);
  child.kill("SIGKILL");
  await ended;
  return after;
}

describe("destroy", () => {
  test("leaves nothing, and works twice and on what never existed", async () => {
    const spec = await testLabSpec();
    const lab = await createLab(spec, { home, reporter });
    expect(await traces(spec.name)).not.toEqual([]);
    // A process that no record knows, in the clients' namespace.
    const stray = spawn("ip", ["netns", "exec", lab.clientNamespace, "sleep", "1000"], { stdio: "ignore" });
    const ended = once(stray, "exit");
    await poll(async () => readFileSync(`/proc/${stray.pid}/cmdline`, "utf8").startsWith("sleep"), {
      deadlineMs: 10_000,
      what: "the stray process",
    });
    await lab.machine("m2").pause();
    await lab.destroy();
    expect((await ended)[1]).toBe("SIGKILL");
    expect(await traces(spec.name)).toEqual([]);
    await lab.destroy();
    await (await openLab({ home, name: randomName(), reporter })).destroy();
  });

  test("removes what a killed creation left, at whatever point it was killed", async () => {
    const rounds = 10;
    let inTheMiddle = 0;
    for (let round = 0; round < rounds; round += 1) {
      const spec = await testLabSpec({ machines: ["m1", "m2", "m3"] });
      // A creation takes 300 to 900 ms on an idle host: the points are spread over it and a little beyond.
      const after = await killCreation(spec, Math.round((round / rounds) * 900) + randomInt(0, 90));
      try {
        if ((await traces(spec.name)).length > 0) inTheMiddle += 1;
      } finally {
        await (await openLab({ home, name: spec.name, reporter })).destroy();
      }
      expect({ after, left: await traces(spec.name) }).toEqual({ after, left: [] });
    }
    // At least one of the points must have been in the middle, or this has tested nothing.
    expect(inTheMiddle).toBeGreaterThan(0);
  });

  test("a killed creation converges when it is run again", async () => {
    const spec = await testLabSpec();
    try {
      for (const after of [60, 200, 350]) await killCreation(spec, after);
      const lab = await createLab(spec, { home, reporter });
      expect(await must(lab.machine("m1"), "ping", "-c1", "-W1", "m2")).toContain("1 received");
    } finally {
      await (await openLab({ home, name: spec.name, reporter })).destroy();
    }
  });

  test("a boot that was recorded only in part, or not at all, is finished or made again", async () => {
    const spec = await testLabSpec();
    try {
      const lab = await createLab(spec, { home, reporter });
      const [m1, m2] = [lab.machine("m1"), lab.machine("m2")];
      const { leader, ...unfinished } = JSON.parse(readFileSync(m1.paths.boot, "utf8")) as Record<
        string,
        unknown
      >;
      writeFileSync(m1.paths.boot, JSON.stringify(unfinished));
      rmSync(m2.paths.boot);
      expect([await m1.state(), await m2.state()]).toEqual(["running", "off"]);
      await createLab(spec, { home, reporter });
      // The first goes on in the same boot; of the second nobody knew, so it was ended and booted again.
      expect(JSON.parse(readFileSync(m1.paths.boot, "utf8"))).toMatchObject({ leader });
      expect(await must(m1, "ping", "-c1", "-W1", "m2")).toContain("1 received");
      await lab.destroy();
      expect(await traces(spec.name)).toEqual([]);
    } finally {
      await (await openLab({ home, name: spec.name, reporter })).destroy();
    }
  });

  test("machines outlive the process that made them", async () => {
    const spec = await testLabSpec();
    try {
      const child = spawn(node, [createScript], { stdio: ["pipe", "ignore", "inherit"] });
      child.stdin.end(JSON.stringify(spec));
      expect(await once(child, "exit")).toEqual([0, null]);
      const lab = await openLab({ home, name: spec.name, reporter });
      expect(await must(lab.machine("m1"), "cat", "/etc/hostname")).toBe("m1\n");
    } finally {
      await (await openLab({ home, name: spec.name, reporter })).destroy();
    }
  });
});

describe("several labs", () => {
  test("run side by side, and end without each other", async () => {
    const names = ["shop", "shop-m1"].map((end) => `${randomName()}-${end}`);
    // Names one of which begins the other: their namespaces and cgroups must not be mistaken.
    const [first, second] = [names[0] ?? "", `${names[0]}-m1`];
    await withLab({ name: first, machines: ["m1", "m2"] }, async (one) => {
      await withLab({ name: second, machines: ["m1"] }, async (two) => {
        const address = two.machine("m1").address;
        expect((await one.machine("m1").run(["ping", "-c1", "-W1", address])).code).not.toBe(0);
      });
      expect(await must(one.machine("m1"), "ping", "-c1", "-W1", "m2")).toContain("1 received");
    });
  });

  test("a subnet that the host or another lab uses is refused before anything is made", async () => {
    const network = randomNetwork();
    await withLab({ network, machines: ["m1"] }, async () => {
      const spec = await testLabSpec({ network, machines: ["m1"] });
      await expect(createLab(spec, { home, reporter })).rejects.toThrow(
        new RegExp(
          `subnet ${network}.0/24 overlaps ${network}\\.\\d+/\\d+, which this host uses on hf-[0-9a-f]+ \\(another Holdfast lab\\)`,
        ),
      );
      expect(await traces(spec.name)).toEqual([]);
    });
  });
});
