/** Failing package tools, in their own words: what operators are told. */
import { expect, test } from "vitest";
import { buildError } from "./image.ts";
import { aptError } from "./prerequisites.ts";

test.each([
  [
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (apt-get)",
    "another package manager is running",
  ],
  ["E: You don't have enough free space in /var/cache/apt/archives/.", "the disk is full"],
  ["dpkg: error: failed to write: No space left on device", "the disk is full"],
  [
    "W: Failed to fetch http://x/InRelease  Temporary failure resolving 'x'",
    "the package server could not be reached",
  ],
  ["E: Unable to locate package mmdebstrap", "E: Unable to locate package mmdebstrap"],
])("apt: %s", (output, found) => {
  const error = aptError(["mmdebstrap"], output);
  expect(error.message).toContain("mmdebstrap could not be installed");
  expect(error.message).toContain(found);
  expect(error.fix).toBeTruthy();
});

test.each([
  ["tar: ./usr: Cannot write: No space left on device", "the disk is full"],
  [
    "E: The repository 'http://x bookworm Release' does not have a Release file. Could not connect to x:80",
    "a package server could not be reached",
  ],
  [
    "ERROR: No matching distribution found for patroni[etcd3]==4.1.5",
    "a package server could not be reached",
  ],
  ["dpkg: error processing package nginx", "dpkg: error processing package nginx"],
])("image: %s", (output, found) => {
  expect(buildError("building the base image", output, "").message).toContain(found);
});
