/** On the kernel, in a network namespace of its own: needs root and nft. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fenceFile, gateFile } from "../../core/engines/agent/gate.ts";
import { poll } from "../../lib/retry.ts";
import { Gate } from "./gate.ts";
import { Nft } from "./nft.ts";

const possible = process.getuid?.() === 0 && existsSync("/usr/sbin/nft");
const ports = { postgres: 5432, patroni: 8008, etcd: 2379 };
const namespace = `hf-gate-test-${process.pid}`;
const inside = ["ip", "netns", "exec", namespace];
const run = (...argv: string[]): string =>
  execFileSync(inside[0] ?? "", [...inside.slice(1), ...argv], { encoding: "utf8", stdio: "pipe" });

/** Connects to a port of the namespace from one of its addresses: "accepted", "refused" or "silent". */
function connect(port: number, from = "10.0.0.1"): string {
  const script = `import socket
try:
  socket.create_connection(("10.0.0.1", ${port}), 0.3, ("${from}", 0)); print("accepted")
except ConnectionRefusedError: print("refused")
except TimeoutError: print("silent")`;
  return run("python3", "-c", script).trim();
}

describe.runIf(possible)("gate", { timeout: 120_000 }, () => {
  let directory: string;
  let gate: Gate;
  let clock: () => number;
  let marker: string;
  let listener: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-gate-"));
    marker = join(directory, "armed");
    const files = {
      gate: { file: join(directory, "gate.nft"), marker },
      fence: join(directory, "fence.nft"),
    };
    await writeFile(files.gate.file, gateFile(ports, ["10.0.0.2"]));
    await writeFile(files.fence, fenceFile(ports));
    execFileSync("ip", ["netns", "add", namespace]);
    run("ip", "link", "set", "lo", "up");
    for (const host of [1, 2, 3]) run("ip", "address", "add", `10.0.0.${host}/32`, "dev", "lo");
    const listen = `import socket,time
sockets = [socket.create_server(("10.0.0.1", port), backlog=64) for port in (5432, 8008, 2379, 80)]
time.sleep(60)`;
    run("sh", "-c", `python3 -c '${listen}' > /dev/null 2>&1 & echo $! > ${directory}/pid`);
    listener = join(directory, "pid");
    await poll(() => connect(80) === "accepted", { deadlineMs: 10_000, what: "the listener" });
    clock = () => performance.now();
    gate = new Gate(files, [5432, 8008], {
      requestMs: 10_000, // a loaded machine's
      now: () => clock(),
      nft: new Nft([...inside, "nft"]),
      exec: inside,
    });
    await gate.start();
  }, 60_000);
  afterEach(async () => {
    await gate.stop();
    execFileSync("sh", ["-c", `kill $(cat ${listener})`]);
    execFileSync("ip", ["netns", "delete", namespace]);
    await rm(directory, { recursive: true });
  }, 60_000);

  it("is open while told so, closes by itself, and is gone when removed", async () => {
    expect(await gate.armed()).toBe(false);
    // Told generously: what is late is closed again, and a loaded machine is late.
    clock = () => 0;
    expect(await gate.open(60_000)).toBe(true);
    expect(await gate.armed()).toBe(true);
    expect(existsSync(marker)).toBe(true);
    expect(connect(5432, "10.0.0.3")).toBe("accepted");
    expect(await gate.open(200)).toBe(true); // sooner than before: renewed, not kept
    await poll(() => connect(5432, "10.0.0.3") === "refused", { deadlineMs: 5000, what: "it to close" });
    expect(connect(80, "10.0.0.3")).toBe("accepted");
    await gate.remove();
    expect(await gate.armed()).toBe(false);
    expect(existsSync(marker)).toBe(false);
    expect(connect(5432, "10.0.0.3")).toBe("accepted");
    await gate.remove();
  });

  it("closes at once, to all but peers and this host's own tools", async () => {
    clock = () => 0;
    await gate.open(60_000);
    await gate.close();
    expect(connect(5432, "10.0.0.3")).toBe("refused");
    expect(connect(8008, "10.0.0.2")).toBe("accepted");
    // the reply goes to a peer's address here, too
    expect(connect(5432, "10.0.0.2")).toBe("accepted");
    await gate.close();
  });

  it("does not open for what has passed, and closes again when the kernel got it late", async () => {
    expect(await gate.open(performance.now() + 20)).toBe(false);
    expect(connect(5432, "10.0.0.3")).toBe("refused");
    let now = 0;
    clock = () => (now += 100);
    expect(await gate.open(60_000)).toBe(false);
    expect(connect(5432, "10.0.0.3")).toBe("refused");
  });

  it("cuts a connection that is open: neither side hears the other", async () => {
    clock = () => 0;
    await gate.open(60_000);
    const script = `import socket,sys
c = socket.create_connection(("10.0.0.1", 5432), 5, ("10.0.0.3", 0)); print("there", flush=True)
sys.stdin.readline(); c.send(b"x"); c.settimeout(0.3)
try: c.recv(1); print("heard")
except TimeoutError: print("silent")
print(open("/proc/net/tcp").read())`;
    const out = join(directory, "out");
    const fifo = join(directory, "fifo");
    execFileSync("mkfifo", [fifo]);
    run(
      "sh",
      "-c",
      `python3 -c '${script}' < ${fifo} > ${out} 2>&1 & exec 3> ${fifo}; sleep 0.01; (sleep 60 >&3) > /dev/null 2>&1 & echo $! > ${directory}/hold`,
    );
    const says = (text: string): Promise<boolean> =>
      poll(() => execFileSync("cat", [out], { encoding: "utf8" }).includes(text), {
        deadlineMs: 10_000,
        what: text,
      });
    await says("there");
    await gate.close();
    execFileSync("sh", ["-c", `echo go > ${fifo}; kill $(cat ${directory}/hold)`]);
    expect(await says("silent")).toBe(true);
  });

  it("fences a dead host and lets it back; its agent's datagrams and etcd's peers pass", async () => {
    await gate.block("10.0.0.2");
    await gate.block("10.0.0.2");
    expect(connect(8008, "10.0.0.2")).toBe("silent");
    expect(connect(80, "10.0.0.2")).toBe("accepted");
    await gate.block("10.0.0.1");
    // as survivors see it: at once, for Patroni asks all members and waits
    for (const port of [2379, 5432, 8008]) expect(connect(port, "10.0.0.3")).toBe("refused");
    await gate.unblock("10.0.0.1");
    await gate.unblock("10.0.0.2");
    await gate.unblock("10.0.0.2");
    expect(connect(8008, "10.0.0.2")).toBe("accepted");
  });

  it("silences a port for new connections, for a moment", async () => {
    // Again when it has passed: a loaded machine takes longer to ask.
    const asked = async (): Promise<boolean> => {
      await gate.silence(8008);
      return connect(8008, "10.0.0.2") === "refused";
    };
    await poll(asked, { deadlineMs: 60_000, what: "it to be silent" });
    expect(connect(5432, "10.0.0.2")).toBe("accepted");
    await poll(() => connect(8008, "10.0.0.2") === "accepted", { deadlineMs: 30_000, what: "it to speak" });
  });

  it("survives the death of its nft", async () => {
    clock = () => 0;
    await gate.open(60_000);
    const find = `for pid in $(ip netns pids ${namespace}); do grep -sqx nft /proc/$pid/comm && echo $pid; done; true`;
    const nft = execFileSync("sh", ["-c", find], { encoding: "utf8" }).trim().split("\n");
    expect(nft).toHaveLength(1);
    process.kill(Number(nft[0]), "SIGKILL");
    await poll(() => gate.close().then(() => true), { deadlineMs: 10_000, what: "the next nft" });
    expect(connect(5432, "10.0.0.3")).toBe("refused");
  });
});
