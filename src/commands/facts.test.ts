import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as x509 from "@peculiar/x509";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { TlsFacts } from "../core/checks/rule.ts";
import { parseTopology } from "../core/topology/parse.ts";
import { gatherFacts } from "./facts.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-facts-test-"));
});
afterEach(() => rm(directory, { recursive: true }));

const notBefore = new Date("2026-01-01T00:00:00Z");
const notAfter = new Date("2027-01-01T00:00:00Z");

async function writePair(certificateFile: string, keyFile: string): Promise<void> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const names = new x509.SubjectAlternativeNameExtension([
    { type: "dns", value: "access.example.test" },
    { type: "ip", value: "10.77.10.10" },
  ]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    { name: "CN=access", notBefore, notAfter, signingAlgorithm: algorithm, keys, extensions: [names] },
    webcrypto,
  );
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  await writeFile(join(directory, certificateFile), certificate.toString("pem"));
  await writeFile(join(directory, keyFile), x509.PemConverter.encode(pkcs8, "PRIVATE KEY"), { mode: 0o600 });
}

async function tlsFacts(certificate: string, key: string): Promise<TlsFacts | undefined> {
  const blueprint = await readFile(
    resolve(import.meta.dirname, "../../blueprints/privx-onprem.yaml"),
    "utf8",
  );
  const tls = `affinity: cookie\n  tls: { source: files, certificate: ${certificate}, key: ${key} }`;
  const { topology } = parseTopology(blueprint.replace("affinity: cookie", tls), "t.yaml");
  if (topology === undefined) throw new Error("the topology is invalid");
  return (await gatherFacts(topology, join(directory, "t.yaml"))).tls;
}

test("a certificate and its key", async () => {
  await writePair("a.pem", "a.key");
  expect(await tlsFacts("a.pem", "a.key")).toEqual({
    certificate: {
      file: join(directory, "a.pem"),
      content: {
        notBefore: notBefore.getTime(),
        notAfter: notAfter.getTime(),
        names: ["access.example.test", "10.77.10.10"],
      },
    },
    key: { file: join(directory, "a.key"), worldReadable: false, matches: true },
  });
});

test("another certificate's key, readable by everybody", async () => {
  await writePair("a.pem", "a.key");
  await writePair("b.pem", "b.key");
  await chmod(join(directory, "b.key"), 0o644);
  expect((await tlsFacts("a.pem", "b.key"))?.key).toMatchObject({ matches: false, worldReadable: true });
});

test("missing files and files of another kind are facts, not errors", async () => {
  await writeFile(join(directory, "text.pem"), "no certificate\n");
  const facts = await tlsFacts("text.pem", "missing.key");
  expect(facts?.certificate).toMatchObject({ unreadable: "no PEM that can be read without a passphrase" });
  expect(facts?.certificate.content).toBeUndefined();
  expect(facts?.key).toMatchObject({ unreadable: "no such file" });
  expect(facts?.key.matches).toBeUndefined();
});
