/**
 * Runs inside a lab machine, whose systemd makes it a host of its own: brings a lab of two machines
 * up there, uses every kind of power and cable once, and prints what it saw as JSON.
 */
import { createLab, openLab } from "../../src/hosts/lab/lab.ts";
import { execOk } from "../../src/lib/exec.ts";
import { must, testReporter } from "./lab.ts";

const home = process.argv[2] ?? "";
const image = process.argv[3] ?? "";
const reporter = testReporter();
const machine = (name: string, last: number) => ({ name, address: `10.99.9.${last}`, memory: 2 ** 29 });
const spec = { name: "inner", subnet: "10.99.9.0/24", interface: "host0", image };
try {
  const lab = await createLab(
    { ...spec, machines: [machine("a", 11), machine("b", 12)] },
    { home, reporter },
  );
  const a = lab.machine("a");
  const ping = await must(a, "ping", "-c1", "-W1", "b");
  const unit = await execOk(
    ["systemctl", "show", "--property=MemoryMax,ActiveState", "holdfast-inner.a"],
    "show",
  );
  const states: string[] = [];
  await a.pause();
  states.push(await a.state());
  await a.resume();
  states.push(await a.state());
  await a.powerOff();
  states.push(await a.state());
  await a.powerOn();
  states.push(await a.state());
  console.log(
    JSON.stringify({ received: /1 received/.test(ping), unit: unit.trim().split("\n").toSorted(), states }),
  );
} finally {
  await (await openLab({ home, name: spec.name, reporter })).destroy();
}
