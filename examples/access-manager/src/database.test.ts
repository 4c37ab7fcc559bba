import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "./database.ts";
import { listEntries, readEntry, writeEntry } from "./entries.ts";
import { migrate, SCHEMA_VERSION, schemaVersion } from "./migrations.ts";
import { DeadlineExceeded, Overloaded } from "./retry.ts";
import { cannotRun, eventually, TestPostgres } from "./testing/postgres.ts";

if (cannotRun !== undefined)
  console.warn(`skipped: tests with a real PostgreSQL 15, because ${cannotRun} is missing`);

describe.skipIf(cannotRun !== undefined)("with a real PostgreSQL", { timeout: 120_000 }, () => {
  const postgres = new TestPostgres();
  let database: Database;

  beforeAll(async () => {
    await postgres.create();
    database = postgres.database();
    await migrate(database);
  }, 120_000);
  afterAll(async () => {
    postgres.signalAll("SIGCONT");
    await database.close();
    await postgres.remove();
  }, 60_000);

  test("migrating again, and by two nodes at once, changes nothing", async () => {
    expect(await schemaVersion(database)).toBe(SCHEMA_VERSION);
    expect(await Promise.all([migrate(database), migrate(database)])).toEqual([[], []]);
  });

  test("an untrusted certificate is refused at once, not retried", async () => {
    const other = postgres.database({ ca: "" });
    await expect(other.run((query) => query("SELECT 1"))).rejects.toThrow(/certificate/i);
    await other.close();
  });

  test("created, same, conflict, absent, paged", async () => {
    expect(await writeEntry(database, { id: "e-1", value: "a" })).toBe("created");
    expect(await writeEntry(database, { id: "e-1", value: "a" })).toBe("same");
    expect(await writeEntry(database, { id: "e-1", value: "b" })).toBe("conflict");
    expect(await readEntry(database, "e-1")).toEqual({ id: "e-1", value: "a" });
    expect(await readEntry(database, "e-none")).toBeUndefined();
    await writeEntry(database, { id: "e-2", value: "c" });
    expect(await listEntries(database, { prefix: "e-", after: "e-1", limit: 10 })).toEqual([
      { id: "e-2", value: "c" },
    ]);
  });

  test("no acknowledged write is lost or doubled while postgres is killed and restarted", async () => {
    const acknowledged: string[] = [];
    const failures: unknown[] = [];
    const writing = { on: true };
    let sent = 0;
    const writer = async (name: number): Promise<void> => {
      for (let n = 0; writing.on; n += 1) {
        const id = `crash-${name}-${n}`;
        sent += 1;
        await writeEntry(database, { id, value: `value of ${id}` }).then(
          () => acknowledged.push(id),
          (error: unknown) => failures.push(error),
        );
      }
    };
    const writers = Array.from({ length: 16 }, (_, name) => writer(name));
    for (let round = 0; round < 3; round += 1) {
      const before = acknowledged.length;
      await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 50), 30_000);
      await postgres.crash();
      await postgres.start();
    }
    const before = acknowledged.length;
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 50), 30_000);
    writing.on = false;
    await Promise.all(writers);
    const stored = await postgres.admin((client) =>
      client.query<{ id: string; value: string }>("SELECT id, value FROM entries WHERE id ^@ 'crash-'"),
    );
    const values = new Map(stored.rows.map(({ id, value }) => [id, value]));
    expect(acknowledged.filter((id) => values.get(id) !== `value of ${id}`)).toEqual([]);
    expect(values.size).toBe(stored.rows.length);
    // Every outage here is shorter than the request deadline, so every write came through.
    expect(failures).toEqual([]);
    expect(acknowledged.length).toBe(sent);
  });

  test("a commit whose wait for the replica is cancelled is not acknowledged before the replica has it", async () => {
    const waiting = (): Promise<readonly number[]> =>
      postgres.admin(async (client) => {
        const sql = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        return (await client.query<{ pid: number }>(sql)).rows.map(({ pid }) => pid);
      });
    const configure = async (sql: string): Promise<void> =>
      postgres.admin(async (client) => {
        await client.query(sql);
        await client.query("SELECT pg_reload_conf()");
      });
    await configure("ALTER SYSTEM SET synchronous_standby_names = 'absent'");
    // The server takes the setting over a moment later: until then writes do not wait.
    let outcome: string | undefined;
    let write: Promise<unknown> = Promise.resolve();
    let n = 0;
    const first = await eventually(async () => {
      if (outcome !== undefined || n === 0) {
        n += 1;
        outcome = undefined;
        write = writeEntry(database, { id: `sync-${n}`, value: "x" }).then((result) => (outcome = result));
      }
      const [pid] = await waiting();
      if (pid === undefined) throw new Error("no write waits for the replica");
      return pid;
    });
    await postgres.admin((client) => client.query("SELECT pg_cancel_backend($1)", [first]));
    // It is now committed on this server alone; the retry must wait for the replica as well.
    await eventually(async () => {
      const pids = await waiting();
      expect(pids.length).toBe(1);
      expect(pids).not.toContain(first);
    });
    expect(outcome).toBeUndefined();
    await configure("ALTER SYSTEM RESET synchronous_standby_names");
    await write;
    expect(outcome).toBe("same");
  });

  test("a server that hangs does not hold a request beyond its deadline, and is used again after", async () => {
    await database.run((query) => query("SELECT 1"));
    postgres.signalAll("SIGSTOP");
    const started = performance.now();
    const requests = Array.from({ length: 20 }, () => database.run((query) => query("SELECT 1"), 1_500));
    const results = await Promise.allSettled(requests);
    const took = performance.now() - started;
    postgres.signalAll("SIGCONT");
    for (const result of results) {
      expect(result).toMatchObject({ status: "rejected", reason: expect.any(DeadlineExceeded) as unknown });
    }
    // Generous: the point is that it ends, long before the default of 15 s.
    expect(took).toBeLessThan(10_000);
    await database.run((query) => query("SELECT 1"));
  });

  test("work does not start after its deadline", async () => {
    const narrow = postgres.database({ poolSize: 1 });
    let ran = false;
    const first = narrow.run((query) => query("SELECT pg_sleep(1)"));
    const late = narrow.run(() => Promise.resolve((ran = true)), 200);
    await expect(late).rejects.toBeInstanceOf(DeadlineExceeded);
    await first;
    await narrow.run((query) => query("SELECT 1"));
    expect(ran).toBe(false);
    await narrow.close();
  });

  test("more requests than the bound are refused at once", async () => {
    const small = postgres.database({ poolSize: 1, maxRequests: 2 });
    const slow = [1, 2].map(() => small.run((query) => query("SELECT pg_sleep(0.3)")));
    await expect(small.run((query) => query("SELECT 1"))).rejects.toBeInstanceOf(Overloaded);
    await Promise.all(slow);
    await small.run((query) => query("SELECT 1"));
    await small.close();
  });

  test("a terminated backend and a read-only primary are retried", async () => {
    let tries = 0;
    const victim = database.run(async (query) => {
      tries += 1;
      return query(`SELECT 'victim', pg_sleep(${tries === 1 ? 20 : 0})`);
    });
    await eventually(async () => {
      await postgres.admin((client) =>
        client.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()",
          ["%victim%"],
        ),
      );
      expect(tries).toBeGreaterThan(1);
    });
    await victim;
    let attempts = 0;
    await database.transaction(async (query) => {
      attempts += 1;
      if (attempts === 1) await query("SET TRANSACTION READ ONLY");
      await query("INSERT INTO entries (id, value) VALUES ('read-only', 'x')");
    });
    expect(attempts).toBe(2);
  });
});
