import { describe, expect, it } from "vitest";
import { unindented } from "./unindented.ts";

describe("a page without its indentation", () => {
  it("keeps every word and tag, each apart from the next as before", () => {
    expect(unindented("<p>\n    one\n\n  \t <b>two</b> three\n</p>")).toBe("<p>\none\n\n<b>two</b> three\n</p>");
  });

  it("keeps what is shown as it is written", () => {
    for (const kept of [
      "<pre><code>{\n  1\n}</code></pre>",
      "<textarea rows=2>\n  a</textarea\n    >",
      "<pre>\n <pre>\n x</pre>",
    ]) {
      expect(unindented(`<div>\n  ${kept}\n  </div>`)).toBe(`<div>\n${kept}\n</div>`);
    }
  });

  it("takes no more time than the page is long, whatever others wrote into it", () => {
    const hostile = "\n ".repeat(500_000) + "&lt;pre>".repeat(100_000) + "\n\t".repeat(500_000);
    expect(unindented(hostile).length).toBe(hostile.length - 1_000_000);
  });
});
