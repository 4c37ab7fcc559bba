/** Single machines of a lab that exists: the others are left alone, whatever state they are in. */
import { HoldfastError } from "../../lib/errors.ts";
import { LabMachine } from "./machine.ts";
import { restore } from "./snapshot.ts";
import { type LabRecord, type MachineRecord, readLab, writeLab } from "./state.ts";

interface Place {
  readonly home: string;
  readonly lab: string;
}

/**
 * Makes a machine, where it is missing, and boots it. May be cut anywhere and run again.
 * @param disk directory of the snapshot that a new machine's disk is made from; null: the base image
 */
export async function addMachine(place: Place, machine: MachineRecord, disk: string | null): Promise<void> {
  // Recorded before anything is made: what exists is always in the record.
  const record = await edit(place, (machines) =>
    machines.some(({ name }) => name === machine.name) ? machines : [...machines, machine],
  );
  const known = record.machines.find(({ name }) => name === machine.name) ?? machine;
  const added = new LabMachine(place.home, record, known);
  if (disk !== null && (await added.state()) === "absent") await restore(added, disk);
  await added.powerOn();
}

/** Powers a machine off and deletes it. One that is not there is a success. */
export async function removeMachine(place: Place, name: string): Promise<void> {
  const record = await readLab(place.home, place.lab);
  const known = record?.machines.find((machine) => machine.name === name);
  if (record === undefined || known === undefined) return;
  await new LabMachine(place.home, record, known).remove();
  await edit(place, (machines) => machines.filter((machine) => machine.name !== name));
}

type Machines = readonly MachineRecord[];
/** One change of the record after the other: several machines may be made at once. */
let last: Promise<unknown> = Promise.resolve();

function edit({ home, lab }: Place, change: (machines: Machines) => Machines): Promise<LabRecord> {
  const next = last.then(async () => {
    const record = await readLab(home, lab);
    if (record === undefined) {
      throw new HoldfastError(`there is no lab ${lab}`, { fix: "make it: holdfast up" });
    }
    const changed = { ...record, machines: change(record.machines) };
    await writeLab(home, changed);
    return changed;
  });
  last = next.catch(() => undefined);
  return next;
}
