/**
 * Says over HTTP what only this agent knows: whether clients reach a primary here now. The database
 * proxies ask some times a second. Where this host is plain Patroni's, Patroni's answer is passed on: an
 * agent that comes or goes cuts nobody off.
 */
import { createServer, type Socket } from "node:net";
import type { DatabaseConfig } from "../../core/engines/agent/config.ts";
import { leaseReport } from "../../core/engines/agent/report.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { LeaseLoop } from "./loop.ts";
import { PatroniApi } from "./patroni.ts";

/** Who has not asked by then, ms, is not a proxy. */
const PATIENCE_MS = 2000;

/**
 * One question per connection and its first packet is all of it, as HAProxy and curl send it: node:http costs
 * four times as much, which adds up with the number of app hosts.
 * @returns how to end it. @throws HoldfastError when the port cannot be had
 */
export async function serveHealth(
  { self, members, postgres, etcd, healthPort }: DatabaseConfig,
  loop: LeaseLoop,
): Promise<() => void> {
  const address = members.find(({ name }) => name === self)?.address ?? "";
  const patroni = postgres === undefined ? null : new PatroniApi(address, postgres.patroniPort, etcd.ca);
  const isPrimary = async (): Promise<boolean> =>
    loop.state.gate.armed ? loop.servesAsPrimary() : ((await patroni?.isPrimary()) ?? false);
  const answer = async (request: string): Promise<string> => {
    const [method = "", path = ""] = request.split(" ", 2);
    if (!["GET", "HEAD", "OPTIONS"].includes(method)) return response("405 Method Not Allowed");
    if (path === "/primary") return response((await isPrimary()) ? "200 OK" : "503 Service Unavailable");
    if (path !== "/status") return response("404 Not Found");
    return response("200 OK", JSON.stringify(leaseReport(loop.settings, loop.state, performance.now())));
  };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    socket.on("error", () => undefined); // it left
    socket.on("close", () => sockets.delete(socket));
    socket.once("data", (data) => void answer(data.toString("latin1")).then((text) => socket.end(text)));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new HoldfastError(`cannot answer the database proxies: ${error.message}`)),
    );
    server.listen(healthPort, address, resolve);
  });
  return () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
}

const response = (status: string, body = ""): string =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
