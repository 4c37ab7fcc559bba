/** Builds the base image in the home given as argument: a process of its own, for tests that make it fail or kill it. */
import { HoldfastError } from "../../src/lib/errors.ts";
import { ensureImage } from "../../src/hosts/lab/image.ts";
import { node, testReporter } from "./lab.ts";

const home = process.argv[2] ?? "";
try {
  console.log(await ensureImage({ home, node, reporter: testReporter() }));
} catch (error) {
  if (!(error instanceof HoldfastError)) throw error;
  console.log(`${error.message}\n${error.fix}`);
  process.exitCode = 1;
}
