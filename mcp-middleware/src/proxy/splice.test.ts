import type { JsonValue } from "@peerage/core";
import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { applyEdits, editsBetween } from "./splice.ts";

interface Message {
  readonly result?: { readonly _meta?: Record<string, unknown> };
  readonly tools?: readonly { readonly name: string }[];
}

function splice(text: string, change: (value: Message) => unknown): string {
  const before = JSON.parse(text) as JsonValue;
  return applyEdits(text, editsBetween(text, before, change(JSON.parse(text) as Message) as JsonValue));
}

const receipt = "dev.peerage/receipt";
const addReceipt = (message: Message): unknown => ({
  ...message,
  result: { ...message.result, _meta: { ...message.result?._meta, [receipt]: "eyJ.a.b" } },
});

describe("splicing", () => {
  it("changes nothing where nothing changed", () => {
    const text = ' { "n" : 1.0e2, "s":"\\u0041\\"]}", "l":[ 1 , 2 ] }\r';
    expect(splice(text, (value) => value)).toBe(text);
    expect(editsBetween(text, JSON.parse(text), JSON.parse(text))).toEqual([]);
  });

  it("A-HIST-06 adds a receipt and leaves every other byte, odd numbers and white space too", () => {
    const text = '{"jsonrpc":"2.0","id":1,"result":{ "big":12345678901234567890, "x":1.0 ,"_meta":{"a":"\\u00e9"} } }';
    expect(splice(text, addReceipt)).toBe(
      '{"jsonrpc":"2.0","id":1,"result":{ "big":12345678901234567890, "x":1.0 ,"_meta":{"a":"\\u00e9","dev.peerage/receipt":"eyJ.a.b"} } }',
    );
  });

  it("adds a receipt to an empty result", () => {
    expect(splice('{"id":1,"result":{}}', addReceipt)).toBe(
      '{"id":1,"result":{"_meta":{"dev.peerage/receipt":"eyJ.a.b"}}}',
    );
  });

  it("cuts filtered items out of a list, wherever they stand", () => {
    const text = '{"tools":[ {"name":"a"} , {"name":"b"}\n,{"name":"c"} ]}';
    const keep = (names: string) => splice(text, (v) => ({ tools: v.tools?.filter((t) => names.includes(t.name)) }));
    expect(keep("abc")).toBe(text);
    expect(keep("bc")).toBe('{"tools":[ {"name":"b"}\n,{"name":"c"} ]}');
    expect(keep("ac")).toBe('{"tools":[ {"name":"a"}\n,{"name":"c"} ]}');
    expect(keep("ab")).toBe('{"tools":[ {"name":"a"} , {"name":"b"} ]}');
    expect(keep("b")).toBe('{"tools":[ {"name":"b"} ]}');
    expect(keep("")).toBe('{"tools":[  ]}');
  });

  it("refuses to guess between two members of one name on the way to an edit", () => {
    expect(() => splice('{"id":1,"result":{},"result":{}}', addReceipt)).toThrow(SyntaxError);
    expect(() => splice('{"id":1,"result":{},"\\u0072esult":{}}', addReceipt)).toThrow(SyntaxError);
  });

  it("A-HIST-06 output minus receipt is the input, for any result in any white space", () => {
    const spaces = fc.constantFrom(undefined, 1, 2, "\t");
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), spaces, (members, space) => {
        const text = JSON.stringify({ jsonrpc: "2.0", id: 1, result: { ...members, _meta: { k: 1 } } }, null, space);
        const spliced = splice(text, addReceipt);
        expect(JSON.parse(spliced)).toEqual(addReceipt(JSON.parse(text)));
        expect(spliced.replace(',"dev.peerage/receipt":"eyJ.a.b"', "")).toBe(text);
      }),
    );
  });

  it("makes any JSON text hold any other value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (before, after) => {
        const text = JSON.stringify(before, null, 1);
        const target = JSON.parse(JSON.stringify(after)) as JsonValue;
        expect(JSON.parse(applyEdits(text, editsBetween(text, JSON.parse(text), target)))).toEqual(target);
      }),
      { numRuns: 300 },
    );
  });

  it("keeps exactly the items of any subsequence", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.jsonValue(), { selector: (v) => JSON.stringify(v) }),
        fc.infiniteStream(fc.boolean()),
        (list, coins) => {
          const text = JSON.stringify({ list }, null, 2);
          const before = JSON.parse(text);
          const kept = before.list.filter(() => coins.next().value === true);
          expect(JSON.parse(applyEdits(text, editsBetween(text, before, { list: kept })))).toEqual({ list: kept });
        },
      ),
    );
  });
});
