import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { behaviourSchema, faultOf, latencyOf, takeToken } from "./behaviour.ts";
import { matches, Params } from "./query.ts";
import { renderAnswer, renderError } from "./xml.ts";

describe("XML", () => {
  test("answers: lists as items, nothing for what is missing, text escaped", () => {
    const answer = { return: true, addressesSet: [{ publicIp: "<1>", instanceId: undefined }], empty: [] };
    expect(renderAnswer("DescribeAddresses", "r", answer)).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<DescribeAddressesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>' +
        "<return>true</return><addressesSet><item><publicIp>&lt;1&gt;</publicIp></item></addressesSet>" +
        "<empty></empty></DescribeAddressesResponse>",
    );
  });

  test("errors", () => {
    expect(renderError("r", { code: "AuthFailure", message: "a & b" })).toContain(
      "<Response><Errors><Error><Code>AuthFailure</Code><Message>a &amp; b</Message></Error></Errors><RequestID>r</RequestID></Response>",
    );
  });

  test("no text breaks out of its element", () => {
    fc.assert(
      fc.property(fc.uint16Array({ maxLength: 20 }), (codes) => {
        const text = String.fromCodePoint(...codes);
        const [, message = ""] =
          /<Message>(.*)<\/Message>/su.exec(renderError("r", { code: "c", message: text })) ?? [];
        // oxlint-disable-next-line no-control-regex -- what XML cannot hold
        expect(message).not.toMatch(/[<>]|&(?!(amp|lt|gt|quot|apos);)|[\u0000-\u0008]/);
      }),
    );
  });
});

describe("parameters", () => {
  const params = (query: string) => new Params(new URLSearchParams(query));

  test("lists are in the order of their numbers, with gaps", () => {
    expect(params("Id.10=c&Id.2=b&Id.1=a&Idx.1=z").list("Id")).toEqual(["a", "b", "c"]);
  });

  test("what nobody asked for is refused", () => {
    const some = params("Action=A&DryRun=true");
    some.required("Action");
    expect(() => some.requireAllKnown()).toThrow("The parameter DryRun is not recognized");
    expect(some.flag("DryRun")).toBe(true);
    expect(() => some.requireAllKnown()).not.toThrow();
  });

  test("filters take * and ?, and nothing else that looks like a pattern", () => {
    const check = (pattern: string, value: string) =>
      matches([{ name: "n", values: [pattern] }], () => [value]);
    expect(check("a*c", "abc")).toBe(true);
    expect(check("a?c", "ac")).toBe(false);
    expect(check("a.c", "abc")).toBe(false);
    expect(check("a\\*c", "a*c")).toBe(true);
    expect(check("a\\*c", "abc")).toBe(false);
    expect(() => matches([{ name: "n", values: [] }], () => undefined)).toThrow("The filter 'n' is invalid");
  });
});

describe("behaviour", () => {
  test("latency by action, or for all", () => {
    const behaviour = behaviourSchema.parse({ latencyMs: { "*": 100, AssociateAddress: 300 } });
    expect([latencyOf(behaviour, "AssociateAddress"), latencyOf(behaviour, "DescribeAddresses")]).toEqual([
      300, 100,
    ]);
  });

  test("throttling: a burst, then a rate", () => {
    const throttle = { perSecond: 2, burst: 3 };
    let bucket: ReturnType<typeof takeToken>["bucket"];
    const take = (now: number): boolean => {
      const result = takeToken(bucket, throttle, now);
      ({ bucket } = result);
      return result.taken;
    };
    expect([0, 0, 0, 0].map(take)).toEqual([true, true, true, false]);
    expect([400, 500, 500].map(take)).toEqual([false, true, false]);
    expect([60_000, 60_000, 60_000, 60_000].map(take)).toEqual([true, true, true, false]);
  });

  test("faults: by action, by instance, by chance", () => {
    const fault = { actions: ["AssociateAddress"], instances: ["i-1"], probability: 0.5 };
    const behaviour = behaviourSchema.parse({ faults: [fault] });
    const strikes = (action: string, instance: string | undefined, chance: number) =>
      faultOf(behaviour, { action, instance }, () => chance) !== undefined;
    expect(strikes("AssociateAddress", "i-1", 0.4)).toBe(true);
    expect(strikes("AssociateAddress", "i-1", 0.6)).toBe(false);
    expect(strikes("DescribeAddresses", "i-1", 0.4)).toBe(false);
    expect(strikes("AssociateAddress", undefined, 0.4)).toBe(false);
  });
});
