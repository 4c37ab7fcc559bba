/** One API call after the other: what is done with it, and what is remembered of it. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Ec2State, interfacesOf } from "./account.ts";
import { authenticate } from "./authenticate.ts";
import { type Behaviour, type Bucket, faultOf, latencyOf, takeToken } from "./behaviour.ts";
import type { Ec2Config } from "./config.ts";
import { actionOf, perform } from "./dispatch.ts";
import { Ec2Error } from "./errors.ts";
import { Params } from "./query.ts";
import type { SignedRequest } from "./sigv4.ts";
import { renderAnswer, renderError } from "./xml.ts";

/** For those who drive a drill: what was asked of EC2, by whom and what became of it. */
export interface CallRecord {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly action: string;
  /** Instance id; null for a caller outside. */
  readonly instance: string | null;
  /** "ok", or the error's code. */
  readonly result: string;
  /** Whether it changed the account. */
  readonly changed: boolean;
}

export interface Api {
  readonly config: Ec2Config;
  readonly seed: string;
  readonly behaviour: () => Behaviour;
  readonly state: () => Ec2State;
  /** The account as it was that many milliseconds ago. */
  readonly stateBefore: (ms: number) => Ec2State;
  /** Takes the new state over at once; resolves when it will be found again after a restart. */
  readonly change: (state: Ec2State) => Promise<void>;
  readonly record: (call: CallRecord) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly random: () => number;
}

/** `reset`: the caller gets no answer, its connection is cut. */
export type ApiAnswer = { readonly status: number; readonly body: string } | "reset";

/** @returns what answers a request of this source address */
export function makeApi(api: Api): (request: SignedRequest, source: string) => Promise<ApiAnswer> {
  let bucket: Bucket | undefined;
  return async (request, source) => {
    const { config, seed } = api;
    const at = api.now();
    const requestId = randomUUID();
    const instance = instanceAt(config, api.state(), source);
    let action = "";
    let changed = false;
    const finish = (result: string): void => {
      api.record({ at, action, instance: instance ?? null, result, changed });
    };
    try {
      const caller = authenticate(config, seed, request, at);
      const params = new Params(parameters(request));
      action = actionOf(params);
      const token = takeToken(bucket, api.behaviour().throttle, at);
      bucket = token.bucket;
      if (!token.taken) throw new Ec2Error("RequestLimitExceeded", "Request limit exceeded.");
      const half = latencyOf(api.behaviour(), action) / 2;
      const fault = faultOf(api.behaviour(), { action, instance }, api.random);
      await sleep(half);
      if (fault?.when === "before") throw injected(fault.code);
      // From here to `change` nothing waits: calls take effect one after the other.
      const behaviour = api.behaviour();
      const [state, seen] = [api.state(), api.stateBefore(behaviour.staleMs)];
      const outcome = perform(action, { config, behaviour, state, seen, params }, caller);
      changed = outcome.state !== state;
      const kept = changed ? api.change(outcome.state) : undefined;
      await Promise.all([kept, sleep(half)]);
      if (fault?.when === "after") throw injected(fault.code);
      finish("ok");
      return { status: 200, body: renderAnswer(action, requestId, outcome.answer) };
    } catch (error) {
      if (!(error instanceof Ec2Error)) throw error;
      finish(error.code);
      if (error.code === "connection-reset") return "reset";
      return { status: error.status, body: renderError(requestId, error) };
    }
  };
}

export function instanceAt(config: Ec2Config, state: Ec2State, source: string): string | undefined {
  return interfacesOf(config, state).find(({ addresses }) => addresses.includes(source))?.instance.id;
}

function parameters({ method, target, body }: SignedRequest): URLSearchParams {
  if (method === "POST") return new URLSearchParams(Buffer.from(body).toString("utf8"));
  return new URLSearchParams(target.split("?").slice(1).join("?"));
}

function injected(code: string): Ec2Error {
  return new Ec2Error(code, "An internal error has occurred");
}
