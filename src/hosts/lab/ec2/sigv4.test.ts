import { describe, expect, test } from "vitest";
import { isSignedWith, parseAmzDate, parseAuthorization, type SignedRequest, signatureOf } from "./sigv4.ts";

/** From AWS's own Signature Version 4 test suite. */
const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const vectors = [
  {
    name: "get-vanilla",
    target: "/",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  },
  {
    name: "get-vanilla-query-order-key-case",
    target: "/?Param2=value2&Param1=value1",
    signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
  },
  {
    name: "post-vanilla",
    method: "POST",
    target: "/",
    signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
  },
  {
    name: "post-x-www-form-urlencoded",
    method: "POST",
    target: "/",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: "Param1=value1",
    signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
  },
];

describe("signature", () => {
  test.each(vectors)("$name", ({ method, target, headers, body, signature }) => {
    const request: SignedRequest = {
      method: method ?? "GET",
      target,
      headers: { host: "example.amazonaws.com", "x-amz-date": "20150830T123600Z", ...headers },
      body: Buffer.from(body ?? ""),
    };
    const scope = {
      accessKeyId: "AKIDEXAMPLE",
      date: "20150830",
      region: "us-east-1",
      service: "service",
      signedHeaders: Object.keys(request.headers).toSorted(),
    };
    expect(signatureOf(secret, request, scope)).toBe(signature);
    expect(isSignedWith(secret, request, { ...scope, signature })).toBe(true);
    expect(isSignedWith("other", request, { ...scope, signature })).toBe(false);
    const tampered = { ...request, body: Buffer.from("Param1=value2") };
    expect(isSignedWith(secret, tampered, { ...scope, signature })).toBe(false);
  });
});

describe("headers", () => {
  const whole =
    "AWS4-HMAC-SHA256 Credential=AKIA/20150830/us-east-1/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=5f";

  test("a whole Authorization header, also without blanks", () => {
    const expected = {
      accessKeyId: "AKIA",
      date: "20150830",
      region: "us-east-1",
      service: "ec2",
      signedHeaders: ["host", "x-amz-date"],
      signature: "5f",
    };
    expect(parseAuthorization(whole)).toEqual(expected);
    expect(parseAuthorization(whole.replaceAll(", ", ","))).toEqual(expected);
  });

  test.each([
    "",
    "Basic dXNlcg==",
    whole.replace("/aws4_request", ""),
    whole.replace(", Signature=5f", ""),
    whole.replace("aws4_request", "aws5_request"),
  ])("not one: %s", (header) => {
    expect(parseAuthorization(header)).toBeUndefined();
  });

  test("dates", () => {
    expect(parseAmzDate("20150830T123600Z")).toBe(Date.UTC(2015, 7, 30, 12, 36));
    expect(parseAmzDate("2015-08-30T12:36:00Z")).toBeUndefined();
    expect(parseAmzDate("20151330T123600Z")).toBeUndefined();
  });
});
