import fc from "../../../test/_properties.ts";
import { expect, it } from "vitest";
import { canonicalize } from "./canonical.ts";
import { fieldsOf, revealed, revealedJson, revealHidden } from "./fields.ts";
import type { JsonValue } from "./types.ts";

const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{M}\u00a0\u200b]/u;

it("a text that is shown whole hides nothing, whatever it is, and two different ones never look the same", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
      for (const shown of [revealed(a), revealHidden(a)]) expect(shown).not.toMatch(invisible);
      if (a !== b) expect(revealed(a)).not.toBe(revealed(b));
    }),
  );
});

it("a document is listed value by value, empty ones included, each by its path", () => {
  expect(fieldsOf({ to: { iban: "DE89" }, parts: [1, []], "a b": null, "": {} })).toEqual([
    { path: "to.iban", value: '"DE89"' },
    { path: "parts[0]", value: "1" },
    { path: "parts[1]", value: "[]" },
    { path: '"a b"', value: "null" },
    { path: '""', value: "{}" },
  ]);
});

it("canonical JSON that is shown whole reads back the same", () => {
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
