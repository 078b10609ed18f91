import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { goldenCases, vectorBytes, vectorJson, vectorsPresent } from "../../../test/_vectors.ts";
import { fromHex, utf8 } from "../encoding/bytes.ts";
import { sha256Hex } from "../encoding/sha256.ts";
import { isPeerageError } from "../errors.ts";
import { requestDigest } from "../call/request.ts";
import { canonicalize } from "./canonical.ts";
import { digest } from "./digest.ts";
import { parseJson } from "./parse.ts";
import { member } from "./types.ts";

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    return error.code;
  }
}

describe.skipIf(!vectorsPresent)("shared vectors", () => {
  it("A-JSON-02 A-JSON-04 A-JSON-05 reads and refuses the golden texts as stated", () => {
    for (const c of goldenCases("json", { valid: 9, invalid: 44 })) {
      const input = c.hex === undefined ? c.text : fromHex(c.hex);
      if (c.valid) {
        const value = parseJson(input);
        expect(canonicalize(value), c.id).toBe(c.expect.canonical);
        expect(digest(value), c.id).toBe(c.expect.digest);
      } else {
        expect(c.expect.codes, c.id).toContain(codeOf(() => parseJson(input)));
      }
    }
  });

  it("digests the golden requests as stated", () => {
    for (const c of goldenCases("digest", { valid: 14, invalid: 0 })) {
      const message = parseJson(JSON.stringify(c.message));
      expect(requestDigest(c.message.method, member(message, "params")), c.id).toBe(c.expect.req);
    }
  });

  it("A-JSON-08 writes the RFC 8785 documents byte for byte", () => {
    const { cases } = vectorJson("rfc8785-jcs/expected.json");
    expect(cases).toHaveLength(6);
    for (const c of cases) {
      const input = vectorBytes(`rfc8785-jcs/upstream/testdata/input/${c.id}.json`);
      const canonical = utf8(canonicalize(JSON.parse(input.toString("utf8"))));
      expect(sha256Hex(canonical), c.id).toBe(c.sha256);
      const code = codeOf(() => parseJson(new Uint8Array(input)));
      expect(code === undefined ? "accept" : "reject", c.id).toBe(c.strictReader === "accept" ? "accept" : "reject");
    }
  });

  it("prints the 10,000 numbers of the ES6 sequence", () => {
    const bytes = vectorBytes("rfc8785-jcs/es6-numbers-10000.txt");
    expect(sha256Hex(new Uint8Array(bytes))).toBe("b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892");
    const lines = bytes.toString("utf8").trimEnd().split("\n");
    expect(lines).toHaveLength(10_000);
    for (const line of lines) {
      const [hex = "", text] = line.split(",");
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, BigInt(`0x${hex}`));
      expect(canonicalize(view.getFloat64(0))).toBe(text);
    }
  });
});

describe("strict reader", () => {
  it("reads back whatever JSON it is given, unless a number would change", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const code = codeOf(() => parseJson(text));
        if (code === undefined) expect(parseJson(text)).toEqual(JSON.parse(text));
        else expect(["ERR_JSON_NUMBER", "ERR_JSON_DUPLICATE_KEY", "ERR_JSON_STRING"]).toContain(code);
      }),
      { numRuns: 2_000 },
    );
  });

  it("A-JSON-05 throws nothing but a code, on any text and any bytes", () => {
    const token = fc.constantFrom(...Array.from('{}[]:,"\\/truefalsnl0123456789.eE+-u \n\t\0\u2028\ud800'));
    fc.assert(
      fc.property(fc.string(), (text) => void codeOf(() => parseJson(text))),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 40 }), (tokens) => void codeOf(() => parseJson(tokens.join("")))),
      { numRuns: 5_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void codeOf(() => parseJson(bytes))),
      {
        numRuns: 2_000,
      },
    );
  });

  it("A-JSON-05 refuses a megabyte of brackets without a stack overflow", () => {
    expect(codeOf(() => parseJson("[".repeat(1_048_576)))).toBe("ERR_JSON_DEPTH");
    expect(codeOf(() => parseJson('{"a":'.repeat(200_000)))).toBe("ERR_JSON_DEPTH");
  });

  it("A-JSON-03 keeps __proto__ and constructor as plain own members", () => {
    const value = parseJson('{"__proto__":{"admin":true},"constructor":1,"a":{"__proto__":null}}');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect((value as { admin?: boolean }).admin).toBeUndefined();
    expect(JSON.stringify(value)).toBe('{"__proto__":{"admin":true},"constructor":1,"a":{"__proto__":null}}');
    expect(canonicalize(value)).toBe('{"__proto__":{"admin":true},"a":{"__proto__":null},"constructor":1}');
    expect(codeOf(() => parseJson('{"__proto__":1,"__proto__":2}'))).toBe("ERR_JSON_DUPLICATE_KEY");
  });

  it("A-JSON-04 judges a literal of a million zeros as fast as any other", () => {
    // A step for every pair of zeros would take an hour, so this ends by the test's own limit or at once.
    const zeros = "0".repeat(1_000_000);
    expect(codeOf(() => parseJson(`1.${zeros}1`))).toBe("ERR_JSON_NUMBER");
    expect(codeOf(() => parseJson(`0.${zeros}1`))).toBe("ERR_JSON_NUMBER");
    expect(parseJson(`1.${zeros}`)).toBe(1);
    expect(parseJson(`1${zeros}e-1000000`)).toBe(1);
  });

  it("A-JSON-04 accepts numbers that mean the same everywhere and refuses the others", () => {
    for (const text of ["1.0", "1e2", "0.1", "-0.5", "9007199254740991", "100E-2", "0", "5e-324"]) {
      expect(
        codeOf(() => parseJson(text)),
        text,
      ).toBeUndefined();
    }
    for (const text of ["9007199254740992", "-0", "-0.0", "1e400", "0.1000000000000000055", "1e21", "-0e1"]) {
      expect(
        codeOf(() => parseJson(text)),
        text,
      ).toBe("ERR_JSON_NUMBER");
    }
  });

  it("A-JSON-07 counts the limit in bytes, not in characters", () => {
    expect(codeOf(() => parseJson('"ééé"', { maxBytes: 8 }))).toBeUndefined();
    expect(codeOf(() => parseJson('"éééé"', { maxBytes: 8 }))).toBe("ERR_MESSAGE_TOO_LARGE");
    expect(codeOf(() => parseJson(utf8('"éééé"'), { maxBytes: 8 }))).toBe("ERR_MESSAGE_TOO_LARGE");
  });
});

it("canonicalises every value the same, whatever the order of its members", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 8 }), (object) => {
      const reversed = Object.fromEntries(Object.entries(object).reverse());
      expect(canonicalize(reversed as never)).toBe(canonicalize(object as never));
    }),
  );
});
