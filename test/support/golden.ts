/** Golden files: what an operator would review, one file per rendered file, under test/golden/files. */
import { join } from "node:path";
import { expect } from "vitest";
import type { HostPart } from "../../src/core/engines/engine.ts";

const goldenRoot = join(import.meta.dirname, "../golden/files");

/**
 * Compares every text file of the parts with `files/<topology>/<host>/<path>`, and the rest (modes,
 * owners, units, tasks, ...) with `files/<topology>/<host>/<engine>.json`.
 */
export async function matchGolden(
  topology: string,
  engine: string,
  parts: readonly HostPart[],
): Promise<void> {
  for (const part of parts) {
    const directory = join(goldenRoot, topology, part.host);
    for (const file of part.files ?? []) {
      if (file.content.kind === "text") {
        await expect(file.content.text).toMatchFileSnapshot(join(directory, file.path));
      }
    }
    const { host: _, files, ...rest } = part;
    const summary = {
      ...rest,
      files: files?.map(({ content, ...file }) =>
        content.kind === "artifact" ? { ...file, artifact: content.artifact } : file,
      ),
    };
    await expect(`${JSON.stringify(summary, null, 2)}\n`).toMatchFileSnapshot(
      join(directory, `${engine}.json`),
    );
  }
}
