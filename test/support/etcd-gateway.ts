/** An etcd gateway that answers as a test tells it. */
import { createServer, type Server } from "node:http";

export type GatewayAnswer = (
  path: string,
  body: Record<string, unknown>,
) => { readonly status?: number; readonly json: unknown } | null;

const servers: Server[] = [];

/** @param answer null: never. @returns its address */
export async function etcdGateway(answer: GatewayAnswer): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const said = answer(request.url ?? "", JSON.parse(Buffer.concat(chunks).toString()) as never);
      if (said !== null) response.writeHead(said.status ?? 200).end(JSON.stringify(said.json));
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

export async function closeGateways(): Promise<void> {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
