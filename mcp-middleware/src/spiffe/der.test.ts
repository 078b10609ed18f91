import { describe, expect, it } from "vitest";
import { detailOf } from "../../../test/_spiffe.ts";
import { bitStringOf, booleanOf, checkInteger, children, type Der, oidOf, readDer, readWhole, smallIntegerOf, tags, timeOf } from "./der.ts"; // prettier-ignore

const der = (hex: string): Der => readDer(Buffer.from(hex, "hex"));
const verdict = (read: (der: Der) => unknown, hex: string): unknown => {
  let value: unknown;
  const detail = detailOf(() => (value = read(der(hex))));
  return detail === "accept" ? value : detail;
};
const time = (tag: string, text: string): unknown =>
  verdict(timeOf, tag + text.length.toString(16).padStart(2, "0") + Buffer.from(text).toString("hex"));

describe("the DER reader", () => {
  it("takes definite lengths in their shortest form only", () => {
    expect(verdict(({ end }) => end, "0401aa")).toBe(3);
    for (const hex of ["0480aa0000", "048101aa", "04820001aa", "0402aa", "04", "", "1f0100", "0484000000010000"]) {
      expect(
        verdict(({ end }) => end, hex),
        hex,
      ).toBe("malformed");
    }
    expect(detailOf(() => readWhole(Buffer.from("04010000", "hex"), tags.octetString))).toBe("malformed");
    expect(detailOf(() => children(der("0401aa")))).toBe("malformed");
    expect(detailOf(() => children(der("30030402aa")))).toBe("malformed");
  });

  it("takes one form of each value", () => {
    expect([verdict(booleanOf, "0101ff"), verdict(booleanOf, "010100"), verdict(booleanOf, "010101")]).toEqual([true, false, "malformed"]); // prettier-ignore
    expect([verdict(smallIntegerOf, "020100"), verdict(smallIntegerOf, "020200ff"), verdict(smallIntegerOf, "0201ff")]).toEqual([0, 255, "malformed"]); // prettier-ignore
    for (const hex of ["0200", "0202007f", "0202ff80"]) expect(verdict(checkInteger, hex), hex).toBe("malformed");
    expect(verdict(oidOf, "0603551d0f")).toBe("551d0f");
    for (const hex of ["0600", "060180", "0603558001", "06025581"]) expect(verdict(oidOf, hex), hex).toBe("malformed");
    for (const hex of ["0300", "030108", "030101", "03020101", "030208ff"])
      expect(verdict(bitStringOf, hex), hex).toBe("malformed");
  });

  it("takes instants that exist, in UTC and with seconds", () => {
    expect(time("17", "261120120000Z")).toBe(Date.UTC(2026, 10, 20, 12) / 1000);
    expect(time("17", "500101000000Z")).toBe(Date.UTC(1950, 0, 1) / 1000);
    expect(time("18", "20500101000000Z")).toBe(Date.UTC(2050, 0, 1) / 1000);
    expect(time("17", "240229235959Z")).toBe(Date.UTC(2024, 1, 29, 23, 59, 59) / 1000);
    for (const text of [
      "260229000000Z",
      "261120240000Z",
      "261120126000Z",
      "261120120060Z",
      "261300000000Z",
      "2611201200Z",
      "261120120000",
      "261120120000+0100",
      "26112012000aZ",
    ]) {
      expect(time("17", text), text).toBe("malformed");
    }
    expect(time("18", "20261120120000.5Z")).toBe("malformed");
    expect(time("04", "20261120120000Z")).toBe("malformed");
  });
});
