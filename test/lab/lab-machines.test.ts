import { readFile, rm } from "node:fs/promises";
import { mkdtempSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { HostUnreachable } from "../../src/lib/errors.ts";
import { exec } from "../../src/lib/exec.ts";
import { poll } from "../../src/lib/retry.ts";
import { createLab } from "../../src/hosts/lab/lab.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { restore, snapshot } from "../../src/hosts/lab/snapshot.ts";
import { home, must, testReporter, withLab } from "../support/lab.ts";

const pings = async (from: LabMachine, to: LabMachine): Promise<boolean> =>
  (await from.run(["ping", "-c1", "-W1", to.address])).code === 0;

/** When the process started, from /proc/<pid>/stat. */
const startTime = (stat: string): string | undefined => stat.slice(stat.lastIndexOf(")")).split(" ")[20];

const waitUntil = async (what: string, probe: () => Promise<boolean>): Promise<void> => {
  await poll(probe, { deadlineMs: 30_000, what });
};

/** A TCP connection from `client` to `server` on port 7000 that carries nothing. */
async function connect(server: LabMachine, client: LabMachine): Promise<void> {
  await must(
    server,
    "systemd-run",
    "--quiet",
    "--unit=listener",
    "socat",
    "TCP-LISTEN:7000",
    "EXEC:sleep infinity",
  );
  await waitUntil("the listener", async () => (await must(server, "ss", "-Hltn", "sport = :7000")) !== "");
  await must(
    client,
    "systemd-run",
    "--quiet",
    "--unit=caller",
    "socat",
    `TCP:${server.address}:7000`,
    "EXEC:sleep infinity",
  );
  await waitUntil("the connection", async () => (await connectionState(client)) === "ESTAB");
}

async function connectionState(client: LabMachine): Promise<string> {
  const line = await must(client, "ss", "-Hatn", "dport = :7000");
  return line.split(/\s+/)[0] ?? "";
}

describe("machines", () => {
  test("boot, are isolated systems of their own, and reach each other", async () => {
    await withLab({}, async (lab) => {
      const [m1, m2] = [lab.machine("m1"), lab.machine("m2")];
      expect(await m1.state()).toBe("running");
      expect(await pings(m1, m2)).toBe(true);
      expect(await must(m1, "ping", "-c1", "-W1", "m2")).toContain(m2.address);
      expect(await must(m1, "cat", "/etc/hostname")).toBe("m1\n");
      const ids = await Promise.all([must(m1, "cat", "/etc/machine-id"), must(m2, "cat", "/etc/machine-id")]);
      expect(ids[0]).toMatch(/^[0-9a-f]{32}\n$/);
      expect(ids[0]).not.toBe(ids[1]);
      expect((await must(m1, "systemctl", "list-units", "--failed", "--plain", "--no-legend")).trim()).toBe(
        "",
      );
      expect(await must(m1, "ip", "route")).not.toContain("default");
      // No engine runs by itself: Holdfast decides what runs where.
      const units = await must(
        m1,
        "systemctl",
        "list-units",
        "--type=service",
        "--state=running",
        "--plain",
        "--no-legend",
      );
      expect(units).not.toMatch(/haproxy|nginx|keepalived|etcd|redis|postgres/);
      expect(await must(m1, "/opt/patroni/bin/patroni", "--version")).toContain("4.1.5");
      expect(await must(m1, "/opt/holdfast/node", "--version")).toMatch(/^v24\./);
      // An operator's secrets in the environment do not leak into machines.
      process.env["HOLDFAST_TEST_LEAK"] = "leak";
      expect(await must(m1, "env")).not.toContain("leak");
      delete process.env["HOLDFAST_TEST_LEAK"];
    });
  });

  test("the host and the clients' namespace reach them; the shared directory is on all", async () => {
    await withLab({}, async (lab) => {
      const [m1, m2] = [lab.machine("m1"), lab.machine("m2")];
      await must(m1, "systemd-run", "--quiet", "socat", "TCP-LISTEN:7000,fork", "EXEC:hostname");
      await waitUntil("the listener", async () => (await must(m1, "ss", "-Hltn", "sport = :7000")) !== "");
      const socket = createConnection(7000, m1.address);
      expect(await text(socket)).toBe("m1\n");
      const ask = `require("net").connect(7000, "${m1.address}").pipe(process.stdout)`;
      const answer = await exec(["ip", "netns", "exec", lab.clientNamespace, process.execPath, "-e", ask]);
      expect(answer.stdout).toBe("m1\n");
      await must(m1, "sh", "-c", "echo trail > /mnt/holdfast-nas/file");
      expect(await must(m2, "cat", "/mnt/holdfast-nas/file")).toBe("trail\n");
      expect(await readFile(join(lab.sharedDirectory, "file"), "utf8")).toBe("trail\n");
    });
  });

  test("any name of a topology will do, also those that mean something to Linux or to ip", async () => {
    const machines = ["a", "lo", "dev", "up", "client", "a-name-of-thirty-one-characters"];
    await withLab({ machines }, async (lab) => {
      const first = lab.machine("a");
      for (const machine of lab.machines) expect(await pings(first, machine)).toBe(true);
    });
  });

  test("run: exit codes, stdin, a missing command, a timeout", async () => {
    await withLab({ machines: ["m1"] }, async (lab) => {
      const m1 = lab.machine("m1");
      expect(await m1.run(["sh", "-c", "cat; echo no >&2; exit 7"], { stdin: "secret" })).toEqual({
        code: 7,
        stdout: "secret",
        stderr: "no\n",
      });
      expect((await m1.run(["no-such-command"])).code).toBe(127);
      const slow = m1.run(["sleep", "1000"], { timeoutMs: 500 });
      await expect(slow).rejects.toThrow(HostUnreachable);
      await expect(slow).rejects.toThrow("host m1 cannot be reached: sleep gave no answer within 0.5 s");
      await waitUntil("sleep to be gone", async () => (await m1.run(["pgrep", "-x", "sleep"])).code === 1);
    });
  });
});

describe("power and cables", () => {
  test("a graceful end is heard by the peer (what the next test must not see)", async () => {
    await withLab({}, async (lab) => {
      await connect(lab.machine("m1"), lab.machine("m2"));
      await must(lab.machine("m1"), "systemctl", "stop", "listener");
      await expect
        .poll(async () => connectionState(lab.machine("m2")), { timeout: 30_000 })
        .not.toBe("ESTAB");
    });
  });

  test("power-off is silent: the peer's connection stays; power-on boots again with its files", async () => {
    await withLab({}, async (lab) => {
      const [m1, m2] = [lab.machine("m1"), lab.machine("m2")];
      await connect(m1, m2);
      await must(
        m1,
        "sh",
        "-c",
        "echo kept > /root/file; rm /etc/nginx/nginx.conf; logger before-power-off; journalctl --sync",
      );
      await m1.powerOff();
      expect(await m1.state()).toBe("off");
      expect(await pings(m2, m1)).toBe(false);
      expect(await connectionState(m2)).toBe("ESTAB");
      await expect(m1.run(["true"])).rejects.toThrow("host m1 cannot be reached: it is off");
      await m1.powerOff(); // pulling the plug twice changes nothing
      await m1.powerOn();
      expect(await must(m1, "cat", "/root/file")).toBe("kept\n");
      expect((await m1.run(["test", "-e", "/etc/nginx/nginx.conf"])).code).toBe(1);
      expect(await must(m1, "journalctl", "--no-pager")).toContain("before-power-off");
      expect(await pings(m2, m1)).toBe(true);
    });
  });

  test("a command that is running when the power goes is an unreachable host, not a result", async () => {
    await withLab({ machines: ["m1"] }, async (lab) => {
      const m1 = lab.machine("m1");
      const running = m1.run(["sh", "-c", "touch /root/begun; sleep 1000"], { timeoutMs: 60_000 });
      running.catch(() => undefined); // awaited below
      await waitUntil("the command", async () => (await m1.run(["test", "-e", "/root/begun"])).code === 0);
      await m1.powerOff();
      await expect(running).rejects.toThrow(HostUnreachable);
    });
  });

  test("pause stops everything, resume goes on where it stood", async () => {
    await withLab({}, async (lab) => {
      const [m1, m2] = [lab.machine("m1"), lab.machine("m2")];
      await must(
        m1,
        "systemd-run",
        "--quiet",
        "--unit=counter",
        "sh",
        "-c",
        "while :; do date +%s%N > /root/now; sleep 0.05; done",
      );
      const now = () => readFile(join(m1.paths.root, "root/now"), "utf8");
      await waitUntil("the counter", async () => (await m1.run(["test", "-s", "/root/now"])).code === 0);
      await m1.pause();
      expect(await m1.state()).toBe("paused");
      await expect(m1.run(["true"])).rejects.toThrow("it is paused");
      const stopped = await now();
      // The network stack of a paused machine is the kernel's: it answers pings, as no dead machine does.
      for (let count = 0; count < 5; count += 1) await pings(m2, m1);
      await must(m2, "sleep", "0.3");
      expect(await now()).toBe(stopped);
      await m1.resume();
      expect(await m1.state()).toBe("running");
      await waitUntil("the counter to go on", async () => (await now()) !== stopped);
    });
  });

  test("a paused machine can be powered off", async () => {
    await withLab({ machines: ["m1"] }, async (lab) => {
      const m1 = lab.machine("m1");
      await m1.pause();
      await m1.powerOff();
      expect(await m1.state()).toBe("off");
      await m1.powerOn();
      expect(await m1.state()).toBe("running");
    });
  });

  test("a cut link cuts one machine off, but it runs on; restored, it is back", async () => {
    await withLab({ machines: ["m1", "m2", "m3"] }, async (lab) => {
      const [m1, m2, m3] = [lab.machine("m1"), lab.machine("m2"), lab.machine("m3")];
      await m1.cutLink();
      expect(await pings(m2, m1)).toBe(false);
      expect(await pings(m2, m3)).toBe(true);
      expect(await m1.state()).toBe("running");
      expect(await must(m1, "ip", "-br", "link", "show", "host0")).toMatch(/NO-CARRIER|DOWN|LOWERLAYERDOWN/);
      await m1.restoreLink();
      await waitUntil("the link", async () => pings(m2, m1));
    });
  });
});

describe("snapshots", () => {
  test("a snapshot brings files, deletions and owners back, also to another machine", async () => {
    const directory = join(mkdtempSync(join(tmpdir(), "hft-snapshot-")), "s");
    try {
      await withLab({}, async (lab) => {
        const [m1, m2] = [lab.machine("m1"), lab.machine("m2")];
        await must(
          m1,
          "sh",
          "-c",
          "echo one > /root/file; chown nobody /root/file; rm /etc/nginx/nginx.conf; rm -r /etc/redis; mkdir /etc/redis",
        );
        await expect(snapshot(m1, directory)).rejects.toThrow("machine m1 is running");
        await m1.pause();
        await snapshot(m1, directory);
        await m1.resume();
        await must(m1, "sh", "-c", "echo two > /root/file; touch /root/later");
        for (const machine of [m1, m2]) {
          await machine.powerOff();
          await restore(machine, directory);
          await machine.powerOn();
          expect(await must(machine, "cat", "/root/file")).toBe("one\n");
          expect(await must(machine, "stat", "-c", "%U", "/root/file")).toBe("nobody\n");
          expect((await machine.run(["test", "-e", "/root/later"])).code).toBe(1);
          expect((await machine.run(["test", "-e", "/etc/nginx/nginx.conf"])).code).toBe(1);
          expect(await must(machine, "ls", "-A", "/etc/redis")).toBe("");
          expect(await must(machine, "cat", "/etc/hostname")).toBe(`${machine.name}\n`);
        }
        expect(await must(m1, "cat", "/etc/machine-id")).not.toBe(await must(m2, "cat", "/etc/machine-id"));
      });
    } finally {
      await rm(join(directory, ".."), { recursive: true, force: true });
    }
  });
});

describe("creating again", () => {
  test("leaves running machines alone, boots those that are off, adds and removes", async () => {
    await withLab({}, async (lab) => {
      const record = {
        name: lab.name,
        subnet: lab.machine("m1").address.replace(/\d+$/, "0/24"),
        interface: "host0",
        image: lab.machine("m1").image,
      };
      const of = (name: string, last: number) => ({
        name,
        address: lab.machine("m1").address.replace(/\d+$/, String(last)),
        memory: 2 ** 30,
      });
      const boot = await must(lab.machine("m1"), "cat", "/proc/1/stat");
      await lab.machine("m2").powerOff();
      const again = await createLab(
        { ...record, machines: [of("m1", 11), of("m2", 12)] },
        { home, reporter: testReporter() },
      );
      expect(await again.machine("m2").state()).toBe("running");
      expect(startTime(await must(again.machine("m1"), "cat", "/proc/1/stat"))).toBe(startTime(boot));
      const other = await createLab(
        { ...record, machines: [of("m1", 11), of("m3", 13)] },
        { home, reporter: testReporter() },
      );
      expect(other.machines.map(({ name }) => name)).toEqual(["m1", "m3"]);
      expect(await pings(other.machine("m1"), other.machine("m3"))).toBe(true);
      expect(await lab.machine("m2").state()).toBe("absent");
      await expect(
        createLab({ ...record, machines: [of("m1", 99)] }, { home, reporter: testReporter() }),
      ).rejects.toThrow(/exists with another network: address of m1/);
    });
  });
});
