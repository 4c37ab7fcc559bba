import { runEc2 } from "../hosts/lab/ec2/server.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";

const usage = "holdfast lab-ec2 --config FILE";

/** `holdfast lab-ec2` (hidden): the lab's EC2 endpoint, started in the router's network by the lab. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { values } = parseCommand(args, usage, { config: { type: "string" } }, 0);
  if (values.config === undefined) {
    throw new HoldfastError("the endpoint needs its configuration", {
      fix: `usage: ${usage}`,
      exitStatus: ExitStatus.usage,
    });
  }
  await runEc2(values.config, io);
  return ExitStatus.ok;
}
