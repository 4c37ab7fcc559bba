import { expect, it } from "vitest";
import { guideProblems, readGuideSettings } from "./guide-settings.ts";

const filled = `#!/bin/bash
#export AWS_ACCESS_KEY_ID=AKIAOLD
export AWS_ACCESS_KEY_ID=AKIA123
export AWS_SECRET_ACCESS_KEY="abc/def+ghi="
  export AWS_DEFAULT_REGION='eu-west-1'   # ours
HA_NODE_1=ip-10-0-0-1.eu-west-1.compute.internal
HA_NODE_2=ip-10-0-0-2.eu-west-1.compute.internal\r
ALLOCATION_ID=eipalloc-0123
PATH=/bin:/sbin
INSTANCE_ID=\`wget -q -O - http://169.254.169.254/latest/meta-data/instance-id\`
ALLOCATION_ID=$(touch /tmp/x)
HA_NODE_1=$HA_NODE_2
HA_NODE_2=x; reboot
`;

it("reads what the operator filled in, and executes nothing", () => {
  const settings = readGuideSettings(filled);
  expect(settings).toEqual({
    AWS_ACCESS_KEY_ID: "AKIA123",
    AWS_SECRET_ACCESS_KEY: "abc/def+ghi=",
    AWS_DEFAULT_REGION: "eu-west-1",
    HA_NODE_1: "ip-10-0-0-1.eu-west-1.compute.internal",
    HA_NODE_2: "ip-10-0-0-2.eu-west-1.compute.internal",
    ALLOCATION_ID: "eipalloc-0123",
  });
  expect(guideProblems(settings)).toEqual([]);
});

it("says what is missing", () => {
  expect(
    guideProblems(readGuideSettings("export AWS_DEFAULT_REGION=\nHA_NODE_1=\nALLOCATION_ID=\n")),
  ).toHaveLength(3);
  const half = readGuideSettings(
    "AWS_ACCESS_KEY_ID=a\nHA_NODE_1=x\nHA_NODE_2=x\nALLOCATION_ID=203.0.113.1\nPROBE_PORT=http",
  );
  expect(guideProblems(half).map((problem) => problem.split(" ")[0])).toEqual([
    "ALLOCATION_ID",
    "AWS_DEFAULT_REGION",
    "HA_NODE_1",
    "AWS_ACCESS_KEY_ID",
    "PROBE_PORT",
  ]);
});
