import fc from "../../../test/_properties.ts";
import { type Did } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { addingColumn, fingerprintText, scoreText } from "./format.ts";

describe("numbers and names", () => {
  it("shows of a DID what tells it apart", () => {
    const did = "did:key:z6Mkn7BQRa8Gw46fgAhGxH7DMrHqMz99SgkYYvuYxE5ixiW4" as Did;
    expect(fingerprintText(did)).toBe("z6Mkn7BQR…xiW4");
  });

  it("never shows a score that rounds to nothing as 0.00, and an unknown one not as a number", () => {
    expect(scoreText("unknown")).toBe("unknown");
    expect(scoreText(0.000001)).toBe("< 0.01");
    expect(scoreText(0.005)).toBe("0.01");
    expect(scoreText(1)).toBe("1.00");
  });

  it("rounds a column so that it adds up to the rounded total, digit for digit", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-7, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 }),
        (values) => {
          const total = values.reduce((sum, value) => sum + value, 0);
          const micro = addingColumn(values, total).map((text) => Math.round(Number(text) * 1e6));
          expect(micro.reduce((sum, value) => sum + value, 0)).toBe(Math.round(Number(total.toFixed(6)) * 1e6));
        },
      ),
    );
  });
});
