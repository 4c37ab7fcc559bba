/**
 * Says over HTTP what only this agent knows: whether clients reach a primary here now. The database
 * proxies ask ten times a second; without an agent they go by Patroni's REST API.
 */
import { createServer, type ServerResponse } from "node:http";
import { HoldfastError } from "../../lib/errors.ts";
import type { DatabaseConfig } from "../../core/engines/agent/config.ts";
import { report } from "./report.ts";
import type { LeaseLoop } from "./loop.ts";

/** @returns how to end it. @throws HoldfastError when the port cannot be had */
export async function serveHealth(
  { self, members, healthPort }: DatabaseConfig,
  loop: LeaseLoop,
): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    if (request.url === "/primary") {
      end(response, loop.servesAsPrimary() ? 200 : 503, "");
    } else if (request.url === "/status") {
      end(response, 200, JSON.stringify(report(loop.settings, loop.state, performance.now())));
    } else end(response, 404, "");
  });
  const address = members.find(({ name }) => name === self)?.address;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new HoldfastError(`cannot answer the database proxies: ${error.message}`)),
    );
    server.listen(healthPort, address, resolve);
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}

function end(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "application/json", connection: "close" });
  response.end(body);
}
