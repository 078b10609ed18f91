import { expect, it } from "vitest";
import { randomBytes, toHex } from "./bytes.ts";

it("draws identifiers and keys that never repeat, across many refills of the pool", () => {
  const drawn = Array.from({ length: 2_000 }, (_, i) => toHex(randomBytes([16, 8, 32, 5, 12][i % 5]!)));
  expect(new Set(drawn).size).toBe(2_000);
  expect(drawn.slice(0, 5).map((hex) => hex.length)).toEqual([32, 16, 64, 10, 24]);
  expect(drawn.some((hex) => /^0*$/.test(hex))).toBe(false);
});

it("hands out bytes that nobody else holds", () => {
  const first = randomBytes(16);
  const before = toHex(first);
  randomBytes(16).fill(0);
  expect(toHex(first)).toBe(before);
  expect(first.buffer.byteLength).toBe(16);
});
