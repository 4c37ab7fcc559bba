import type { DesiredFile } from "../../plan/desired.ts";

interface FileOptions {
  readonly mode?: number;
  readonly owner?: string;
  readonly check?: readonly string[];
}

/** A public text file: root's, readable by all, unless said otherwise. */
export function textFile(path: string, text: string, options: FileOptions = {}): DesiredFile {
  return {
    path,
    content: { kind: "text", text },
    mode: options.mode ?? 0o644,
    owner: options.owner ?? "root:root",
    secret: false,
    ...(options.check === undefined ? {} : { check: options.check }),
  };
}

/** A text file with a secret in it: root's alone, unless said otherwise. */
export function secretFile(path: string, text: string, options: FileOptions = {}): DesiredFile {
  return { ...textFile(path, text, { ...options, mode: options.mode ?? 0o600 }), secret: true };
}

/** Holdfast's additions to a unit of the distribution. */
export function dropIn(unit: string, text: string): DesiredFile {
  return textFile(`/etc/systemd/system/${unit}.d/holdfast.conf`, text);
}
