/** Rules: the certificate that clients see. The facts about files were read before. */
import { clientAddress } from "../topology/schema.ts";
import type { CertificateContent, Finding, Rule, TlsFacts } from "./rule.ts";

const DAY = 86_400_000;
/** Days before the end at which renewal is due: Let's Encrypt's and most CAs' advice. */
const RENEWAL_DAYS = 30;

const certificatePath = ["entry", "tls", "certificate"];
const keyPath = ["entry", "tls", "key"];

export const tlsRules: readonly Rule[] = [
  {
    code: "HF161",
    title: "TLS certificate readable",
    severity: "error",
    why: "HAProxy does not start without it.",
    fix: "Correct the path (it is relative to the topology file); the file must be PEM.",
    check: (_topology, { tls }) => {
      if (tls === undefined || tls.certificate.content !== undefined) return [];
      const { file, unreadable = "not a PEM certificate" } = tls.certificate;
      return [
        {
          path: certificatePath,
          found: `${file} cannot be used: ${unreadable}`,
          fix: "give a readable PEM file with the certificate and its chain",
        },
      ];
    },
  },
  {
    code: "HF162",
    title: "TLS key readable and the certificate's",
    severity: "error",
    why: "HAProxy refuses a key that does not belong to the certificate.",
    fix: "Give the key that the certificate was requested with, as PEM without a passphrase.",
    check: (_topology, { tls }) => {
      if (tls === undefined) return [];
      const { file, unreadable, matches } = tls.key;
      if (unreadable !== undefined) {
        return [
          {
            path: keyPath,
            found: `${file} cannot be used: ${unreadable}`,
            fix: "give a readable PEM private key without a passphrase",
          },
        ];
      }
      if (matches !== false) return [];
      return [
        {
          path: keyPath,
          found: `${file} is not the key of ${tls.certificate.file}`,
          fix: "give the key that the certificate was requested with",
        },
      ];
    },
  },
  {
    code: "HF163",
    title: "TLS certificate valid now",
    severity: "error",
    why: "Clients refuse a certificate outside its dates.",
    fix: "Renew the certificate, or correct this machine's clock.",
    check: (_topology, { tls, now }) => {
      const content = tls?.certificate.content;
      if (content === undefined) return [];
      if (content.notAfter <= now) {
        return [{ path: certificatePath, found: `expired on ${day(content.notAfter)}`, fix: "renew it" }];
      }
      if (content.notBefore <= now) return [];
      return [
        {
          path: certificatePath,
          found: `not valid before ${day(content.notBefore)}`,
          fix: "wait until then, or correct this machine's clock",
        },
      ];
    },
  },
  {
    code: "HF164",
    title: "TLS certificate not about to expire",
    severity: "warning",
    why: "An expired certificate is an outage that no redundancy helps against.",
    fix: `Renew it: fewer than ${RENEWAL_DAYS} days are left.`,
    check: (_topology, { tls, now }) => {
      const left = (tls?.certificate.content?.notAfter ?? Infinity) - now;
      if (left <= 0 || left > RENEWAL_DAYS * DAY) return [];
      const days = Math.floor(left / DAY);
      return [
        {
          path: certificatePath,
          found: `expires in ${days} day${days === 1 ? "" : "s"}`,
          fix: "renew it now",
        },
      ];
    },
  },
  {
    code: "HF165",
    title: "TLS certificate covers the domain",
    severity: "error",
    why: "Clients refuse a certificate for another name.",
    fix: "Get a certificate with the name as subject alternative name, or correct `entry.domain`.",
    check: ({ entry }, { tls }) => (entry.domain === undefined ? [] : uncovered(entry.domain, tls)),
  },
  {
    code: "HF166",
    title: "TLS key private",
    severity: "error",
    why: "Whoever can read the key can pretend to be the service.",
    fix: "chmod 600 the key file.",
    check: (_topology, { tls }) =>
      tls?.key.worldReadable === true
        ? [
            {
              path: keyPath,
              found: `${tls.key.file} can be read by every user of this machine`,
              fix: `chmod 600 ${tls.key.file}`,
            },
          ]
        : [],
  },
  {
    code: "HF167",
    title: "TLS certificate covers the virtual address",
    severity: "warning",
    why: "Without `entry.domain` clients are taken to use the virtual address itself, and refuse a certificate that does not name it.",
    fix: "Set `entry.domain` to the name that clients use.",
    check: ({ entry }, { tls }) =>
      entry.domain === undefined ? uncovered(clientAddress({ entry }), tls) : [],
  },
];

function uncovered(name: string, tls: TlsFacts | undefined): Finding[] {
  const content = tls?.certificate.content;
  if (content === undefined || covers(content, name)) return [];
  const found = `valid for ${content.names.join(", ") || "no name"}, not for ${name}`;
  return [{ path: certificatePath, found, fix: "get a certificate for it, or correct entry.domain" }];
}

const day = (time: number): string => new Date(time).toISOString().slice(0, 10);

function covers(certificate: CertificateContent, name: string): boolean {
  return certificate.names.some((own) => {
    if (own.toLowerCase() === name) return true;
    // A wildcard stands for exactly one label.
    return (
      own.startsWith("*.") &&
      name.includes(".") &&
      name.slice(name.indexOf(".")) === own.slice(1).toLowerCase()
    );
  });
}
