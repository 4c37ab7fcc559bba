import { expect, test } from "vitest";
import { debianUris, findMirror, sourcesList } from "./mirror.ts";

test("URIs of both formats of sources, without comments, options and files", () => {
  expect(debianUris("# deb http://old/debian x\ndeb [signed-by=/k] http://a/debian bookworm main\n")).toEqual(
    ["http://a/debian"],
  );
  expect(
    debianUris("Types: deb\nURIs: https://b/debian https://c/debian-security\n# URIs: http://no\n"),
  ).toEqual(["https://b/debian", "https://c/debian-security"]);
  expect(debianUris("deb file:/srv/debian x main\ndeb-src http://a/debian x main\n")).toEqual([]);
});

test("HOLDFAST_DEBIAN_MIRROR wins and is the only one used", async () => {
  const mirror = await findMirror({ HOLDFAST_DEBIAN_MIRROR: "http://mirror.example/debian" });
  expect(sourcesList(mirror, "bookworm")).toBe(
    "deb http://mirror.example/debian bookworm main\ndeb http://mirror.example/debian bookworm-updates main\n",
  );
});
