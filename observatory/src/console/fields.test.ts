import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalize, type JsonValue } from "@peerage/core";
import { fieldsOf, requestFields, revealed, revealedJson, visible } from "./fields.ts";

const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{M}\u00a0\u200b]/u;

describe("what a person decides on", () => {
  it("is shown whole: every value, empty ones and odd names included, each by its path", () => {
    const params: JsonValue = {
      name: "pay",
      arguments: { to: { iban: "DE89" }, parts: [1, []], "a b": null, "": {} },
      task: "t",
    };
    expect(requestFields(params)).toEqual([
      { path: "to.iban", value: '"DE89"' },
      { path: "parts[0]", value: "1" },
      { path: "parts[1]", value: "[]" },
      { path: '"a b"', value: "null" },
      { path: '""', value: "{}" },
      { path: "params.task", value: '"t"' },
    ]);
    expect(requestFields({ name: "pay" })).toEqual([{ path: "arguments", value: "none" }]);
  });

  it("hides nothing, whatever it is, and two different texts never look the same", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        for (const shown of [revealed(a), visible(a)]) expect(shown).not.toMatch(invisible);
        if (a !== b) expect(revealed(a)).not.toBe(revealed(b));
      }),
    );
  });

  it("reads back the same from the exact bytes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const jcs = canonicalize(value as JsonValue);
        const shown = revealedJson(jcs);
        expect(shown).not.toMatch(invisible);
        expect(canonicalize(JSON.parse(shown) as JsonValue)).toBe(jcs);
        expect(fieldsOf(value as JsonValue).length).toBeGreaterThan(0);
      }),
    );
  });
});
