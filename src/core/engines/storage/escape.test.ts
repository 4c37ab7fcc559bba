import { expect, it } from "vitest";
import { escapePath } from "./escape.ts";

// Expectations are the output of `systemd-escape --path` (systemd 252).
it.each([
  ["/var/privx/audit", "var-privx-audit"],
  ["/var//privx/audit/", "var-privx-audit"],
  ["/srv/my-data", String.raw`srv-my\x2ddata`],
  ["/srv/.hidden", "srv-.hidden"],
  ["/.hidden/x", String.raw`\x2ehidden-x`],
  ["/a b/ä", String.raw`a\x20b-\xc3\xa4`],
  ["/", "-"],
])("spells %s as %s", (path, name) => {
  expect(escapePath(path)).toBe(name);
});
