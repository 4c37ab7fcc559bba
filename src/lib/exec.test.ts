import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { HoldfastError } from "./errors.ts";
import { exec, execOk, ExecTimeout, lastLines } from "./exec.ts";
import { poll } from "./retry.ts";

test("gives exit code, output and error output, and feeds stdin", async () => {
  const result = await exec(["sh", "-c", "cat; echo err >&2; exit 3"], { stdin: "in" });
  expect(result).toEqual({ code: 3, stdout: "in", stderr: "err\n" });
});

test("death by a signal is 128 + its number", async () => {
  expect((await exec(["sh", "-c", "kill -9 $$"])).code).toBe(137);
});

test("a command that does not read its input is judged by its exit status", async () => {
  expect((await exec(["true"], { stdin: "x".repeat(5_000_000) })).code).toBe(0);
});

test("a missing command is named, with what to do", async () => {
  await expect(exec(["no-such-command-here"])).rejects.toMatchObject({
    message: "command no-such-command-here was not found",
    fix: "install the package that provides no-such-command-here",
  });
});

test("the environment is replaced when one is given", async () => {
  expect((await exec(["env"], { env: { PATH: process.env["PATH"], ONLY: "this" } })).stdout).not.toContain(
    "HOME=",
  );
});

test("a timeout kills the whole process group, also when a grandchild holds the pipes", async () => {
  let grandchild = 0;
  const run = exec(["sh", "-c", "sleep 1000 & echo $! ; wait"], {
    timeoutMs: 1000,
    onLine: (line) => {
      grandchild = Number(line);
    },
  });
  await expect(run).rejects.toThrow(ExecTimeout);
  await expect(run).rejects.toThrow("sh did not end within 1 s and was killed");
  expect(grandchild).toBeGreaterThan(1);
  await poll(() => !isSleeping(grandchild), { deadlineMs: 10_000, what: "the grandchild to die" });
});

test("output is bounded: its beginning and end are kept", async () => {
  const { stdout } = await exec([
    "sh",
    "-c",
    "echo first; head -c 40000000 /dev/zero | tr '\\0' x; echo; echo last",
  ]);
  expect(stdout.length).toBeLessThan(20_000_000);
  expect(stdout.startsWith("first\n")).toBe(true);
  expect(stdout.endsWith("\nlast\n")).toBe(true);
  expect(stdout).toMatch(/bytes left out/);
});

test("lines are reported as they come, across chunks", async () => {
  const lines: string[] = [];
  await exec(["sh", "-c", "printf 'a\\nb'; printf 'c\\n' ; printf 'd\\r'"], {
    onLine: (line) => lines.push(line),
  });
  expect(lines).toEqual(["a", "bc", "d"]);
});

test("execOk: the command's last words become the error", async () => {
  const failing = execOk(["sh", "-c", "echo why >&2; exit 4"], "doing it");
  await expect(failing).rejects.toThrow(HoldfastError);
  await expect(failing).rejects.toThrow("doing it failed (sh exit 4): why");
  expect(await execOk(["echo", "fine"], "doing it")).toBe("fine\n");
});

test("lastLines leaves empty lines out", () => {
  expect(lastLines("a\n\nb\n \nc\n", 2)).toBe("b\nc");
});

/** Whether the process is there and is not a zombie waiting for its parent. */
function isSleeping(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
