import "reflect-metadata";
import { X509Certificate, webcrypto } from "node:crypto";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import type { Certificate } from "../core/engines/engine.ts";
import { clientAddress, type Topology } from "../core/topology/schema.ts";
import { readIfExists, writeFileAtomic } from "../lib/atomic.ts";

const day = 86_400_000;
const caLifetime = 10 * 365 * day;
/** Under the 398 days that browsers accept; renewed by any `up` within the last 30. */
const leafLifetime = 365 * day;
const renewBefore = 30 * day;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

export interface Certificates {
  readonly caCertificate: string;
  readonly hosts: ReadonlyMap<string, Certificate>;
  readonly entry: Certificate;
}

/**
 * The topology's private CA and the certificates it issued, kept in `pki/` of its state directory.
 * Level: a certificate is (re)issued when it is missing, about to expire, or names the wrong addresses.
 * `operatorEntry` is the operator's own certificate for the entry, when the topology names files.
 */
export async function loadCertificates(
  directory: string,
  topology: Topology,
  operatorEntry: Certificate | null,
): Promise<Certificates> {
  const pki = join(directory, "pki");
  const ca = await loadCa(pki, topology.name);
  const hosts = new Map<string, Certificate>();
  for (const [name, host] of Object.entries(topology.hosts)) {
    const names = [name, "localhost", host.address, "127.0.0.1"];
    hosts.set(name, await loadLeaf(pki, `host-${name}`, name, names, ca));
  }
  const { domain } = topology.entry;
  const address = clientAddress(topology);
  const entryNames = [...(domain === undefined ? [] : [domain]), address];
  const entry = operatorEntry ?? (await loadLeaf(pki, "entry", domain ?? address, entryNames, ca));
  return { caCertificate: ca.certificate, hosts, entry };
}

async function loadCa(pki: string, topologyName: string): Promise<Certificate> {
  const known = await readPair(pki, "ca");
  if (known !== null) return known;
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const now = Date.now();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: [{ CN: [`Holdfast CA ${topologyName}`] }],
    notBefore: new Date(now - day),
    notAfter: new Date(now + caLifetime),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return writePair(pki, "ca", certificate, keys.privateKey);
}

async function loadLeaf(
  pki: string,
  file: string,
  commonName: string,
  names: readonly string[],
  ca: Certificate,
): Promise<Certificate> {
  const known = await readPair(pki, file);
  if (known !== null && isCurrent(known, names, ca)) return known;
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const issuer = new x509.X509Certificate(ca.certificate);
  const now = Date.now();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: [{ CN: [commonName] }],
    issuer: issuer.subject,
    notBefore: new Date(now - day), // hosts' clocks may be behind ours
    notAfter: new Date(now + leafLifetime),
    publicKey: keys.publicKey,
    signingKey: await importKey(ca.key),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isAddress(name) ? ("ip" as const) : ("dns" as const), value: name })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return writePair(pki, file, certificate, keys.privateKey);
}

function isCurrent(pair: Certificate, names: readonly string[], ca: Certificate): boolean {
  const certificate = new X509Certificate(pair.certificate);
  const alternatives = (certificate.subjectAltName ?? "")
    .split(", ")
    .map((entry) => entry.replace(/^(DNS|IP Address):/, ""));
  return (
    certificate.verify(new X509Certificate(ca.certificate).publicKey) &&
    new Date(certificate.validTo).getTime() - Date.now() > renewBefore &&
    names.length === alternatives.length &&
    names.every((name) => alternatives.includes(name))
  );
}

const isAddress = (name: string): boolean => /^\d+\.\d+\.\d+\.\d+$/.test(name);

/** 16 random bytes with the top bit clear: positive, as RFC 5280 wants, and never reused. */
function serial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(pem);
  if (der === undefined) throw new Error("the CA's key file is empty");
  return webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
}

async function readPair(pki: string, file: string): Promise<Certificate | null> {
  const [certificate, key] = await Promise.all([
    readIfExists(join(pki, `${file}.crt`)),
    readIfExists(join(pki, `${file}.key`)),
  ]);
  return certificate === null || key === null ? null : { certificate, key };
}

/** The certificate is written last: a pair cut between the two is made anew. */
async function writePair(
  pki: string,
  file: string,
  certificate: x509.X509Certificate,
  privateKey: webcrypto.CryptoKey,
): Promise<Certificate> {
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", privateKey);
  const pair = {
    certificate: `${certificate.toString("pem")}\n`,
    key: `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`,
  };
  await writeFileAtomic(join(pki, `${file}.key`), pair.key, 0o600);
  await writeFileAtomic(join(pki, `${file}.crt`), pair.certificate, 0o644);
  return pair;
}
