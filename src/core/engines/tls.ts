import type { DesiredDirectory, DesiredFile } from "../plan/desired.ts";
import type { RenderContext } from "./engine.ts";

export interface TlsPaths {
  readonly directory: string;
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** Where an engine finds its TLS files on every host. */
export function tlsPaths(engine: string): TlsPaths {
  const directory = `/etc/holdfast/tls/${engine}`;
  return {
    directory,
    ca: `${directory}/ca.pem`,
    certificate: `${directory}/cert.pem`,
    key: `${directory}/key.pem`,
  };
}

/** The private CA and the host's own certificate for one engine; only `user` (and root) can read the key. */
export function tlsParts(
  context: RenderContext,
  host: string,
  engine: string,
  user: string,
): { readonly directories: readonly DesiredDirectory[]; readonly files: readonly DesiredFile[] } {
  const paths = tlsPaths(engine);
  const { certificate, key } = context.hostCertificate(host);
  const file = (path: string, text: string, secret: boolean): DesiredFile => ({
    path,
    content: { kind: "text", text },
    mode: secret ? 0o600 : 0o644,
    owner: secret ? `${user}:${user}` : "root:root",
    secret,
  });
  return {
    directories: ["/etc/holdfast", "/etc/holdfast/tls", paths.directory].map((path) => ({
      path,
      mode: 0o755,
      owner: "root:root",
    })),
    files: [
      file(paths.ca, context.caCertificate, false),
      file(paths.certificate, certificate, false),
      file(paths.key, key, true),
    ],
  };
}
