/**
 * A client that asks again and again, each time on a new connection: `node probe.ts ADDRESS PORT EVERY_MS`.
 * One line per request: when it was sent, whether it was answered, when that was known; milliseconds of
 * CLOCK_MONOTONIC, which is common to all processes of this machine.
 */
import { connect } from "node:net";

const [address = "", port = "", every = ""] = process.argv.slice(2);
/** Below the first retransmission of a lost SYN (1 s): a request of an outage fails, and does not come late. */
const TIMEOUT_MS = 900;

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

function ask(): void {
  const sent = now();
  const socket = connect({ host: address, port: Number(port), noDelay: true });
  let ended = false;
  const end = (ok: boolean): void => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    socket.destroy();
    process.stdout.write(`${sent.toFixed(2)} ${ok ? 1 : 0} ${now().toFixed(2)}\n`);
  };
  const timer = setTimeout(() => end(false), TIMEOUT_MS);
  socket.on("connect", () => socket.write("GET / HTTP/1.0\r\nHost: bench\r\nConnection: close\r\n\r\n"));
  socket.on("data", (data) => end(data.toString("latin1").startsWith("HTTP/1.")));
  socket.on("error", () => end(false));
  socket.on("close", () => end(false));
}

let due = now();
function turn(): void {
  ask();
  due = Math.max(due + Number(every), now() - Number(every));
  setTimeout(turn, Math.max(0, due - now()));
}
turn();
process.stdin.on("end", () => process.exit(0)).resume(); // its driver is gone
