import { describe, expect, it } from "vitest";
import { generateIdentity } from "../did/identity.ts";
import { utf8 } from "../encoding/bytes.ts";
import { PeerageError } from "../errors.ts";
import { isVerified } from "../verified.ts";
import { parsePlace } from "./place.ts";
import {
  formatPlaceFile,
  MAX_PLACE_PROOFS,
  parsePlaceFile,
  signPlaceProof,
  verifyPlaceProof,
  withPlaceProof,
} from "./place-proof.ts";

const place = parsePlace("example.org");
const agent = generateIdentity();
const now = new Date("2026-11-20T10:00:00Z");

describe("a place's proof", () => {
  it("is verified as it was signed, wherever its members stand", async () => {
    const [document] = parsePlaceFile(utf8(formatPlaceFile([await signPlaceProof(agent, place, now)])));
    const proof = await verifyPlaceProof(document!, place);
    expect(proof).toEqual({ issuer: agent.did, issued: now.getTime() / 1000, place, key: agent.did.slice(8) });
    expect(isVerified(proof)).toBe(true);
    const turned = Object.fromEntries(Object.entries(document!).reverse());
    expect((await verifyPlaceProof(turned, place)).issuer).toBe(agent.did);
  });

  it("holds in no file of which one byte differs, and fails with an error of ours", async () => {
    const bytes = utf8(JSON.stringify({ proofs: [await signPlaceProof(agent, place, now)] }));
    for (let at = 0; at < bytes.length; at++) {
      const altered = Uint8Array.from(bytes);
      altered[at]! ^= at % 2 === 0 ? 0x01 : 0x20;
      let verified: object | undefined;
      try {
        const [document] = parsePlaceFile(altered);
        if (document) verified = await verifyPlaceProof(document, place);
      } catch (error) {
        expect(error, `byte ${at}`).toBeInstanceOf(PeerageError);
      }
      expect(verified, `byte ${at}`).toBeUndefined();
    }
  });

  it("stands in a closed file, one of each agent, and not more than can be read", async () => {
    const mine = await signPlaceProof(agent, place, now);
    for (const text of [
      "",
      "[]",
      "{}",
      '{"proofs":{}}',
      '{"proofs":[1]}',
      '{"proofs":[],"x":1}',
      '{"proofs":[],"proofs":[]}',
    ])
      expect(() => parsePlaceFile(utf8(text)), text).toThrow(PeerageError);
    const later = await signPlaceProof(agent, place, new Date(now.getTime() + 1000));
    const other = await signPlaceProof(generateIdentity(), place, now);
    expect(withPlaceProof([mine, other], later)).toEqual([other, later]);
    const many = Array.from({ length: MAX_PLACE_PROOFS }, (_, i) => ({ ...other, issuer: String(i) }));
    expect(() => withPlaceProof(many, mine)).toThrow(PeerageError);
  });
});
