import { stripVTControlCharacters } from "node:util";
import { expect, it } from "vitest";
import { openTerminal } from "./terminal.ts";

function terminal(tty: boolean) {
  let text = "";
  const events: unknown[] = [];
  let now = 0;
  const opened = openTerminal({
    write: (chunk) => {
      text += chunk;
    },
    tty,
    columns: () => 40,
    now: () => now,
    events: (line) => events.push(JSON.parse(line)),
  });
  return { opened, events, text: () => text, advance: (ms: number) => (now += ms) };
}

it("prints one line per start and end where there is no terminal", () => {
  const { opened, text, advance } = terminal(false);
  const task = opened.task("app1");
  task.update("1/3 create a file");
  advance(1500);
  task.done("3 steps");
  task.done("again");
  expect(text()).toBe("… app1\n✔ app1: 3 steps 1.5s\n");
});

it("redraws running tasks in place on a terminal, within its width", () => {
  const { opened, text } = terminal(true);
  const task = opened.task("app1");
  task.update("x".repeat(100));
  const lines = text().split("\n");
  expect(lines.every((line) => stripVTControlCharacters(line).length < 40)).toBe(true);
  expect(text()).toContain("\u001b[1A\u001b[0J");
  opened.close();
  expect(text()).toContain("app1: not finished");
});

it("emits events for machines", () => {
  const { opened, events } = terminal(false);
  opened.task("boot").fail("it is off");
  opened.event({ type: "step", host: "app1" });
  expect(events).toEqual([
    { type: "task", title: "boot", state: "started" },
    { type: "task", title: "boot", state: "failed", message: "it is off" },
    { type: "step", host: "app1" },
  ]);
});
