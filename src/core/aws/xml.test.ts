import { array, assert, constantFrom, property } from "fast-check";
import { expect, it } from "vitest";
import { child, childText, items, parseXml } from "./xml.ts";

it("reads an answer of EC2: sets, texts, absent and empty elements", () => {
  const root = parseXml(`<?xml version="1.0" encoding="UTF-8"?>
<!-- a comment -->
<DescribeAddressesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>r</requestId>
  <addressesSet>
    <item><publicIp>203.0.113.9</publicIp><instanceId/><tagSet><item><key>a&amp;b</key><value>&lt;&#xe9;&#49;&unknown;</value></item></tagSet></item>
    <item><publicIp>203.0.113.10</publicIp></item>
  </addressesSet>
</DescribeAddressesResponse>
`);
  expect(root.name).toBe("DescribeAddressesResponse");
  const [first, second] = items(root, "addressesSet");
  expect(childText(first, "publicIp")).toBe("203.0.113.9");
  expect(childText(first, "instanceId")).toBeUndefined();
  expect(childText(first, "associationId")).toBeUndefined();
  expect(childText(second, "publicIp")).toBe("203.0.113.10");
  const [tag] = items(first, "tagSet");
  expect([childText(tag, "key"), childText(tag, "value")]).toEqual(["a&b", "<é1&unknown;"]);
  expect(items(root, "absent")).toEqual([]);
  expect(child(undefined, "x")).toBeUndefined();
});

it.each([
  "",
  "no markup",
  "<a>",
  "<a></b>",
  "</a>",
  "<a><b></a></b>",
  "<a/><",
  '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
  "<".repeat(100_000),
  "<a>".repeat(1000) + "</a>".repeat(1000),
])("refuses what is not well-formed: %.20s", (text) => {
  expect(() => parseXml(text)).toThrow(/not well-formed/);
});

it("never fails in another way, and never hangs", () => {
  const piece = constantFrom(
    "<a>",
    "</a>",
    "<b/>",
    "<",
    ">",
    "&",
    "&#",
    "&#x110000;",
    "text",
    "<!--",
    "-->",
    "<?",
    "/>",
  );
  assert(
    property(array(piece, { maxLength: 40 }), (pieces) => {
      try {
        parseXml(pieces.join(""));
        return true;
      } catch (error) {
        return (error as Error).message.startsWith("not well-formed");
      }
    }),
  );
});
