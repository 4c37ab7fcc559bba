import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "./testing/postgres.ts";
import { diskFiles, Trail, type TrailFiles, type TrailOptions } from "./trail.ts";
import { newEvent, type TrailEvent } from "./trail-event.ts";

const day = Date.UTC(2026, 10, 20, 12);
const name = "app1/2026-11-20.jsonl";
let directory: string;
let trails: Trail[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "access-manager-trail-"));
  trails = [];
});
afterEach(async () => {
  for (const trail of trails) await trail.close();
  rmSync(directory, { recursive: true, force: true });
});

function open(options: Partial<TrailOptions> = {}): Trail {
  const trail = new Trail({ directory, node: "app1", requireMount: false, now: () => day, ...options });
  trails.push(trail);
  return trail;
}
const event = (object: string): TrailEvent => newEvent("tester", "test", object);
const text = (file = name): string => readFileSync(join(directory, file), "utf8");
const lines = (file = name): readonly string[] => text(file).trimEnd().split("\n");
const objects = (file = name): readonly unknown[] =>
  lines(file).map((line) => (JSON.parse(line) as TrailEvent).object);

/** What a test may do to the trail's file: `write` gets the real write, bound to what was asked. */
interface Hooks {
  readonly write?: (
    handle: FileHandle,
    real: (length?: number) => Promise<{ bytesWritten: number }>,
  ) => Promise<unknown>;
  readonly sync?: () => void;
}

/** Real files whose handles are seen, and may be made to fail. */
function watched({ write, sync }: Hooks): TrailFiles {
  return {
    ...diskFiles,
    open: async (...args) => {
      const handle = await diskFiles.open(...args);
      if (!String(args[0]).endsWith(".jsonl")) return handle;
      const real = { write: handle.write.bind(handle), sync: handle.sync.bind(handle) };
      const hooked = (bytes: Buffer, offset: number, length: number): unknown => {
        const call = (most = length): Promise<{ bytesWritten: number }> =>
          real.write(bytes, offset, Math.min(most, length));
        return write === undefined ? call() : write(handle, call);
      };
      handle.write = hooked as FileHandle["write"];
      handle.sync = async () => {
        sync?.();
        await real.sync();
      };
      return handle;
    },
  };
}
const failure = (code: string): Error => Object.assign(new Error(code), { code });

describe("append", () => {
  test("one line per event, in a file per node and UTC day", async () => {
    let now = day;
    const trail = open({ now: () => now });
    expect(await trail.append(event("a"))).toBe(name);
    now += 24 * 3_600_000;
    expect(await trail.append(event("b"))).toBe("app1/2026-11-21.jsonl");
    expect([objects(), objects("app1/2026-11-21.jsonl")]).toEqual([["a"], ["b"]]);
    expect(trail.state).toBe("ok");
  });

  test("is acknowledged only after fsync, and many share one", async () => {
    let syncs = 0;
    const gate = Promise.withResolvers<void>();
    const trail = open({
      files: watched({
        write: async (_handle, real) => {
          await gate.promise;
          return real();
        },
        sync: () => void (syncs += 1),
      }),
    });
    let acknowledged = 0;
    const all = Array.from({ length: 100 }, (_, n) =>
      trail.append(event(`e${n}`)).then(() => (acknowledged += 1)),
    );
    await eventually(() => expect(text()).toBe(""));
    expect(acknowledged).toBe(0);
    gate.resolve();
    await Promise.all(all);
    expect(objects().length).toBe(100);
    expect(syncs).toBeLessThanOrEqual(2);
    expect(syncs).toBeGreaterThan(0);
  });

  test("after a torn last line the next event is a line of its own", async () => {
    mkdirSync(join(directory, "app1"));
    appendFileSync(join(directory, name), '{"object":"whole"}\n{"object":"to');
    await open().append(event("next"));
    expect(lines()[1]).toBe('{"object":"to');
    expect((JSON.parse(lines()[2] ?? "") as TrailEvent).object).toBe("next");
  });

  test("a short write is continued", async () => {
    let writes = 0;
    const files = watched({
      write: (_handle, real) => {
        writes += 1;
        return real(10);
      },
    });
    await open({ files }).append(event("x".repeat(100)));
    expect(objects()).toEqual(["x".repeat(100)]);
    expect(writes).toBeGreaterThan(10);
  });
});

describe("a storage that cannot take events", () => {
  test("full: refused, nothing acknowledged, whole lines again when there is room", async () => {
    let full = true;
    const files = watched({
      write: async (handle, real) => {
        if (!full) return real();
        // What a full disk does: it takes a part, then no more.
        appendFileSync(join(directory, name), '{"half":');
        throw failure("ENOSPC");
      },
    });
    const trail = open({ files });
    await expect(trail.append(event("lost"))).rejects.toThrow("full (ENOSPC)");
    expect(trail.state).toBe("full");
    full = false;
    await trail.append(event("kept"));
    expect(trail.state).toBe("ok");
    expect(lines()[0]).toBe('{"half":');
    expect((JSON.parse(lines()[1] ?? "") as TrailEvent).object).toBe("kept");
  });

  test("a failed fsync is not tried again on the same descriptor", async () => {
    const handles = new Set<unknown>();
    let broken = true;
    const files = watched({
      write: async (handle, real) => {
        handles.add(handle);
        return real();
      },
      sync: () => {
        if (broken) throw failure("EIO");
      },
    });
    const trail = open({ files });
    await expect(trail.append(event("a"))).rejects.toThrow("failed (EIO)");
    broken = false;
    await trail.append(event("a"));
    expect(handles.size).toBe(2);
  });

  test.each([
    ["EROFS", "read-only"],
    ["EDQUOT", "full"],
    ["ESTALE", "failed"],
  ])("%s is state %s", async (code, state) => {
    const files: TrailFiles = { ...diskFiles, open: () => Promise.reject(failure(code)) };
    const trail = open({ files });
    await expect(trail.append(event("a"))).rejects.toThrow(state);
    expect(trail.state).toBe(state);
  });

  test("not mounted: refused, and nothing is written below the directory", async () => {
    const trail = open({ requireMount: true });
    await expect(trail.append(event("a"))).rejects.toThrow("is not mounted");
    await trail.probe();
    expect(trail.state).toBe("unmounted");
    expect(() => text()).toThrow("ENOENT");
  });

  test("unmounted between the check and opening: refused", async () => {
    let checks = 0;
    const files: TrailFiles = { ...diskFiles, isMountPoint: () => Promise.resolve((checks += 1) === 1) };
    await expect(open({ requireMount: true, files }).append(event("a"))).rejects.toThrow("is not mounted");
    expect(text()).toBe("");
  });

  test("a missing directory is not made", async () => {
    const trail = open({ directory: join(directory, "absent") });
    await expect(trail.append(event("a"))).rejects.toThrow("unmounted (ENOENT)");
    await trail.probe();
    expect(trail.state).toBe("unmounted");
  });

  test("a file that was moved away is not written any more", async () => {
    const trail = open();
    await trail.append(event("a"));
    renameSync(join(directory, name), join(directory, "moved"));
    await trail.append(event("b"));
    expect([objects("moved"), objects()]).toEqual([["a"], ["b"]]);
  });
});

describe("probe", () => {
  test("says ok without writing, and full before a write finds out", async () => {
    const trail = open();
    await trail.probe();
    expect(trail.state).toBe("ok");
    const statfs = (async () => ({ bavail: 1, bsize: 4096 })) as unknown as TrailFiles["statfs"];
    const full = open({ files: { ...diskFiles, statfs } });
    await full.probe();
    expect(full.state).toBe("full");
  });
});
