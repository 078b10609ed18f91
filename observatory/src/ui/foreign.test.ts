import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { foreign, MOST_GRAPHEMES } from "./foreign.ts";

describe("foreign text", () => {
  it("shows an ordinary name as it is", () => {
    expect(foreign("brisk-lantern")).toBe("brisk-lantern");
    expect(foreign("Zoë Ångström 3")).toBe("Zoë Ångström 3");
    expect(foreign("東京エージェント")).toBe("東京エージェント");
  });

  it("is undefined where nothing is left to show", () => {
    for (const empty of [undefined, "", "   "]) expect(foreign(empty)).toBeUndefined();
  });

  it("A-WEB-06 writes out what hides, reorders or steers", () => {
    expect(foreign("abc\u202Etxt.exe")).toBe("abc\\u{202e}txt.exe");
    expect(foreign("bri\u200bsk")).toBe("bri\\u{200b}sk");
    expect(foreign("a\u00a0b\u3164c")).toBe("a\\u{a0}b\\u{3164}c");
    expect(foreign("\x1b[31mred\x07 \x9b2J")).toBe("\\u{1b}[31mred\\u{7} \\u{9b}2J");
    expect(foreign("\x1b]8;;https://evil.example\x1b\\link")).toContain("\\u{1b}]8;;");
    expect(foreign("x\ny\tz")).toBe("x\\u{a}y\\u{9}z");
  });

  it("keeps two marks on a letter and counts the others", () => {
    expect(foreign("e\u0301")).toBe("é");
    const stacked = foreign(`a${"\u0336".repeat(10_000)}b`) ?? "";
    expect(stacked.length).toBeLessThan(40);
    expect(stacked).toContain("marks)");
  });

  it("cuts at 64 graphemes", () => {
    expect(foreign("a".repeat(64))).toBe("a".repeat(64));
    expect(foreign("a".repeat(10_000))).toBe(`${"a".repeat(64)}…`);
  });

  it("never lets a control, bidi or zero-width character through, and stays short", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        const shown = foreign(text) ?? "";
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        expect(Array.from(new Intl.Segmenter("en").segment(shown)).length).toBeLessThanOrEqual(MOST_GRAPHEMES + 1);
      }),
    );
  });
});
