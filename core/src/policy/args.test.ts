import { describe, expect, it } from "vitest";
import type { JsonValue } from "../json/types.ts";
import { both, compileArgs, type Verdict } from "./args.ts";
import type { ArgumentTests } from "./document.ts";

function verdict(tests: ArgumentTests, args: unknown): Verdict {
  const start: Verdict = true;
  return compileArgs(tests).tests.reduce<Verdict>((all, one) => both(all, one.test(args as JsonValue)), start);
}

describe("argument tests", () => {
  const cases: [ArgumentTests, unknown, Verdict][] = [
    [{ a: "x" }, { a: "x" }, true],
    [{ a: "x" }, { a: "y" }, false],
    [{ a: ["x", "y"] }, { a: "y" }, true],
    [{ a: ["x", 1] }, { a: 2 }, false],
    [{ a: { "==": 1 } }, { a: 1 }, true],
    [{ a: { "!=": 1 } }, { a: 2 }, true],
    [{ a: { in: [1, 2] } }, { a: 3 }, false],
    [{ a: { notIn: [1, 2] } }, { a: 3 }, true],
    [{ a: { ">": 0, "<": 10 } }, { a: 10 }, false],
    [{ a: { ">=": 0, "<=": 10 } }, { a: 10 }, true],
    [{ a: { like: "x/*" } }, { a: "x/y" }, true],
    [{ a: { like: ["x/*", "z/**"] } }, { a: "z/y/w" }, true],
    [{ a: { notLike: "x/**" } }, { a: "y" }, true],
    [{ a: { notLike: "x/**" } }, { a: "x/y" }, false],
    [{ a: { maxLength: 2 } }, { a: "😀😀" }, true],
    [{ a: { maxLength: 2 } }, { a: "😀😀😀" }, false],
    [{ a: { absent: true } }, {}, true],
    [{ a: { absent: true } }, { a: 0 }, false],
    [{ "a.b": 1 }, { a: { b: 1 } }, true],
    [{ "/a/b": 1 }, { a: { b: 1 } }, true],
    [{ "/a.b": 1 }, { "a.b": 1 }, true],
    [{ "/a~1b/~0": 1 }, { "a/b": { "~": 1 } }, true],
    [{ "/list/1": "y" }, { list: ["x", "y"] }, true],
    [{ "list[]": { like: "s/*" } }, { list: ["s/a", "s/b"] }, true],
    [{ "list[]": { like: "s/*" } }, { list: ["s/a", "t/b"] }, false],
  ];
  it.each(cases)("%j on %j is %s", (tests, args, expected) => {
    expect(verdict(tests, args)).toBe(expected);
  });

  it("A-POL-03 P-MATCH-03 cannot be evaluated on a missing argument, null, another type or an array: nothing is converted", () => {
    const others = [{}, { a: null }, { a: "12500" }, { a: true }, { a: [12_500] }, { a: { b: 12_500 } }, [], null, "a"];
    const tests = [12_500, { "!=": 1 }, { in: [1] }, { notIn: [1] }, { "<": 20_000 }, { ">=": 0 }, [1, 2]] as const;
    for (const test of tests) {
      expect(verdict({ a: test }, { a: 12_500 }), JSON.stringify(test)).toBeTypeOf("boolean");
      for (const args of [...others, undefined])
        expect(verdict({ a: test }, args), JSON.stringify(args)).toBeUndefined();
    }
    expect(verdict({ a: true }, { a: 1 })).toBeUndefined();
    expect(verdict({ a: 1 }, { a: true })).toBeUndefined();
    expect(verdict({ a: { like: "**" } }, { a: 5 })).toBeUndefined();
    expect(verdict({ a: { maxLength: 5 } }, { a: [] })).toBeUndefined();
    expect(verdict({ a: { absent: true } }, { a: null })).toBeUndefined();
    expect(verdict({ "a[]": 1 }, { a: [] })).toBeUndefined();
    expect(verdict({ "a[]": 1 }, { a: 1 })).toBeUndefined();
    expect(verdict({ "a[]": 1 }, { a: [1, "1"] })).toBeUndefined();
  });

  it("A-POL-04 P-MATCH-04 reads own members only", () => {
    for (const path of ["constructor.name", "constructor", "/__proto__", "toString", "hasOwnProperty", "length"]) {
      expect(verdict({ [path]: { absent: true } }, { a: 1 }), path).toBe(true);
      expect(verdict({ [path]: "Object" }, { a: 1 }), path).toBeUndefined();
    }
    for (const path of ["list.length", "text.length", "list.at"]) {
      expect(verdict({ [path]: 3 }, { list: [1, 2, 3], text: "abc" }), path).toBeUndefined();
    }
    const own = JSON.parse('{"__proto__": {"admin": true}, "length": 3}') as unknown;
    expect(verdict({ "/__proto__/admin": true, length: 3 }, own)).toBe(true);
    expect(verdict({ admin: { absent: true } }, own)).toBe(true);
  });
});

describe("P-MATCH-05 a trailing []", () => {
  it("means every element, of a list that has one: in a deny rule it refuses only what holds of all", () => {
    const { test } = compileArgs({ "paths[]": { like: "/etc/**" } }).tests[0]!;
    expect(test({ paths: ["/etc/a", "/etc/b"] })).toBe(true);
    expect(test({ paths: ["/etc/a", "/tmp/b"] })).toBe(false);
    expect(test({ paths: [] })).toBeUndefined();
    expect(test({ paths: "/etc/a" })).toBeUndefined();
    expect(test({ paths: ["/etc/a", 1] })).toBeUndefined();
  });
});

describe("closed arguments", () => {
  const names = (tests: ArgumentTests, args: unknown) => compileArgs(tests).allNamed(args as JsonValue);

  it("names every member at every level down to the tested ones", () => {
    const tests: ArgumentTests = { table: "x", "options.force": false, "rows[]": 1 };
    expect(names(tests, { table: "x", options: { force: false }, rows: [1] })).toBe(true);
    expect(names(tests, {})).toBe(true);
    expect(names(tests, { table: { deep: 1 } })).toBe(true);
    expect(names(tests, { table: "x", cascade: true })).toBe(false);
    expect(names(tests, { options: { force: false, cascade: true } })).toBe(false);
    expect(names(tests, JSON.parse('{"__proto__": 1}'))).toBe(false);
    expect(names(tests, undefined)).toBe(false);
  });
});
