import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { exec } from "../../lib/exec.ts";
import { existingCgroups, killAll, members, removeLabCgroups } from "./cgroup.ts";
import { endUnits, machineUnits } from "./launch.ts";
import { mountsUnder, unmountUnder } from "./mounts.ts";
import * as names from "./names.ts";
import { hostLinks, namespaceInodes, namespacesOf, removeNetwork } from "./network.ts";
import { commandLine, type ProcessId, processesIn, signal } from "./processes.ts";

const propagateDirectory = "/run/systemd/nspawn/propagate";

/**
 * Removes everything that belongs to a lab by name, whatever state it is in and whatever its
 * records say. Order matters: processes hold mounts, namespaces and cgroups open.
 */
export async function removeByName(home: string, lab: string): Promise<void> {
  const directory = names.labDirectory(home, lab);
  await endUnits(lab);
  await killAll(await existingCgroups(lab));
  for (const process of await strayProcesses(directory, lab)) signal(process, "SIGKILL");
  await unmountUnder(directory);
  await removeNetwork(lab);
  await removeLabCgroups(lab);
  const left = await propagateLeft(lab);
  const result = await exec(["rm", "-rf", "--one-file-system", "--", directory, ...left], {
    timeoutMs: 300_000,
  });
  if (result.code !== 0) throw new Error(result.stderr.trim());
}

/** Everything of a lab that still exists, one line each, for people to read; empty after a clean removal. */
export async function findLeftovers(home: string, lab: string): Promise<string[]> {
  const directory = names.labDirectory(home, lab);
  const cgroups = await existingCgroups(lab);
  const processes = [...(await members(cgroups)), ...(await strayProcesses(directory, lab))];
  const described = processes.map(async ({ pid }) => `process ${pid} (${await commandLine(pid)})`);
  const present = await access(directory).then(
    () => [directory],
    () => [],
  );
  return [
    ...new Set(await Promise.all(described)),
    ...(await machineUnits(lab)).map((unit) => `unit ${unit}`),
    ...(await mountsUnder(directory)).map((path) => `mount ${path}`),
    ...(await namespacesOf(lab)).map((name) => `network namespace ${name}`),
    ...(await hostLinks())
      .filter((link) => link === names.hostLink(lab))
      .map((link) => `network link ${link}`),
    ...cgroups.map((path) => `cgroup ${path}`),
    ...[...present, ...(await propagateLeft(lab))].map((path) => `directory ${path}`),
  ];
}

/** Processes in the lab's file systems or namespaces that its cgroups do not know: commands, load generators. */
async function strayProcesses(directory: string, lab: string): Promise<ProcessId[]> {
  return processesIn(directory, await namespaceInodes(await namespacesOf(lab)));
}

async function propagateLeft(lab: string): Promise<string[]> {
  const prefix = names.nspawnName(lab, "");
  const entries = await readdir(propagateDirectory).catch(() => []);
  return entries.filter((name) => name.startsWith(prefix)).map((name) => join(propagateDirectory, name));
}
