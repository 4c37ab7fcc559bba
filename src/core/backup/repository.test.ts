import { describe, expect, it } from "vitest";
import { parseRepository } from "./repository.ts";

// pgBackRest 2.45, shortened where nothing is read.
const answer = `[{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":"000000010000000000000007","min":"000000010000000000000001"}],"backup":[{"archive":{"start":"000000010000000000000003","stop":"000000010000000000000003"},"backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},"error":false,"info":{"delta":31457280,"repository":{"delta":4194304},"size":31457280},"label":"20261120-150000F","lsn":{"start":"0/3000028","stop":"0/3000138"},"prior":null,"reference":null,"timestamp":{"start":1795186800,"stop":1795186804},"type":"full"},{"error":true,"info":{"size":31457280},"label":"20261120-150000F_20261120-160000I","timestamp":{"start":1795190400,"stop":1795190402},"type":"incr"}],"cipher":"none","db":[{"id":1,"repo-key":1,"system-id":7574642301953421871,"version":"15"}],"name":"shop","repo":[{"cipher":"none","key":1,"status":{"code":0,"message":"ok"}}],"status":{"code":0,"lock":{"backup":{"held":true}},"message":"ok"}}]`;

describe("parseRepository", () => {
  it("reads the backups, and a system id to its last digit", () => {
    expect(parseRepository(answer, "shop")).toEqual({
      backups: [
        {
          label: "20261120-150000F",
          type: "full",
          started: 1_795_186_800,
          stopped: 1_795_186_804,
          size: 31_457_280,
          damaged: false,
        },
        expect.objectContaining({ type: "incr", damaged: true }),
      ],
      systems: ["7574642301953421871"],
      newestWal: "000000010000000000000007",
      running: true,
    });
  });

  it("takes a stanza that is not there for an empty one", () => {
    const missing = `[{"backup":[],"db":[],"name":"shop","status":{"code":1,"lock":{"backup":{"held":false}},"message":"missing stanza path"}}]`;
    const empty = { backups: [], systems: [], newestWal: null, running: false };
    expect(parseRepository(missing, "shop")).toEqual(empty);
    expect(parseRepository("[]", "shop")).toEqual(empty);
  });

  it("is null for anything else", () => {
    expect(parseRepository("", "shop")).toBeNull();
    expect(parseRepository("ERROR: [055]: unable to load info file", "shop")).toBeNull();
  });
});
