import { describe, expect, it } from "vitest";
import { HoldfastError } from "../lib/errors.ts";
import { parseCommand } from "./arguments.ts";
import { commands, usage } from "./registry.ts";

const errorOf = (work: () => unknown): HoldfastError => {
  try {
    work();
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error("no error");
};

describe("parseCommand", () => {
  const line = "holdfast up [FILE] [--yes]";
  const parse = (...args: string[]) => parseCommand(args, line, { yes: { type: "boolean" } });

  it("takes the command's own flags and those of every command", () => {
    expect(parse("my.yaml", "--yes", "--json")).toMatchObject({
      positionals: ["my.yaml"],
      values: { yes: true, json: true },
    });
  });

  it("answers a mistyped flag with the nearest one and the usage", () => {
    const { message, fix, exitStatus } = errorOf(() => parse("--yess"));
    expect(message).toBe("Unknown option '--yess'");
    expect(fix).toBe(`did you mean --yes? usage: ${line}`);
    expect(exitStatus).toBe(2);
  });

  it("refuses a word too many", () => {
    expect(errorOf(() => parse("a.yaml", "b.yaml")).message).toBe("Unexpected argument 'b.yaml'");
  });
});

describe("usage", () => {
  it("tells of every command that is for people", () => {
    for (const [name, { help }] of commands) {
      if (help === undefined) continue;
      expect(help.usage.startsWith(`holdfast ${name}`)).toBe(true);
      expect(usage()).toContain(help.summary);
    }
  });
});
