import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ECHO_BYTES, echoAnswer, echoNumber, echoRequest } from "../core/engines/agent/echo.ts";
import { poll } from "../lib/retry.ts";
import type { Reporter } from "../ports.ts";
import { runEcho } from "./echo.ts";

const warnings: string[] = [];
const reporter: Reporter = {
  info: () => undefined,
  warn: (message) => warnings.push(message),
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
};

let stop: AbortController;
let client: Socket;
let port: number;
const received: Uint8Array[] = [];

beforeEach(async () => {
  stop = new AbortController();
  warnings.length = 0;
  received.length = 0;
  // A free port: one that the kernel just gave away and got back.
  const probe = createSocket("udp4").bind(0, "127.0.0.1");
  await once(probe, "listening");
  ({ port } = probe.address());
  probe.close();
  client = createSocket("udp4").bind(0, "127.0.0.1");
  client.on("message", (message) => received.push(message));
  await once(client, "listening");
});
afterEach(() => {
  stop.abort();
  client.close();
});

const start = (clients: string): Promise<void> =>
  runEcho({ address: "127.0.0.1", port, clients }, { signal: stop.signal, reporter });

/** Sends until the echo of this number is there: a datagram to a socket not yet bound is lost. */
const echoed = (number: number): Promise<boolean> =>
  poll(
    () => {
      client.send(echoRequest(number), port, "127.0.0.1");
      return received.some((message) => echoNumber(message) === number);
    },
    { deadlineMs: 15_000, intervalMs: 20, what: "the echo" },
  );

it("answers a request, from where it was sent to, and nothing else", async () => {
  const loop = start("127.0.0.0/8");
  expect(await echoed(1)).toBe(true);
  received.length = 0;
  const answer = echoAnswer(echoRequest(7)) ?? new Uint8Array();
  for (const message of [
    answer,
    new Uint8Array(ECHO_BYTES),
    new Uint8Array(1400),
    echoRequest(8).subarray(1),
  ]) {
    client.send(message, port, "127.0.0.1");
  }
  expect(await echoed(2)).toBe(true); // later, so all before it were looked at
  // What was sent for 1 may still come; an answer to 7, or to what is no request, may not.
  expect(received.filter((message) => ![1, 2].includes(echoNumber(message) ?? -1))).toEqual([]);
  expect(received.every((message) => message.length === ECHO_BYTES)).toBe(true);
  stop.abort();
  await loop;
});

it("does not answer a stranger", async () => {
  const loop = start("192.0.2.0/24");
  const other = start("127.0.0.0/8"); // bound when the first is gone; until then the port is taken
  await poll(() => warnings.some((warning) => warning.includes("EADDRINUSE")), {
    deadlineMs: 15_000,
    what: "the second to find the port taken",
  });
  for (let number = 0; number < 20; number++) client.send(echoRequest(number), port, "127.0.0.1");
  stop.abort();
  await Promise.all([loop, other]);
  expect(received).toEqual([]);
});

it("an answer is as long as its request and is no request", () => {
  const request = echoRequest(123_456_789);
  const answer = echoAnswer(request);
  expect(answer).toHaveLength(request.length);
  expect(echoNumber(answer ?? request)).toBe(123_456_789);
  expect(echoAnswer(answer ?? request)).toBeNull();
  expect(echoNumber(request)).toBeNull();
});
