import { expect, test } from "vitest";
import { isMounted, isMountPoint } from "./mount.ts";

const mountinfo = `22 1 0:20 / / rw,relatime shared:1 - overlay overlay rw
40 22 8:1 /srv/nas/audit /var/privx/audit rw,noatime shared:7 - ext4 /dev/sda1 rw
41 22 0:44 / /mnt/with\\040space rw - nfs4 nas:/x rw
`;

test("the mount point itself, not its parent, its child, or a source of that name", () => {
  expect(isMounted(mountinfo, "/var/privx/audit")).toBe(true);
  for (const path of ["/var/privx", "/var/privx/audit/app1", "/srv/nas/audit", "/var/privx/audi"]) {
    expect(isMounted(mountinfo, path)).toBe(false);
  }
});

test("names with spaces", () => {
  expect(isMounted(mountinfo, "/mnt/with space")).toBe(true);
});

test("the real table", async () => {
  expect(await isMountPoint("/proc")).toBe(true);
  expect(await isMountPoint("/proc/self")).toBe(false);
  await expect(isMountPoint("/does/not/exist")).rejects.toThrow("ENOENT");
});
