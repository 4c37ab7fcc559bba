import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { poll } from "../lib/retry.ts";
import type { Reporter } from "../ports.ts";
import { runEntryLoop } from "./entry.ts";
import { probeHttp } from "./probe.ts";

let directory: string;
let healthFile: string;
let server: Server;
let port: number;
let answer = 200;
const stop = { controller: new AbortController() };

const listen = (at: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server = createServer((_request, response) => {
      if (answer !== 0) response.writeHead(answer).end();
    });
    server.on("error", reject);
    server.listen(at, "127.0.0.1", () => {
      port = (server.address() as { port: number }).port;
      resolve();
    });
  });
const close = (): Promise<void> =>
  new Promise((resolve) => {
    server.closeAllConnections();
    server.close(() => resolve());
  });

const messages: string[] = [];
const reporter: Reporter = {
  info: (message) => messages.push(message),
  warn: (message) => messages.push(message),
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
};

const fileSays = (content: string): Promise<true | undefined> =>
  poll(async () => ((await readFile(healthFile, "utf8").catch(() => "")) === content ? true : undefined), {
    deadlineMs: 15_000,
    intervalMs: 20,
    what: `the health file to say ${content.trim()}`,
  });

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-agent-"));
  healthFile = join(directory, "entry-health");
  answer = 200;
  messages.length = 0;
  stop.controller = new AbortController();
  await listen(0);
});
afterEach(async () => {
  stop.controller.abort();
  await close();
  await rm(directory, { recursive: true });
});

const start = (): Promise<void> =>
  runEntryLoop(
    {
      probe: {
        url: `http://127.0.0.1:${port}/healthz`,
        intervalMs: 20,
        timeoutMs: 2000,
        fall: 3,
        rise: 2,
        unit: "no-such-proxy.service",
        startMs: 1000,
      },
      healthFile,
      address: { vip: "192.0.2.1", interface: "lo" },
      keepalived: { deadAfterMs: 1000 },
      echo: { address: "127.0.0.1", port: 1, clients: "127.0.0.0/8" }, // another loop's
    },
    { signal: stop.controller.signal, reporter },
  );

it("keeps the health file level with the proxy, through a death, a sick answer and a hand that removes it", async () => {
  const loop = start();
  await fileSays("0\n");
  await close();
  await fileSays("1\n");
  await listen(port);
  await fileSays("0\n");
  answer = 503;
  await fileSays("1\n");
  answer = 200;
  await fileSays("0\n");
  await rm(healthFile);
  await fileSays("0\n");
  await writeFile(healthFile, "nonsense");
  await fileSays("0\n");
  stop.controller.abort();
  await loop;
  expect(messages.filter((message) => message.includes("gives the address away"))).toHaveLength(2);
});

it("goes on after a turn that failed, and tells the error once", async () => {
  await rm(directory, { recursive: true });
  await writeFile(directory, "a file where the directory should be");
  const loop = start();
  await poll(() => messages.some((message) => message.includes(healthFile)), {
    deadlineMs: 15_000,
    what: "the error to be told",
  });
  await rm(directory);
  await fileSays("0\n");
  stop.controller.abort();
  await loop;
  expect(new Set(messages).size).toBe(messages.length);
});

it("tells a refused connection from a silent one", async () => {
  answer = 0;
  expect(await probeHttp(`http://127.0.0.1:${port}/`, 100)).toMatch(/failed|unknown/);
  answer = 200;
  expect(await probeHttp(`http://127.0.0.1:${port}/`, 5000)).toBe("serving");
  await close();
  expect(await probeHttp(`http://127.0.0.1:${port}/`, 5000)).toBe("refused");
  await listen(port);
});
