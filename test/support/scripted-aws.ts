/** An HTTP server that answers as a test says: for the client's side of EC2, STS and the metadata service. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ScriptedCall {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  readonly parameters: URLSearchParams;
  /** Which connection it came on, counted from 1. */
  readonly connection: number;
}

export type Script = (call: ScriptedCall, response: ServerResponse) => void | Promise<void>;

export interface ScriptedAws {
  readonly url: string;
  readonly calls: readonly ScriptedCall[];
  script: Script;
  close(): Promise<void>;
}

export async function scriptedAws(script: Script): Promise<ScriptedAws> {
  const calls: ScriptedCall[] = [];
  let connections = 0;
  const numbers = new WeakMap<object, number>();
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const call: ScriptedCall = {
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(parts),
        parameters: new URLSearchParams(Buffer.concat(parts).toString()),
        connection: numbers.get(request.socket) ?? 0,
      };
      calls.push(call);
      void aws.script(call, response);
    });
  });
  server.on("connection", (socket) => numbers.set(socket, ++connections));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const aws: ScriptedAws = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    script,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return aws;
}

/** An error as EC2 words it. */
export const ec2Error = (code: string, message = "m"): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>r-1</RequestID></Response>`;
