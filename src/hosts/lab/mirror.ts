import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { exec } from "../../lib/exec.ts";

export interface Mirror {
  readonly main: string;
  /** Undefined when only a main mirror is known: then without security updates. */
  readonly security?: string;
}

/**
 * Where Debian packages come from: HOLDFAST_DEBIAN_MIRROR, or the host's own mirror when it is a
 * Debian, or Debian's public one.
 */
export async function findMirror(env: NodeJS.ProcessEnv): Promise<Mirror> {
  const chosen = env["HOLDFAST_DEBIAN_MIRROR"];
  if (chosen !== undefined && chosen !== "") return { main: chosen };
  const uris = (await aptSources("/etc/apt")).flatMap(debianUris);
  return {
    main: uris.find((uri) => /\/debian\/?$/.test(uri)) ?? "http://deb.debian.org/debian",
    security:
      uris.find((uri) => /\/debian-security\/?$/.test(uri)) ?? "http://deb.debian.org/debian-security",
  };
}

/** sources.list lines for a release. */
export function sourcesList(mirror: Mirror, release: string): string {
  const lines = [`deb ${mirror.main} ${release} main`, `deb ${mirror.main} ${release}-updates main`];
  if (mirror.security !== undefined) lines.push(`deb ${mirror.security} ${release}-security main`);
  return `${lines.join("\n")}\n`;
}

/** The http(s) URIs of one apt sources file, one-line or deb822 format, without comments. */
export function debianUris(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => /^\s*(deb\s|URIs:)/.test(line))
    .flatMap((line) => line.split(/\s+/))
    .filter((word) => /^https?:\/\//.test(word));
}

/** The host's apt proxy and TLS settings as an apt.conf: needed to reach its mirror, kept out of argv and the image. */
export async function aptAcquireConf(): Promise<string> {
  const dump = await exec(["apt-config", "dump"]);
  return dump.stdout
    .split("\n")
    .filter((line) => /^Acquire::https?::\S* ".+";$/.test(line))
    .join("\n");
}

async function aptSources(directory: string): Promise<string[]> {
  const extra = await readdir(join(directory, "sources.list.d")).catch(() => []);
  const files = [
    "sources.list",
    ...extra.filter((name) => /\.(list|sources)$/.test(name)).map((name) => `sources.list.d/${name}`),
  ];
  return Promise.all(files.map((file) => readFile(join(directory, file), "utf8").catch(() => "")));
}
