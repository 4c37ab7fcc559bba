import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { readFile, writeFile } from "../../src/hosts/files.ts";
import { journal } from "../../src/hosts/journal.ts";
import { Phase } from "../../src/core/plan/desired.ts";
import type { Host } from "../../src/ports.ts";
import { changeUnit, removeUnit } from "../../src/run/units.ts";
import { must, withLab } from "../support/lab.ts";

describe("files on a machine", () => {
  test("are replaced as a whole, with owner and mode, and only when the checker agrees", async () => {
    await withLab({ machines: ["m1"] }, async (lab) => {
      const m1 = lab.machine("m1");
      const file = { path: "/etc/haproxy/haproxy.cfg", mode: 0o640, owner: "root:haproxy" };
      const check = ["haproxy", "-c", "-f", "{file}"];
      const timeouts = "  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n";
      const good = `defaults\n  mode http\n${timeouts}frontend f\n  bind 127.0.0.1:8080\n`;
      await writeFile(m1, { ...file, content: good, check });
      expect(await readFile(m1, file.path)).toBe(good);
      expect(await must(m1, "stat", "-c", "%a %U:%G", file.path)).toBe("640 root:haproxy\n");
      const refused = writeFile(m1, { ...file, content: "nonsense here\n", check });
      await expect(refused).rejects.toThrow(
        /m1: cannot write \/etc\/haproxy\/haproxy.cfg: haproxy refuses.*nonsense/s,
      );
      expect(await readFile(m1, file.path)).toBe(good);
      await expect(writeFile(m1, { ...file, content: good, owner: "nosuch:user" })).rejects.toThrow(
        /owner nosuch:user/,
      );
      await expect(writeFile(m1, { ...file, path: "/no/such/x", content: "" })).rejects.toThrow(
        /cannot write \/no\/such\/x/,
      );
      expect(await must(m1, "ls", "-A", "/etc/haproxy")).toBe("errors\nhaproxy.cfg\n");
      expect(await readFile(m1, "/no/such/file")).toBeUndefined();
    });
  });

  test("on a full disk: a clear error, the old file, no leftovers", async () => {
    await withLab({ machines: ["m1"] }, async (lab) => {
      const m1 = lab.machine("m1");
      await must(m1, "sh", "-c", "mkdir /small && mount -t tmpfs -o size=64k none /small");
      const file = { path: "/small/file", mode: 0o600, owner: "root:root" };
      await writeFile(m1, { ...file, content: "old" });
      const full = writeFile(m1, { ...file, content: "x".repeat(1_000_000) });
      await expect(full).rejects.toThrow("m1: cannot write /small/file: the disk is full");
      await expect(full).rejects.toMatchObject({ fix: expect.stringContaining("free some space on m1") });
      expect(await readFile(m1, "/small/file")).toBe("old");
      expect(await must(m1, "ls", "-A", "/small")).toBe("file\n");
    });
  });

  test("bytes arrive as they are, and never show in a process list", async () => {
    await withLab({ machines: ["m1"] }, async (lab) => {
      const m1 = lab.machine("m1");
      const content = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 7 + (index >> 8)) % 256);
      const check = ["sh", "-c", 'ps -ww -eo args > /root/ps; test $(stat -c %a "$0") = 600', "{file}"];
      await writeFile(m1, { path: "/root/bytes", content, mode: 0o600, owner: "root:root", check });
      expect(await must(m1, "sha256sum", "/root/bytes")).toContain(
        createHash("sha256").update(content).digest("hex"),
      );
      await writeFile(m1, {
        path: "/root/secret",
        content: "hunter2",
        mode: 0o600,
        owner: "root:root",
        check,
      });
      expect(await readFile(m1, "/root/ps")).not.toContain("hunter2");
    });
  });
});

describe("units on a machine", () => {
  test("a start waits until the unit serves; a failing one says the unit's own last words", async () => {
    await withLab({ machines: ["m1"] }, async (lab) => {
      const m1 = lab.machine("m1");
      const unit = { phase: Phase.base, state: "running", files: [], onChange: "restart" } as const;
      await writeUnit(
        m1,
        "broken.service",
        "Type=oneshot\nExecStart=/bin/sh -c 'echo the reason is here; exit 3'",
      );
      await writeUnit(m1, "slow.service", "ExecStart=/bin/sh -c 'sleep 1; touch /run/serves; sleep 600'");
      await must(m1, "systemctl", "daemon-reload");
      await expect(changeUnit(m1, { ...unit, name: "broken.service" }, "start")).rejects.toThrow(
        /broken\.service systemctl start failed.*the reason is here/s,
      );
      const ready = ["test", "-f", "/run/serves"];
      await changeUnit(m1, { ...unit, name: "slow.service", ready }, "start");
      await must(m1, ...ready);
      await expect(
        changeUnit(m1, { ...unit, name: "slow.service", ready: ["false"], readyTimeoutMs: 500 }, "restart"),
      ).rejects.toThrow(/slow\.service is not ready after 0\.5 s/);
      await removeUnit(m1, "absent.service");
      expect(await journal(m1, { unit: "broken.service", lines: 5, since: "-1h" })).toContain(
        "the reason is here",
      );
    });
  });
});

const writeUnit = (host: Host, name: string, service: string): Promise<void> =>
  writeFile(host, {
    path: `/etc/systemd/system/${name}`,
    content: `[Service]\n${service}\n`,
    mode: 0o644,
    owner: "root:root",
  });
