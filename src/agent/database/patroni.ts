/** What Patroni on this host says over its REST API. */
import { readFile } from "node:fs/promises";
import { Agent, request } from "undici";
import { z } from "zod";

/** It runs on this host: who takes longer is not well. */
const TIMEOUT_MS = 500;

const answer = z.object({
  role: z.string(),
  state: z.string(),
  failsafe_mode_is_active: z.boolean().default(false),
});

export class PatroniApi {
  readonly #base: string;
  readonly #caFile: string;

  constructor(address: string, port: number, caFile: string) {
    this.#base = `https://${address}:${port}`;
    this.#caFile = caFile;
  }

  /** Whether it leads: what a proxy would be told. False also when it does not say. */
  async isPrimary(): Promise<boolean> {
    return (await this.#get("/primary"))?.status === 200;
  }

  /** Whether it goes on as leader without etcd, because every member agreed. */
  async leadsByFailsafe(): Promise<boolean> {
    const said = answer.safeParse((await this.#get("/patroni"))?.json).data;
    if (said === undefined) return false;
    const primary = said.role === "primary" || said.role === "master";
    return primary && said.state === "running" && said.failsafe_mode_is_active;
  }

  async #get(path: string): Promise<{ readonly status: number; readonly json: unknown } | null> {
    const ca = await readFile(this.#caFile, "utf8").catch(() => "");
    const dispatcher = new Agent({ connect: { ca } });
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const { statusCode, body } = await request(this.#base + path, { dispatcher, signal });
      return { status: statusCode, json: await body.json() };
    } catch {
      return null;
    } finally {
      await dispatcher.destroy();
    }
  }
}
