/** The load generator as a process of its own, without the rest of the CLI. */
import { runLoadGenerator } from "../../src/drill/loadgen/main.ts";

const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
await runLoadGenerator(process.stdin, (message) => console.log(JSON.stringify(message)), stop.signal);
