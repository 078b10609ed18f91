import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { nameGlob, pathGlob } from "./glob.ts";

describe("name globs", () => {
  it.each([
    ["read_*", "read_file", true],
    ["read_*", "read_", true],
    ["read_*", "xread_file", false],
    ["*_file", "read_file", true],
    ["a*b*c", "abc", true],
    ["a*b*c", "a-b-b-c", true],
    ["a*a", "a", false],
    ["a*bc*bc", "abc", false],
    ["*", "", true],
    ["a.c", "abc", false],
    ["a?c", "abc", false],
    ["[ab]", "a", false],
    ["a*", "a/b/c", true],
  ])("%s on %s is %s", (pattern, name, expected) => {
    expect(nameGlob(pattern)(name)).toBe(expected);
  });

  it("A-POL-05 matches the whole string, byte for byte: no trailing newline, case or look-alike", () => {
    const matches = nameGlob("delete_*_now");
    expect(matches("delete_all_now")).toBe(true);
    for (const name of [
      "delete_all_now\n",
      "Delete_all_now",
      "delete_all_nоw",
      "delete_ａll_noｗ",
      " delete_all_now",
    ]) {
      expect(matches(name), JSON.stringify(name)).toBe(false);
    }
    // The two spellings of é are two names.
    expect(nameGlob("caf\u00e9")("cafe\u0301")).toBe(false);
  });

  it("A-POL-05 takes a pattern that looks like an expensive expression as plain text", () => {
    expect(nameGlob("^(a+)+$")("a".repeat(100_000) + "!")).toBe(false);
    expect(nameGlob("^(a+)+$")("^(a+)+$")).toBe(true);
    expect(nameGlob("*a".repeat(200))("a".repeat(100_000) + "b")).toBe(false);
  });
});

describe("path globs", () => {
  it.each([
    ["scratch/*", "scratch/a", true],
    ["scratch/*", "scratch/a/b", false],
    ["scratch/**", "scratch/a/b", true],
    ["scratch/**", "scratch", false],
    ["scratch/**", "/etc/passwd", false],
    ["**/x.txt", "a/b/x.txt", true],
    ["**/x.txt", "x.txt", false],
    ["a/*/c/**/e", "a/b/c/d/d/e", true],
    ["a/*/c/**/e", "a/b/b/c/d/e", false],
    ["file:///srv/*.md", "file:///srv/a.md", true],
    ["*", "", true],
    ["**", "any/../thing%2e\\\n", true],
  ])("%s on %s is %s", (pattern, path, expected) => {
    expect(pathGlob(pattern)(path)).toBe(expected);
  });

  it("does not judge a path that other software may read differently", () => {
    const matches = pathGlob("scratch/**");
    for (const path of [
      "scratch/../etc/passwd",
      "scratch/./a",
      "scratch/..",
      "../scratch/a",
      "scratch/%2e%2e/etc",
      "scratch\\..\\etc",
      "scratch/a\u0000.txt",
      "scratch/a\n",
      "scratch/\u0085",
    ]) {
      expect(matches(path), JSON.stringify(path)).toBeUndefined();
    }
    expect(matches("scratch/..a/b...c/.d")).toBe(true);
  });

  it("A-POL-05 takes time that grows with the text only, whatever the stars", () => {
    const matches = pathGlob("*a".repeat(100) + "/**b");
    expect(matches("a".repeat(20_000))).toBe(false);
    expect(matches("a".repeat(100) + "/x/b")).toBe(true);
  });

  it("agrees with a matcher that tries every split", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 8 });
    const pattern = fc
      .array(fc.constantFrom("a", "b", "/", "*", "**"), { maxLength: 7 })
      .filter((parts) => parts.every((part, i) => !(part.startsWith("*") && parts[i - 1]?.startsWith("*"))));
    fc.assert(
      fc.property(pattern, text, (parts, subject) => {
        expect(pathGlob(parts.join(""))(subject)).toBe(everySplit(parts, subject));
      }),
      { numRuns: 3000 },
    );
  });
});

function everySplit([first, ...rest]: string[], text: string): boolean {
  if (first === undefined) return text === "";
  if (!first.startsWith("*")) return text.startsWith(first) && everySplit(rest, text.slice(first.length));
  for (let length = 0; length <= text.length; length++) {
    if (first === "*" && text.slice(0, length).includes("/")) return false;
    if (everySplit(rest, text.slice(length))) return true;
  }
  return false;
}
