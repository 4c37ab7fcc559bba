/** Puts the programs and the agent in place on a host that was set up by the guide. */
import { copyFile, mkdir, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { addressUnit, addressUnitName } from "../core/engines/keepalived/address-unit.ts";
import {
  guideProblems,
  readGuideSettings,
  type GuideSettings,
} from "../core/engines/keepalived/guide-settings.ts";
import {
  checkProgram,
  notifyProgram,
  programDirectories,
  programPaths,
} from "../core/engines/keepalived/programs.ts";
import { readIfExists, writeFileAtomic } from "../lib/atomic.ts";
import { HoldfastError } from "../lib/errors.ts";
import { execOk } from "../lib/exec.ts";
import type { Reporter } from "../ports.ts";

export interface InstallAddress {
  /** Where the two programs are; default: where the guide's nginx-ha-notify is. */
  readonly directory?: string;
  /** A file with the guide's variables; default: the nginx-ha-notify that is replaced. */
  readonly settings?: string;
  /** Say what would be done, and do nothing. */
  readonly dryRun: boolean;
  readonly reporter: Reporter;
}

/** Running it again, also after an interruption, ends in the same state. @throws HoldfastError */
export async function installAddress(options: InstallAddress): Promise<void> {
  const directory = options.directory ?? (await findDirectory());
  const notify = join(directory, "nginx-ha-notify");
  const settings = await readSettings(options.settings ?? notify);
  const hasKeys = settings.AWS_SECRET_ACCESS_KEY !== undefined;
  const unit = `/etc/systemd/system/${addressUnitName}`;
  const steps: [what: string, act: () => Promise<unknown>][] = [
    [`copy Node and Holdfast to ${dirname(programPaths.node)}`, copySelf],
    [`keep what is there as *.before-holdfast in ${directory}`, async () => keepOld(directory)],
    [
      `write ${notify}`,
      async () => writeFileAtomic(notify, notifyProgram(settings), hasKeys ? 0o700 : 0o755),
    ],
    [
      `write ${join(directory, "nginx-ha-check")}`,
      async () => writeFileAtomic(join(directory, "nginx-ha-check"), checkProgram(), 0o755),
    ],
    [`write ${unit} and start it`, async () => startAgent(unit, notify)],
  ];
  for (const [what, act] of steps) {
    options.reporter.info(options.dryRun ? `would ${what}` : what);
    if (!options.dryRun) await act();
  }
}

async function findDirectory(): Promise<string> {
  for (const directory of programDirectories) {
    if ((await readIfExists(join(directory, "nginx-ha-notify"))) !== null) return directory;
  }
  throw new HoldfastError(`there is no nginx-ha-notify in ${programDirectories.join(" or ")}`, {
    fix: "name its folder with --directory, as keepalived.conf does, and a file with the variables with --settings",
  });
}

async function readSettings(path: string): Promise<GuideSettings> {
  const text = await readIfExists(path);
  const settings = readGuideSettings(text ?? "");
  const problems = text === null ? [`there is no ${path}`] : guideProblems(settings);
  if (problems.length > 0)
    throw new HoldfastError(`the settings in ${path} are not complete: ${problems.join("; ")}`, {
      fix: "fill in the variables at the top of that file, as step 5 of the guide says, and run this again",
    });
  return settings;
}

/** Renamed into place: the agent that runs now may be running from these files. */
async function copySelf(): Promise<void> {
  const bundle = process.argv[1] ?? "";
  await mkdir(dirname(programPaths.node), { recursive: true, mode: 0o755 });
  for (const [from, to, mode] of [
    [process.execPath, programPaths.node, 0o755],
    [bundle, programPaths.bundle, 0o755],
  ] as const) {
    if (await isSame(from, to)) continue;
    await copyFile(from, `${to}.new`);
    await execOk(["chmod", mode.toString(8), `${to}.new`], `make ${to} executable`);
    await rename(`${to}.new`, to);
  }
}

async function isSame(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([stat(a), stat(b).catch(() => null)]);
  if (other === null) return false;
  if (one.ino === other.ino && one.dev === other.dev) return true;
  return one.size === other.size && (await readFile(a)).equals(await readFile(b));
}

/** Once: the second time what is there is ours. With keys in it, the copy is as private. */
async function keepOld(directory: string): Promise<void> {
  for (const name of ["nginx-ha-check", "nginx-ha-notify"]) {
    const path = join(directory, name);
    const text = await readIfExists(path);
    const kept = await readIfExists(`${path}.before-holdfast`);
    if (text !== null && kept === null && !text.includes(programPaths.bundle))
      await writeFileAtomic(`${path}.before-holdfast`, text, 0o600);
  }
}

async function startAgent(unit: string, settings: string): Promise<void> {
  await writeFileAtomic(unit, addressUnit(settings), 0o644);
  await execOk(["systemctl", "daemon-reload"], "load the unit");
  await execOk(["systemctl", "enable", addressUnitName], "enable the agent");
  await execOk(["systemctl", "restart", addressUnitName], "start the agent");
}
