import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compareText, renderComparison } from "../../src/core/drill/report/compare-page.ts";
import { renderReport } from "../../src/core/drill/report/document.ts";
import { hostile, reportInput } from "../support/drill-run.ts";

const files = join(import.meta.dirname, "files/drill-report");

describe("the report of a small run", () => {
  const text = renderReport(reportInput());

  it("is what was reviewed", async () => {
    await expect(text).toMatchFileSnapshot(join(files, "report.html"));
    const input = reportInput();
    await expect(`${compareText(input, input).join("\n")}\n`).toMatchFileSnapshot(
      join(files, "comparison.txt"),
    );
  });

  it("has nothing that was not figured out", () => {
    expect(text).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  it("loads nothing from anywhere: no address but places in itself", () => {
    const addresses = [...text.matchAll(/\b(?:src|href|action|data|poster)\s*=\s*"([^"]*)"/g)].map(
      ([, address]) => address,
    );
    expect(addresses.length).toBeGreaterThan(0);
    expect(addresses.filter((address) => !address?.startsWith("#"))).toEqual([]);
    expect(text).not.toMatch(/@import|url\((?!#)/);
    const ids = new Set([...text.matchAll(/\bid="([^"]*)"/g)].map(([, id]) => id));
    for (const address of addresses) expect(ids).toContain(address?.slice(1));
  });

  it("shows what others wrote as text, never as markup", () => {
    for (const document of [
      text,
      renderComparison({ ...reportInput(), run: hostile }, { ...reportInput(), topologyName: hostile }),
    ]) {
      expect(document).toContain("&lt;script src=&quot;https://evil.example/x.js&quot;&gt;");
      expect(document.match(/<script/g)).toHaveLength(1); // its own, which opens details for print
      expect(document).not.toContain("<img");
    }
  });

  it("names the worst repeat and lists lost writes with ids and times", () => {
    expect(text).toContain("Shown in full: repeat 2 of 2, the worst.");
    expect(text).toMatch(/run-41<\/code><\/th>\s*<td>2<\/td>\s*<td class="number">\+100\u00a0ms/);
    expect(text).toMatch(/run-43<\/code><\/th>\s*<td>2<\/td>\s*<td class="number">unknown/);
  });

  it("says of every fault that was not run why", () => {
    expect(text).toContain("Not run: the machines share one clock.");
    expect(text).toContain("does not apply: there is only one zone");
    expect(text).toContain("no stored run has it");
  });

  it("has unique identifiers, and a title and description for every picture of a fault", () => {
    const ids = [...text.matchAll(/\bid="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const pictures = [...text.matchAll(/<svg class="picture"[^>]*aria-labelledby="(\S+) (\S+)"/g)];
    expect(pictures).toHaveLength(2);
    for (const [, title, description] of pictures)
      expect(ids).toEqual(expect.arrayContaining([title, description]));
  });
});
