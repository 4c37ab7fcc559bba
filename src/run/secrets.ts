import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { readIfExists, writeFileAtomic } from "../lib/atomic.ts";

export type Secrets = ReadonlyMap<string, string>;

/**
 * The topology's secrets, from `secrets.json` (0600) in its state directory. Missing ones are made:
 * 32 random bytes each, base64url, so that they need no quoting anywhere. Existing ones never change.
 */
export async function loadSecrets(directory: string, names: readonly string[]): Promise<Secrets> {
  const path = join(directory, "secrets.json");
  const text = await readIfExists(path);
  const known = new Map<string, string>(
    text === null ? [] : Object.entries(JSON.parse(text) as Record<string, string>),
  );
  const missing = names.filter((name) => !known.has(name));
  if (missing.length === 0) return known;
  for (const name of missing) known.set(name, randomBytes(32).toString("base64url"));
  await writeFileAtomic(path, `${JSON.stringify(Object.fromEntries(known), null, 2)}\n`, 0o600);
  return known;
}
