/**
 * A process in one of a lab's network namespaces: answers TCP and UDP on port 7000 with its name and
 * the address that it sees the caller at, and does what it is told by lines of JSON on its input.
 */
import { createSocket, type RemoteInfo } from "node:dgram";
import { request } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { signed, type SigningKey } from "./ec2.ts";

/** An answer is a text, or the error's code such as "ECONNREFUSED"; "timeout" after `timeoutMs`. */
export type Task =
  | { do: "tcp"; address: string }
  | { do: "udp"; address: string; port: number }
  /** Opens a connection that stays, and sends on it later. */
  | { do: "hold"; address: string }
  | { do: "send" }
  /** A signed call of the EC2 API: "<status> <body>". */
  | { do: "api"; url: string; parameters: Record<string, string>; key: SigningKey }
  | { do: "http"; url: string; method: string; headers: Record<string, string> };

const name = process.argv[2] ?? "";
const timeoutMs = 2000;
const udp = createSocket("udp4");
let held: Socket | undefined;

createServer((socket) => {
  socket.on("error", () => undefined);
  socket.on("data", () => socket.write(`${name} ${socket.remoteAddress?.replace("::ffff:", "")}`));
}).listen(7000, "0.0.0.0");
const server = createSocket("udp4");
server.on("message", (_, from: RemoteInfo) =>
  server.send(`${name} ${from.address}`, from.port, from.address),
);
server.bind(7000, "0.0.0.0");

/** The first that happens: data, an error, or the deadline. */
async function answerOf(socket: Socket, act: () => void): Promise<string> {
  return new Promise((resolve) => {
    socket.once("data", (data: Buffer) => resolve(data.toString()));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once("close", () => resolve("closed"));
    setTimeout(() => resolve("timeout"), timeoutMs).unref();
    act();
  });
}

async function tcp(address: string): Promise<string> {
  const socket = connect(7000, address);
  const answer = await answerOf(
    socket,
    () => void socket.once("connect", () => socket.write("x".repeat(3000))),
  );
  socket.destroy();
  return answer;
}

/** Always from the same port: a router that remembers flows would remember this one. */
async function askUdp(address: string, port: number): Promise<string> {
  // Connected, so that the kernel tells us of "port unreachable".
  if (port !== 7000) return unconnected(address, port);
  return new Promise((resolve) => {
    const done = (answer: string): void => {
      udp.removeAllListeners("message");
      resolve(answer);
    };
    udp.once("message", (data) => done(data.toString()));
    setTimeout(() => done("timeout"), timeoutMs).unref();
    udp.send("x".repeat(1000), port, address);
  });
}

async function unconnected(address: string, port: number): Promise<string> {
  const socket = createSocket("udp4");
  return new Promise<string>((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once("message", (data) => resolve(data.toString()));
    setTimeout(() => resolve("timeout"), timeoutMs).unref();
    socket.connect(port, address, () => socket.send("x".repeat(1000)));
  }).finally(() => socket.close());
}

async function http(
  url: string,
  method: string,
  headers: Record<string, string>,
  body = "",
): Promise<string> {
  return new Promise((resolve) => {
    const call = request(url, { method, headers, timeout: timeoutMs }, (response) => {
      void text(response).then((content) => resolve(`${response.statusCode} ${content}`));
    });
    call.on("timeout", () => resolve("timeout"));
    call.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    call.end(body);
  });
}

async function hold(address: string): Promise<string> {
  held?.destroy();
  const socket = connect(7000, address);
  held = socket;
  return answerOf(socket, () => void socket.once("connect", () => socket.write("x")));
}

async function send(): Promise<string> {
  const socket = held;
  return socket === undefined ? "nothing held" : answerOf(socket, () => void socket.write("x"));
}

async function api({ url, parameters, key }: Extract<Task, { do: "api" }>): Promise<string> {
  const { headers, body, target } = signed(parameters, key, Date.now());
  return http(`${url}${target}`, "POST", { ...headers }, Buffer.from(body).toString());
}

async function perform(task: Task): Promise<string> {
  if (task.do === "tcp") return tcp(task.address);
  if (task.do === "udp") return askUdp(task.address, task.port);
  if (task.do === "hold") return hold(task.address);
  if (task.do === "send") return send();
  if (task.do === "api") return api(task);
  return http(task.url, task.method, task.headers);
}

for await (const line of createInterface(process.stdin)) {
  process.stdout.write(`${JSON.stringify(await perform(JSON.parse(line) as Task))}\n`);
}
process.exit();
