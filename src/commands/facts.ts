/** Reads at the edge what the rules of `check` judge: files that the topology names, this machine. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { constants } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";
import { totalmem } from "node:os";
import { dirname, resolve } from "node:path";
import type { CertificateContent, Facts, FileFacts, TlsFacts } from "../core/checks/rule.ts";
import type { Topology } from "../core/topology/schema.ts";
import { exec } from "../lib/exec.ts";

/** @param file the topology's: relative paths in it start from its directory. Never throws. */
export async function gatherFacts(topology: Topology, file: string): Promise<Facts> {
  const base = dirname(resolve(file));
  const { tls } = topology.entry;
  const clockSynchronized = await isClockSynchronized();
  return {
    now: Date.now(),
    ...(topology.app === undefined ? {} : { package: await readable(resolve(base, topology.app.package)) }),
    machine: { memory: totalmem(), ...(clockSynchronized === undefined ? {} : { clockSynchronized }) },
    ...(tls.source === "files"
      ? { tls: await tlsFacts(resolve(base, tls.certificate), resolve(base, tls.key)) }
      : {}),
  };
}

async function readable(file: string): Promise<FileFacts> {
  try {
    await access(file, constants.R_OK);
    return (await stat(file)).isFile() ? { file } : { file, unreadable: "not a file" };
  } catch (error) {
    return { file, unreadable: reason(error) };
  }
}

async function tlsFacts(certificateFile: string, keyFile: string): Promise<TlsFacts> {
  const certificate = await readPem(certificateFile, (pem) => new X509Certificate(pem));
  const key = await readPem(keyFile, (pem) => createPrivateKey(pem));
  const matches =
    certificate.content === undefined || key.content === undefined
      ? undefined
      : certificate.content.checkPrivateKey(key.content);
  const worldReadable = await stat(keyFile).then(
    ({ mode }) => (mode & 0o004) !== 0,
    () => false,
  );
  return {
    certificate: {
      ...certificate.facts,
      ...(certificate.content === undefined ? {} : { content: certificateContent(certificate.content) }),
    },
    key: { ...key.facts, worldReadable, ...(matches === undefined ? {} : { matches }) },
  };
}

async function readPem<T>(
  file: string,
  parse: (pem: Buffer) => T,
): Promise<{ facts: FileFacts; content?: T }> {
  const pem = await readFile(file).catch((error: unknown) => reason(error));
  if (typeof pem === "string") return { facts: { file, unreadable: pem } };
  try {
    return { facts: { file }, content: parse(pem) };
  } catch {
    // OpenSSL's own words ("DECODER routines::unsupported") help nobody.
    return { facts: { file, unreadable: "no PEM that can be read without a passphrase" } };
  }
}

function certificateContent(certificate: X509Certificate): CertificateContent {
  const names = (certificate.subjectAltName ?? "")
    .split(", ")
    .filter((name) => name.startsWith("DNS:") || name.startsWith("IP Address:"))
    .map((name) => name.slice(name.indexOf(":") + 1));
  return {
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
    names,
  };
}

/** Undefined when this machine has no systemd to ask, as in a container. */
async function isClockSynchronized(): Promise<boolean | undefined> {
  const answer = await exec(["timedatectl", "show", "--property=NTPSynchronized", "--value"], {
    timeoutMs: 2000,
  }).catch(() => undefined);
  if (answer?.code !== 0) return undefined;
  return { yes: true, no: false }[answer.stdout.trim()];
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ENOENT: "no such file",
    EACCES: "permission denied",
    EISDIR: "it is a directory",
    ENOTDIR: "a part of its path is not a directory",
  };
  return reasons[code ?? ""] ?? message;
}
