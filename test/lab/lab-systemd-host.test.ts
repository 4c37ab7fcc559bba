import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { execOk } from "../../src/lib/exec.ts";
import { must, withLab } from "../support/lab.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
// The test lends the host's systemd-nspawn to a machine: it runs there only with the same libraries.
const debian12 = readFileSync("/etc/os-release", "utf8").includes("VERSION_CODENAME=bookworm");

test.skipIf(!debian12)(
  "on a host that systemd runs, machines are units with a memory limit, and nothing of them is left",
  async () => {
    await withLab({ machines: ["m1"] }, async (lab) => {
      const m1 = lab.machine("m1");
      const lent = { source: root, image: m1.image };
      await m1.powerOff(); // what is mounted in the shared directory is bound in at boot
      try {
        for (const [name, path] of Object.entries(lent)) {
          await execOk(["mkdir", join(lab.sharedDirectory, name)], "mkdir");
          await execOk(["mount", "--bind", "-o", "ro", path, join(lab.sharedDirectory, name)], "mount");
        }
        await execOk(["cp", "/usr/bin/systemd-nspawn", lab.sharedDirectory], "cp");
        await m1.powerOn();
        // An overlay cannot lie on an overlay, so the inner lab's disks are in memory.
        await must(
          m1,
          "sh",
          "-c",
          "cp /mnt/holdfast-nas/systemd-nspawn /usr/bin/ && mkdir /run/home && mount -t tmpfs none /run/home",
        );
        const script = "/mnt/holdfast-nas/source/test/support/lab-inner.ts";
        const inner = await m1.run(["/opt/holdfast/node", script, "/run/home", "/mnt/holdfast-nas/image"], {
          timeoutMs: 200_000,
        });
        expect(inner).toMatchObject({ code: 0 });
        expect(JSON.parse(inner.stdout)).toEqual({
          received: true,
          unit: ["ActiveState=active", `MemoryMax=${2 ** 29}`],
          states: ["paused", "running", "off", "running"],
        });
        expect(
          await must(m1, "systemctl", "list-units", "--all", "--plain", "--no-legend", "holdfast*"),
        ).toBe("");
        expect(await must(m1, "ls", "/run/netns", "/run/home/labs")).not.toMatch(/inner/);
      } finally {
        await m1.powerOff();
        for (const name of Object.keys(lent))
          await execOk(["umount", join(lab.sharedDirectory, basename(name))], "umount");
      }
    });
  },
);
