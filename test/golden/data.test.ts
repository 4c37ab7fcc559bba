/** Golden files of the data side: etcd, PostgreSQL under Patroni, Redis, shared storage, backups. */
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { backup } from "../../src/core/engines/backup/render.ts";
import { etcd } from "../../src/core/engines/etcd/render.ts";
import type { Engine, HostPart } from "../../src/core/engines/engine.ts";
import { pgbackrest } from "../../src/core/engines/pgbackrest/render.ts";
import { postgres } from "../../src/core/engines/postgres/render.ts";
import { redis } from "../../src/core/engines/redis/render.ts";
import { storage } from "../../src/core/engines/storage/render.ts";
import { matchGolden } from "../support/golden.ts";
import { blueprint, renderEngine } from "../support/render.ts";

const hasSecret = (text: string): boolean => /<secret:|<key:/.test(text);

const engines: readonly Engine[] = [etcd, postgres, redis, storage, backup, pgbackrest];

describe.each(engines)("$name", (engine) => {
  // The assertions are in matchGolden.
  // oxlint-disable-next-line vitest/expect-expect
  it("renders privx-onprem as reviewed", async () => {
    await matchGolden("privx-onprem", engine.name, renderEngine(engine, blueprint()));
  });

  it("lets nobody but its reader see a secret", () => {
    const parts = renderEngine(engine, blueprint());
    const carriers = parts
      .flatMap((part) => part.files ?? [])
      .filter(({ content }) => content.kind === "text" && hasSecret(content.text));
    expect(carriers.filter((file) => !file.secret || (file.mode & 0o007) !== 0)).toEqual([]);
    const rest = parts.map(({ units, tasks, directories }) => ({ units, tasks, directories }));
    expect(hasSecret(JSON.stringify(rest))).toBe(false);
  });

  it("names only its own files in its units", () => {
    for (const part of renderEngine(engine, blueprint())) {
      const paths = new Set(part.files?.map((file) => file.path));
      const named = part.units?.flatMap((unit) => [...unit.files, ...(unit.restartFiles ?? [])]) ?? [];
      expect(named.filter((path) => !paths.has(path))).toEqual([]);
    }
  });
});

interface PatroniYaml {
  readonly bootstrap: {
    readonly dcs: {
      readonly synchronous_mode: boolean;
      readonly synchronous_mode_strict: boolean;
      readonly postgresql: { readonly parameters: Record<string, unknown> };
    };
  };
  readonly postgresql: { readonly pg_hba: readonly string[] };
}

function patroniYaml(change: Parameters<typeof blueprint>[1]): PatroniYaml {
  const parts = renderEngine(postgres, blueprint("privx-onprem", change));
  const content = parts[0]?.files?.find((file) => file.path.endsWith("patroni.yml"))?.content;
  return parse(content?.kind === "text" ? content.text : "") as PatroniYaml;
}

describe("patroni.yml", () => {
  it("is synchronous exactly when no data may be lost", () => {
    expect(patroniYaml(() => {}).bootstrap.dcs.synchronous_mode).toBe(true);
    const bounded = patroniYaml((raw) => (raw.objectives.database.dataLoss = "bounded"));
    expect(bounded.bootstrap.dcs.synchronous_mode).toBe(false);
    expect(bounded.bootstrap.dcs.synchronous_mode_strict).toBe(false);
  });

  it("is strict only when a second standby can take the first one's place", () => {
    expect(patroniYaml(() => {}).bootstrap.dcs.synchronous_mode_strict).toBe(false);
    const three = patroniYaml((raw) => (raw.database.hosts = ["data1", "data2", "data3"]));
    expect(three.bootstrap.dcs.synchronous_mode_strict).toBe(true);
  });

  it("takes the operator's parameters over its own", () => {
    const config = patroniYaml((raw) => {
      raw.database.parameters = { shared_buffers: "1GB", work_mem: "8MB" };
    });
    expect(config.bootstrap.dcs.postgresql.parameters).toMatchObject({
      shared_buffers: "1GB",
      work_mem: "8MB",
    });
  });

  it("lets nobody in without TLS and a password, except the operating system's postgres user", () => {
    const rules = patroniYaml(() => {}).postgresql.pg_hba;
    const [superuser, replication, ...others] = rules;
    expect(superuser).toBe("local all postgres peer map=holdfast");
    expect(replication).toBe("local replication replicator scram-sha-256");
    expect(others.length).toBeGreaterThan(0);
    for (const rule of others) expect(rule).toMatch(/^hostssl .* \d+\.\d+\.\d+\.\d+\/32 scram-sha-256$/);
  });
});

const storageParts = (source: object): readonly HostPart[] =>
  renderEngine(
    storage,
    blueprint("privx-onprem", (raw) => (raw.storage.source = source)),
  );

describe("storage", () => {
  it("mounts an NFS export with the operator's options", () => {
    const [part] = storageParts({ kind: "nfs", server: "nas.example.test", export: "/export/audit" });
    expect(part?.packages).toEqual(["nfs-common"]);
    const unit = part?.files?.find((file) => file.path.endsWith("/var-privx-audit.mount"));
    expect(unit?.content.kind === "text" && unit.content.text).toContain(
      "What=nas.example.test:/export/audit\nWhere=/var/privx/audit\nType=nfs\nOptions=vers=4.2,hard,timeo=50,retrans=2,_netdev\n",
    );
    expect(part?.directories).toEqual([]);
  });

  it("is a directory of the app's user when it is local", () => {
    const [part] = storageParts({ kind: "local" });
    expect(part?.units).toBeUndefined();
    expect(part?.directories).toEqual([
      { path: "/var/privx/audit", mode: 0o750, owner: "access-manager:access-manager" },
    ]);
  });
});

const unitText = (part: HostPart | undefined, ending: string): string => {
  const content = part?.files?.find((file) => file.path.endsWith(ending))?.content;
  return content?.kind === "text" ? content.text : "";
};

describe("backups", () => {
  it("mounts a directory of the shared storage's export, which an app host makes first", () => {
    const parts = renderEngine(
      backup,
      blueprint("privx-onprem", (raw) => {
        raw.storage.source = { kind: "nfs", server: "nas.example.test", export: "/export/audit" };
      }),
    );
    expect(parts.map(({ host }) => host)).toEqual(["app1", "app2", "data1", "data2"]);
    for (const part of parts)
      expect(unitText(part, "var-backups-access\\x2dmanager.mount")).toContain(
        "What=nas.example.test:/export/audit/backups\nWhere=/var/backups/access-manager\n",
      );
    const makers = parts.filter(({ tasks }) => tasks?.some(({ id }) => id === "backup-storage"));
    expect(makers.map(({ host }) => host)).toEqual(["app1"]);
    const [storageTask] = makers[0]?.tasks?.filter(({ id }) => id === "backup-storage") ?? [];
    const [mount] = parts[0]?.units?.filter(({ name }) => name.endsWith(".mount")) ?? [];
    expect(storageTask?.phase).toBeLessThan(mount?.phase ?? 0);
  });

  it.each([
    ["no backup", (raw: { backup?: unknown }) => delete raw.backup],
    ["the hosts' own disks", (raw: { backup?: unknown }) => (raw.backup = { target: { kind: "local" } })],
  ])("archives no WAL with %s", (_, change) => {
    const topology = blueprint("privx-onprem", change);
    expect(renderEngine(pgbackrest, topology)).toEqual([]);
    expect(JSON.stringify(renderEngine(postgres, topology))).not.toMatch(/archive_|var\/backups/);
  });

  it("lets the operator change how soon WAL is archived, and not whether", () => {
    const parameters = patroniYaml((raw) => (raw.database.parameters = { archive_timeout: "10s" })).bootstrap
      .dcs.postgresql.parameters;
    expect(parameters).toMatchObject({ archive_mode: "on", archive_timeout: "10s" });
  });
});

it("renders nothing for tiers that the topology leaves out", () => {
  const topology = blueprint("privx-onprem", (raw) => {
    delete raw.cache;
    delete raw.storage;
    raw.backup.target = { kind: "local" };
  });
  expect(renderEngine(redis, topology)).toEqual([]);
  expect(redis.secrets(topology)).toEqual([]);
  expect(renderEngine(storage, topology)).toEqual([]);
});
