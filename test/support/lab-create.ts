/** Creates the lab whose specification is on standard input: a process of its own, for tests that kill it. */
import { text } from "node:stream/consumers";
import { createLab, type LabSpec } from "../../src/hosts/lab/lab.ts";
import { home, testReporter } from "./lab.ts";

const spec = JSON.parse(await text(process.stdin)) as LabSpec;
console.log("started");
await createLab(spec, { home, reporter: testReporter() });
console.log("created");
