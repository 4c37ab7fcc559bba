/**
 * Turning the endpoint's knobs while it runs: JSON over a Unix socket in its directory, root only.
 * `GET /behaviour`, `PATCH /behaviour` (the keys given replace those that are), `GET /calls`, `GET /state`.
 */
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { HoldfastError } from "../../../lib/errors.ts";
import * as names from "../names.ts";
import type { Ec2State } from "./account.ts";
import { type Behaviour, behaviourSchema } from "./behaviour.ts";
import type { CallRecord } from "./calls.ts";

interface Controlled {
  readonly behaviour: () => Behaviour;
  /** @throws ZodError when it would not be a behaviour */
  readonly change: (patch: object) => Behaviour;
  readonly route: () => Promise<void>;
  readonly calls: () => readonly CallRecord[];
  readonly state: () => Ec2State;
}

const ok = (value: unknown) => ({ status: 200, body: JSON.stringify(value) });

/** In force when it has answered. */
export async function answerControl(
  method: string,
  path: string,
  body: Uint8Array,
  endpoint: Controlled,
): Promise<{ status: number; body: string }> {
  if (method === "GET" && path === "/behaviour") return ok(endpoint.behaviour());
  if (method === "GET" && path === "/calls") return ok(endpoint.calls());
  if (method === "GET" && path === "/state") return ok(endpoint.state());
  if (method !== "PATCH" || path !== "/behaviour")
    return { status: 404, body: JSON.stringify("no such thing") };
  try {
    const patch = z.record(z.string(), z.unknown()).parse(JSON.parse(Buffer.from(body).toString("utf8")));
    const behaviour = endpoint.change(patch);
    await endpoint.route();
    return ok(behaviour);
  } catch (error) {
    if (!(error instanceof z.ZodError || error instanceof SyntaxError)) throw error;
    const found = error instanceof z.ZodError ? z.prettifyError(error) : error.message;
    return { status: 400, body: JSON.stringify(found) };
  }
}

/** A running endpoint, from outside: for drills and tests. */
export class Ec2Control {
  readonly #socket: string;

  /** @param home Holdfast's state directory */
  constructor(home: string, lab: string) {
    this.#socket = join(ec2Directory(home, lab), "control.sock");
  }

  async behaviour(): Promise<Behaviour> {
    return behaviourSchema.parse(await this.#ask("GET", "/behaviour"));
  }

  /** Replaces the knobs given. @throws HoldfastError when a value is not one */
  async change(patch: z.input<typeof behaviourSchema>): Promise<Behaviour> {
    return behaviourSchema.parse(await this.#ask("PATCH", "/behaviour", patch));
  }

  /** The last 10,000 calls, oldest first. */
  async calls(): Promise<readonly CallRecord[]> {
    return (await this.#ask("GET", "/calls")) as readonly CallRecord[];
  }

  async state(): Promise<Ec2State> {
    return (await this.#ask("GET", "/state")) as Ec2State;
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const { status, content } = await new Promise<{ status: number; content: string }>((resolve, reject) => {
      const call = request({ socketPath: this.#socket, method, path, timeout: 10_000 }, (response) => {
        text(response).then((content) => resolve({ status: response.statusCode ?? 0, content }), reject);
      });
      call.on("timeout", () => call.destroy(new Error("it did not answer within 10 s")));
      call.on("error", reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    }).catch((cause: unknown) => {
      throw new HoldfastError(`the lab's EC2 endpoint cannot be reached: ${(cause as Error).message}`, {
        fix: "run `holdfast up`: it starts it again",
        cause,
      });
    });
    if (status === 200) return JSON.parse(content);
    throw new HoldfastError(`the lab's EC2 endpoint refused ${method} ${path}: ${content}`);
  }
}

export const ec2Directory = (home: string, lab: string): string => join(names.labDirectory(home, lab), "ec2");
