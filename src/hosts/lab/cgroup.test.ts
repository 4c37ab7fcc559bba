import { expect, test } from "vitest";
import { commandCgroups, parseHierarchies } from "./cgroup.ts";

const line = (mount: string, type: string, options: string) =>
  `38 31 0:35 / ${mount} rw,relatime shared:9 - ${type} ${type} rw,${options}`;

test("pure cgroup v2", () => {
  expect(parseHierarchies(line("/sys/fs/cgroup", "cgroup2", "nsdelegate"))).toEqual([
    { mount: "/sys/fs/cgroup", kind: "unified" },
  ]);
});

test("hybrid: v2 first, systemd's own, the freezer and the CPU; other controllers are left alone", () => {
  const text = [
    line("/sys/fs/cgroup/memory", "cgroup", "memory"),
    line("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cpu,cpuacct"),
    line("/sys/fs/cgroup/freezer", "cgroup", "freezer"),
    line("/sys/fs/cgroup/systemd", "cgroup", "xattr,name=systemd"),
    line("/sys/fs/cgroup/unified", "cgroup2", "nsdelegate"),
    line("/", "ext4", "discard"),
  ].join("\n");
  expect(parseHierarchies(text).map(({ kind }) => kind)).toEqual(["unified", "systemd", "freezer", "cpu"]);
});

test("none", () => {
  expect(parseHierarchies(line("/", "ext4", "discard"))).toEqual([]);
});

test("commands join a leaf of the machine, and what only watches shares one slice of the CPU", () => {
  const own = ["/sys/fs/cgroup/unified/holdfast/lab/app1", "/sys/fs/cgroup/cpu/holdfast.lab.app1"];
  expect(commandCgroups(own)).toEqual([
    "/sys/fs/cgroup/unified/holdfast/lab/app1/run",
    "/sys/fs/cgroup/cpu/holdfast.lab.app1",
  ]);
  expect(commandCgroups(own, true)).toEqual([
    "/sys/fs/cgroup/unified/holdfast/lab/app1/run",
    "/sys/fs/cgroup/cpu/holdfast.lab.+background",
  ]);
});
