import { describe, expect, it } from "vitest";
import { html } from "./html.ts";

describe("html", () => {
  it("escapes every value, in text and in attributes", () => {
    const hostile = `"><script>alert('1')</script>&`;
    expect(html`<a title="${hostile}">${hostile}</a>`.toString()).toBe(
      '<a title="&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;">&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;</a>',
    );
  });

  it("takes markup, lists, numbers and nothing", () => {
    const items = ["a", "<b>"].map((item) => html`<b>${item}</b>`);
    expect(html`<p>${items}${null}${3}</p>`.toString()).toBe("<p><b>a</b><b>&lt;b&gt;</b>3</p>");
  });

  it("replaces control characters, but for tab and newline", () => {
    expect(html`${"a\u0000b\u001b[31m\tc\n"}`.toString()).toBe("a\ufffdb\ufffd[31m\tc\n");
  });
});
