import fc from "../../../test/_properties.ts";
import { expect, it } from "vitest";
import { concat, fromHex, toHex } from "../encoding/bytes.ts";
import { sha256 } from "../encoding/sha256.ts";
import type { Digest } from "../json/digest.ts";
import { edgeDigest } from "./edge-digest.ts";

it("A-TRUST-08 digests the ids in ascending order, whatever their order and however much they have in common", () => {
  const id = fc.oneof(
    fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex),
    fc.nat(50).map((n) => n.toString(16).padStart(64, "0")),
    fc.nat(50).map((n) => n.toString(16).padEnd(64, "f")),
  );
  fc.assert(
    fc.property(fc.uniqueArray(id, { maxLength: 80, size: "max" }), (ids) => {
      const plain = `sha256:${toHex(sha256(concat(...[...ids].sort().map(fromHex))))}`;
      expect(edgeDigest(ids.map((hex): Digest => `sha256:${hex}`))).toBe(plain);
    }),
    { numRuns: 1000 },
  );
});
