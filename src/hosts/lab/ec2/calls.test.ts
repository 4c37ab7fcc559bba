import { describe, expect, test } from "vitest";
import { account, entry, i1, i2, signed } from "../../../../test/support/ec2.ts";
import { type Ec2State, initialState } from "./account.ts";
import { type Behaviour, behaviourSchema } from "./behaviour.ts";
import { type CallRecord, makeApi } from "./calls.ts";

const key = { id: "AKIATEST", secret: "secret" };

/** An endpoint without a network: the same calls in the same order. */
function endpoint(behaviour: Behaviour) {
  const history: Ec2State[] = [initialState(account)];
  const calls: CallRecord[] = [];
  const now = () => history.at(-1) ?? initialState(account);
  const handle = makeApi({
    config: account,
    seed: "seed",
    behaviour: () => behaviour,
    state: now,
    stateBefore: (ms) => (ms === 0 ? now() : (history.at(-2) ?? now())),
    change: async (state) => {
      history.push(state);
      return Promise.resolve();
    },
    record: (call) => void calls.push(call),
    now: () => 1_700_000_000_000,
    random: () => 0,
  });
  const ask = async (
    parameters: Record<string, string>,
    source = "10.9.1.11",
    method: "GET" | "POST" = "POST",
  ) => handle(signed(parameters, key, 1_700_000_000_000, method), source);
  return { ask, calls, state: now };
}

const associate = (instance: string) => ({
  Action: "AssociateAddress",
  AllocationId: entry,
  InstanceId: instance,
});

describe("a call", () => {
  test("has its effect, is answered and remembered", async () => {
    const { ask, calls, state } = endpoint(account.behaviour);
    const answer = await ask(associate(i1));
    expect(answer).toMatchObject({ status: 200, body: expect.stringContaining("<associationId>eipassoc-") });
    expect(state().associations[entry]).toBeDefined();
    expect(calls).toMatchObject([{ action: "AssociateAddress", instance: i1, result: "ok", changed: true }]);
  });

  test("by GET as well as by POST; of an action that is there", async () => {
    const { ask } = endpoint(account.behaviour);
    for (const method of ["GET", "POST"] as const) {
      const { body } = (await ask({ Action: "DescribeAddresses" }, "10.9.1.11", method)) as { body: string };
      expect(body).toContain("<publicIp>198.51.100.10</publicIp>");
    }
    expect(await ask({ Action: "RunInstances" })).toMatchObject({
      status: 400,
      body: expect.stringContaining("<Code>InvalidAction</Code>"),
    });
  });

  test("of two at the same time that may not take the address from each other, one wins", async () => {
    const { ask, calls } = endpoint(behaviourSchema.parse({ latencyMs: { "*": 20 } }));
    const careful = (instance: string) => ({ ...associate(instance), AllowReassociation: "false" });
    await Promise.all([ask(careful(i1)), ask(careful(i2), "10.9.1.12")]);
    expect(calls.map(({ result }) => result).toSorted()).toEqual(["Resource.AlreadyAssociated", "ok"]);
  });
});

describe("misbehaviour", () => {
  test("an error before the effect, an error after it, no answer at all", async () => {
    for (const [fault, status, happened] of [
      [{ code: "InternalError", when: "before" }, 500, false],
      [{ code: "Unavailable", when: "after" }, 503, true],
      [{ code: "connection-reset", when: "after" }, undefined, true],
    ] as const) {
      const { ask, calls, state } = endpoint(behaviourSchema.parse({ faults: [fault] }));
      const answer = await ask(associate(i1));
      expect(answer === "reset" ? undefined : answer.status).toBe(status);
      expect(state().associations[entry] !== undefined).toBe(happened);
      expect(calls).toMatchObject([{ result: fault.code, changed: happened }]);
    }
  });

  test("throttling", async () => {
    const { ask } = endpoint(behaviourSchema.parse({ throttle: { perSecond: 0, burst: 1 } }));
    expect(await ask({ Action: "DescribeAddresses" })).toMatchObject({ status: 200 });
    expect(await ask({ Action: "DescribeAddresses" })).toMatchObject({
      status: 503,
      body: expect.stringContaining("<Code>RequestLimitExceeded</Code>"),
    });
  });

  test("stale reads do not make stale writes", async () => {
    const { ask } = endpoint(behaviourSchema.parse({ staleMs: 1000 }));
    await ask(associate(i1));
    const { body } = (await ask({ Action: "DescribeAddresses" })) as { body: string };
    expect(body).not.toContain(i1);
    const careful = { ...associate(i2), AllowReassociation: "false" };
    expect(await ask(careful)).toMatchObject({ body: expect.stringContaining("Resource.AlreadyAssociated") });
  });
});
