import { readFile } from "node:fs/promises";
import { checkAddress } from "../agent/address-check.ts";
import { installAddress } from "../agent/install-address.ts";
import { runAddress } from "../agent/run-address.ts";
import { policyFor } from "../core/aws/policy.ts";
import { agentConfigSchema, type AddressConfig } from "../core/engines/agent/config.ts";
import { guideConfig } from "../core/engines/keepalived/guide-config.ts";
import { readGuideSettings } from "../core/engines/keepalived/guide-settings.ts";
import { readIfExists } from "../lib/atomic.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";

export const usage =
  "holdfast address status | check | run | install | policy [--settings FILE] [--config FILE] [--dry-run]";

/** A controller that nginx-ha-notify started looks on for a minute: a flap's second half comes within seconds. */
const SETTLED_MS = 60_000;
/** Longer than a controller that ends takes for it. */
const LOCK_MS = 5000;
const statusFile = "/run/holdfast/address.json";

const options = {
  settings: { type: "string" },
  config: { type: "string" },
  directory: { type: "string" },
  "dry-run": { type: "boolean" },
  "until-settled": { type: "boolean" },
} as const;

/** Keeps an Elastic IP on the VRRP master, and helps to find out why it is not there. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { values, positionals } = parseCommand(args, usage, options, 1);
  const { settings, config, directory } = values;
  const [verb = ""] = positionals;
  switch (verb) {
    case "status":
      return showStatus(io);
    case "policy":
      io.stdout(policyFor());
      return ExitStatus.ok;
    case "install":
      await installAddress({
        ...(directory === undefined ? {} : { directory }),
        ...(settings === undefined ? {} : { settings }),
        dryRun: values["dry-run"] === true,
        reporter: io.reporter,
      });
      return ExitStatus.ok;
    case "check":
      return check(await load(settings, config), io);
    case "run": {
      const { address, environment } = await load(settings, config);
      const once = values["until-settled"] === true ? { settledMs: SETTLED_MS, lockMs: LOCK_MS } : {};
      await runAddress(address, { signal: io.signal, reporter: io.reporter, environment, ...once });
      return ExitStatus.ok;
    }
    default:
      throw usageError("say what to do with the address");
  }
}

const usageError = (found: string): HoldfastError =>
  new HoldfastError(found, { fix: `usage: ${usage}`, exitStatus: ExitStatus.usage });

interface Loaded {
  readonly address: AddressConfig;
  /** This process's, and the guide's keys over it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** From the guide's variables or from the agent's configuration, whichever is named. */
async function load(settings: string | undefined, config: string | undefined): Promise<Loaded> {
  if ((settings === undefined) === (config === undefined)) {
    throw usageError(
      "name the file with the settings: --settings /usr/lib/keepalived/nginx-ha-notify, or --config",
    );
  }
  const path = settings ?? config ?? "";
  try {
    const text = await readFile(path, "utf8");
    if (settings !== undefined) {
      const found = readGuideSettings(text);
      return { address: guideConfig(found), environment: { ...process.env, ...found } };
    }
    const { address } = agentConfigSchema.parse(JSON.parse(text));
    if (address === undefined) throw new Error("it has no section `address`");
    return { address, environment: process.env };
  } catch (error) {
    throw new HoldfastError(`${path}: ${(error as Error).message}`, {
      fix: "docs/elastic-ip.md says what belongs there",
      cause: error,
    });
  }
}

async function check({ address, environment }: Loaded, io: CommandIo): Promise<ExitStatus> {
  const ok = await checkAddress(address, environment, io.reporter, (step) => {
    if (io.json) io.stdout(JSON.stringify({ type: "step", ...step }));
    else
      io.stdout(
        `${step.ok ? "ok    " : "FAILED"}  ${step.step}: ${step.found}${step.fix === undefined ? "" : `\n        ${step.fix}`}`,
      );
  });
  return ok ? ExitStatus.ok : ExitStatus.error;
}

async function showStatus(io: CommandIo): Promise<ExitStatus> {
  const text = await readIfExists(statusFile);
  if (text === null) {
    throw new HoldfastError(`there is no ${statusFile}: no agent has run here since the host started`, {
      fix: "`systemctl status holdfast-address` (or holdfast-agent) says why",
    });
  }
  io.stdout(text.trim());
  return ExitStatus.ok;
}
