import { X509Certificate, createPrivateKey } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { parse } from "yaml";
import { topologySchema, type Topology } from "../core/topology/schema.ts";
import { loadCertificates } from "./certificates.ts";

let directory: string;
let topology: Topology;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-pki-"));
  topology = topologySchema.parse(parse(await readFile("blueprints/privx-onprem.yaml", "utf8")));
});
afterEach(() => rm(directory, { recursive: true }));

it("issues certificates that the private CA vouches for, for the right names", async () => {
  const issued = await loadCertificates(directory, topology, null);
  const ca = new X509Certificate(issued.caCertificate);
  const data1 = issued.hosts.get("data1");
  if (data1 === undefined) throw new Error("no certificate for data1");
  const certificate = new X509Certificate(data1.certificate);
  expect(certificate.checkIssued(ca) && certificate.verify(ca.publicKey)).toBe(true);
  expect(certificate.checkHost("data1")).toBe("data1");
  expect(certificate.checkIP("10.77.10.31")).toBe("10.77.10.31");
  expect(certificate.checkPrivateKey(createPrivateKey(data1.key))).toBe(true);
  expect(new X509Certificate(issued.entry.certificate).checkIP("10.77.10.10")).toBe("10.77.10.10");
  expect((await stat(join(directory, "pki/ca.key"))).mode & 0o777).toBe(0o600);
});

it("keeps what is current and reissues what names a wrong address", async () => {
  const first = await loadCertificates(directory, topology, null);
  const host = topology.hosts["data1"];
  if (host === undefined) throw new Error("no data1");
  const moved = { ...topology, hosts: { ...topology.hosts, data1: { ...host, address: "10.77.10.99" } } };
  const second = await loadCertificates(directory, moved, null);
  expect(second.caCertificate).toBe(first.caCertificate);
  expect(second.hosts.get("data2")).toEqual(first.hosts.get("data2"));
  expect(second.hosts.get("data1")).not.toEqual(first.hosts.get("data1"));
});
