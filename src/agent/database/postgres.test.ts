/** Against a server that speaks as much of PostgreSQL's protocol as a probe hears. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PostgresProbe } from "./postgres.ts";
import { Postmaster } from "./postmaster.ts";

let directory: string;
let probe: PostgresProbe;
let server: Server;
const sockets = new Set<Socket>();
let connections = 0;
/** What is said to a new connection and to a query; null: nothing, ever. */
let onStart: () => Buffer | null;
let onQuery: () => Buffer | null;

function packet(type: string, ...parts: (string | Buffer)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
const int32 = (value: number): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
};
const ready = packet("Z", "I");
const welcome = Buffer.concat([packet("R", int32(0)), ready]);
/** One row: a boolean, and a text or null. */
function row(value: "t" | "f", upstream: string | null = null): Buffer {
  const column = (type: number): Buffer =>
    Buffer.concat([
      Buffer.from("c\0"),
      Buffer.alloc(6),
      int32(type),
      Buffer.from([0, 1]),
      int32(-1),
      Buffer.alloc(2),
    ]);
  const field = (text: string | null): Buffer =>
    text === null ? int32(-1) : Buffer.concat([int32(text.length), Buffer.from(text)]);
  return Buffer.concat([
    packet("T", Buffer.from([0, 2]), column(16), column(25)),
    packet("D", Buffer.from([0, 2]), field(value), field(upstream)),
    packet("C", "SELECT 1\0"),
    ready,
  ]);
}
const error = (code: string): Buffer => packet("E", `SFATAL\0C${code}\0Mno\0\0`);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-probe-"));
  connections = 0;
  onStart = () => welcome;
  onQuery = () => row("f");
  server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    let started = false;
    socket.on("error", () => undefined);
    socket.on("data", () => {
      const said = started ? onQuery() : onStart();
      started = true;
      if (said !== null) socket.write(said);
    });
  });
  await new Promise<void>((resolve) => server.listen(join(directory, ".s.PGSQL.5432"), resolve));
  probe = new PostgresProbe({
    socketDirectory: directory,
    port: 5432,
    user: "postgres",
    deadlineMs: 5000,
    connectionMs: 60_000,
  });
});
afterEach(async () => {
  probe.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true });
});

describe("a probe", () => {
  it("tells a primary from a replica, over one connection", async () => {
    expect((await probe.ask())?.status).toBe("primary");
    onQuery = () => row("t", "10.0.0.1");
    expect(await probe.ask()).toEqual({ status: "replica", upstream: "10.0.0.1" });
    onQuery = () => row("t");
    expect(await probe.ask()).toEqual({ status: "replica", upstream: null });
    expect(connections).toBe(1);
  });

  it("connects anew now and then, so that a postmaster that makes no backends is noticed", async () => {
    const hasty = new PostgresProbe({
      socketDirectory: directory,
      port: 5432,
      user: "postgres",
      deadlineMs: 300,
      connectionMs: -1,
    });
    await hasty.ask();
    onStart = () => null;
    // Undefined when this machine was too slow to say.
    expect(["silent", undefined]).toContain((await hasty.ask())?.status);
    expect(connections).toBe(2);
    hasty.close();
  });

  it("calls an unanswered query silent, and asks the next time over another connection", async () => {
    const short = new PostgresProbe({
      socketDirectory: directory,
      port: 5432,
      user: "postgres",
      deadlineMs: 300,
      connectionMs: 60_000,
    });
    onQuery = () => null;
    expect(["silent", undefined]).toContain((await short.ask())?.status);
    short.close();
    onQuery = () => row("f");
    expect((await probe.ask())?.status).toBe("primary");
  });

  it("takes an error in SQL's words for an answer", async () => {
    onStart = () => error("53300"); // too many clients
    expect((await probe.ask())?.status).toBe("busy");
    onStart = () => error("57P03"); // the database system is starting up
    expect((await probe.ask())?.status).toBe("starting");
    onStart = () => welcome;
    expect((await probe.ask())?.status).toBe("primary");
  });

  it("knows that nobody listens, and learns nothing from a connection that breaks", async () => {
    onQuery = () => {
      for (const socket of sockets) socket.destroy();
      return null;
    };
    expect(await probe.ask()).toBeNull();
    await new Promise((resolve) => server.close(resolve));
    expect((await probe.ask())?.status).toBe("starting");
  });
});

describe("the postmaster", () => {
  const control = async (state: number): Promise<void> => {
    await mkdir(join(directory, "global"), { recursive: true });
    const bytes = Buffer.alloc(8192);
    bytes.writeUInt32LE(state, 16);
    await writeFile(join(directory, "global", "pg_control"), bytes);
  };

  it("has stopped in order, or crashed, as its control file says", async () => {
    expect(await new Postmaster(directory).look()).toBe("stopped"); // no cluster there
    for (const [state, means] of [
      [1, "stopped"],
      [2, "stopped"],
      [5, "crashed"],
      [6, "crashed"],
    ] as const) {
      await control(state);
      expect(await new Postmaster(directory).look()).toBe(means);
    }
  });

  it("is not alive because another program has its number", async () => {
    await control(6);
    await writeFile(join(directory, "postmaster.pid"), `${process.pid}\n${directory}\n`);
    expect(await new Postmaster(directory).look()).toBe("crashed");
    await writeFile(join(directory, "postmaster.pid"), "nonsense");
    expect(await new Postmaster(directory).look()).toBe("crashed");
  });
});
