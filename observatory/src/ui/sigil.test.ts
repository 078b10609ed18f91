import { generateIdentity, identityFromSeed } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { sigilOf } from "./sigil.ts";

describe("sigil", () => {
  it("is the same for the same DID, and different for another", () => {
    const { did } = identityFromSeed(new Uint8Array(32).fill(7));
    expect(sigilOf(did)).toEqual(sigilOf(did));
    expect(sigilOf(did)).not.toEqual(sigilOf(generateIdentity().did));
  });

  it("is made of numbers and colours only, six stars joined by five lines inside the disc", () => {
    for (let i = 0; i < 200; i++) {
      const sigil = sigilOf(generateIdentity().did);
      for (const colour of [sigil.disc, sigil.line, sigil.large, sigil.small]) expect(colour).toMatch(/^#[0-9a-f]{6}$/);
      expect(sigil.lines).toMatch(/^(?:M\d+ \d+L\d+ \d+){5}$/);
      const stars = sigil.largeStars + sigil.smallStars;
      expect(stars).toMatch(/^(?:M\d+ \d+h0){6}$/);
      for (const [, x, y] of stars.matchAll(/M(\d+) (\d+)/g)) {
        expect(Math.hypot(Number(x) - 32, Number(y) - 32)).toBeLessThan(27);
      }
    }
  });
});
