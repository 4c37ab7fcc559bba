import { describe, expect, it } from "vitest";
import { blueprint } from "../../../../test/support/render.ts";
import { knownRisks, limitsOf } from "./survival.ts";

const stoppedBy = (tier: string, topology = blueprint()): readonly string[] | undefined =>
  limitsOf(topology).find((limit) => limit.tier === tier)?.stoppedBy;

describe("what a topology cannot survive", () => {
  it("names the smallest losses of hosts and zones per tier", () => {
    expect(stoppedBy("entry")).toEqual(["the loss of both lb1 and lb2", "the loss of zones a and b at once"]);
    expect(stoppedBy("database")).toEqual([
      "the loss of both data1 and data2",
      "the loss of zones a and b at once",
    ]);
    expect(stoppedBy("coordination")).toEqual([
      "the loss of any 2 of data1, data2 and data3",
      "the loss of zones a and b at once",
      "the loss of zones a and c at once",
      "the loss of zones b and c at once",
    ]);
    expect(stoppedBy("storage")).toEqual(["the loss of the lab's shared directory"]);
  });

  it("names a single host and a single zone where one is enough, and no larger set then", () => {
    const topology = blueprint("privx-onprem", (raw) => {
      raw.app.hosts = ["app1"];
      raw.hosts["data2"].zone = "a";
    });
    expect(stoppedBy("app", topology)).toEqual(["the loss of app1", "the loss of zone a"]);
    expect(stoppedBy("database", topology)).toEqual([
      "the loss of both data1 and data2",
      "the loss of zone a",
    ]);
    expect(stoppedBy("coordination", topology)).toEqual([
      "the loss of any 2 of data1, data2 and data3",
      "the loss of zone a",
    ]);
  });

  it("lists the risks that check knows, with the reason for which they are accepted", () => {
    const risks = knownRisks(blueprint());
    const oneReplica = risks.find(({ code }) => code === "HF122");
    expect(oneReplica?.found).toContain("exactly one replica");
    expect(oneReplica?.accepted).toContain("repaired at once");
    const unaccepted = knownRisks(
      blueprint("privx-onprem", (raw) => {
        raw.accept = [];
      }),
    );
    expect(unaccepted.find(({ code }) => code === "HF122")?.accepted).toBeNull();
  });
});
