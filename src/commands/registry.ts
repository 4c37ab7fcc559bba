import { run as address, usage as addressUsage } from "./address.ts";
import { run as agent } from "./agent.ts";
import { run as backup, usage as backupUsage } from "./backup.ts";
import { run as check, usage as checkUsage } from "./check.ts";
import { run as controller, usage as controllerUsage } from "./controller.ts";
import { run as demo, usage as demoUsage } from "./demo.ts";
import { run as doctor, usage as doctorUsage } from "./doctor.ts";
import { run as down, usage as downUsage } from "./down.ts";
import { run as drain, usage as drainUsage } from "./drain.ts";
import { run as drill, usage as drillUsage } from "./drill.ts";
import { run as init, usage as initUsage } from "./init.ts";
import type { Command } from "./io.ts";
import { run as labEc2 } from "./lab-ec2.ts";
import { run as loadgen } from "./loadgen.ts";
import { run as plan, usage as planUsage } from "./plan.ts";
import { run as render, usage as renderUsage } from "./render.ts";
import { run as restore, usage as restoreUsage } from "./restore.ts";
import { run as scale, usage as scaleUsage } from "./scale.ts";
import { run as snapshot, usage as snapshotUsage } from "./snapshot.ts";
import { run as status, usage as statusUsage } from "./status.ts";
import { run as switchover, usage as switchoverUsage } from "./switchover.ts";
import { run as up, usage as upUsage } from "./up.ts";
import { run as upgrade, usage as upgradeUsage } from "./upgrade.ts";

interface Entry {
  readonly run: Command;
  /** Absent: not for people (run by Holdfast itself on hosts and in drills). */
  readonly help?: { readonly usage: string; readonly summary: string };
}

export const commands: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  [
    "demo",
    {
      run: demo,
      help: { usage: demoUsage, summary: "bring a service up, break it three times, show what clients saw" },
    },
  ],
  [
    "init",
    { run: init, help: { usage: initUsage, summary: "write a commented topology file from a blueprint" } },
  ],
  [
    "check",
    { run: check, help: { usage: checkUsage, summary: "find what is wrong or risky in a topology" } },
  ],
  ["plan", { run: plan, help: { usage: planUsage, summary: "show what `up` would do; exit 3 on drift" } }],
  ["up", { run: up, help: { usage: upUsage, summary: "make the topology real" } }],
  [
    "status",
    {
      run: status,
      help: { usage: statusUsage, summary: "is the service up, and what can it lose? exit 3 on drift" },
    },
  ],
  [
    "drill",
    {
      run: drill,
      help: { usage: drillUsage, summary: "break something under load and measure what clients see" },
    },
  ],
  [
    "switchover",
    {
      run: switchover,
      help: {
        usage: switchoverUsage,
        summary: "move the clients' address, or the database's primary, to a host that stands by, gracefully",
      },
    },
  ],
  [
    "drain",
    {
      run: drain,
      help: { usage: drainUsage, summary: "take an app host out of the pool for maintenance, and back" },
    },
  ],
  [
    "upgrade",
    {
      run: upgrade,
      help: { usage: upgradeUsage, summary: "take the app to another release; back by itself when it fails" },
    },
  ],
  [
    "scale",
    { run: scale, help: { usage: scaleUsage, summary: "make the pool of app hosts larger or smaller" } },
  ],
  [
    "snapshot",
    {
      run: snapshot,
      help: { usage: snapshotUsage, summary: "images of an app host, from which new ones are made" },
    },
  ],
  [
    "controller",
    {
      run: controller,
      help: { usage: controllerUsage, summary: "keep the pool at its size: replace app hosts that are lost" },
    },
  ],
  [
    "backup",
    {
      run: backup,
      help: { usage: backupUsage, summary: "back up the database or the app hosts; list, verify, prove" },
    },
  ],
  [
    "restore",
    {
      run: restore,
      help: { usage: restoreUsage, summary: "bring the database back, to any time, or an app host" },
    },
  ],
  [
    "down",
    { run: down, help: { usage: downUsage, summary: "destroy the lab and prove that nothing is left" } },
  ],
  [
    "render",
    {
      run: render,
      help: { usage: renderUsage, summary: "write the files of every host into a folder, for review" },
    },
  ],
  ["doctor", { run: doctor, help: { usage: doctorUsage, summary: "what this machine lacks for a lab" } }],
  [
    "address",
    {
      run: address,
      help: { usage: addressUsage, summary: "keep an Elastic IP on the VRRP master; find out why it is not" },
    },
  ],
  ["agent", { run: agent }],
  ["lab-ec2", { run: labEc2 }],
  ["loadgen", { run: loadgen }],
]);

export function usage(): string {
  const lines = [...commands.values()].flatMap(({ help }) =>
    help === undefined ? [] : [`  ${help.usage}\n      ${help.summary}`],
  );
  return `Holdfast keeps a service that you run yourself available, and proves it.

${lines.join("\n")}

FILE is a topology (default: holdfast.yaml in this folder), or the name of a blueprint.
Every command takes --json (NDJSON on stdout) and --no-input (never ask).
Exit: 0 ok, 1 error, 2 usage or invalid topology, 3 drift, 4 objective missed, 5 aborted, 6 inconclusive.
`;
}
