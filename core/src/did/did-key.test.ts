import { describe, expect, it } from "vitest";
import { goldenCases, vectorJson, vectorsPresent } from "../../../test/_vectors.ts";
import { toHex } from "../encoding/bytes.ts";
import { isPeerageError } from "../errors.ts";
import { parseDid, parseMultibaseKey, publicKeyOf, didFromPublicKey, keyIdOf } from "./did-key.ts";
import { generateIdentity, identityFromSeed } from "./identity.ts";
import { resolveDid } from "./resolve.ts";

const identityPoint = "did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj";

function refusal(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return isPeerageError(error) ? error.code : String(error);
  }
}

describe.skipIf(!vectorsPresent)("shared vectors", () => {
  it("A-DID-03 accepts and refuses the golden DIDs as stated", async () => {
    for (const c of goldenCases("did", { valid: 5, invalid: 47 })) {
      expect(
        refusal(() => parseDid(c.did)),
        c.id,
      ).toBe(c.valid ? undefined : "ERR_DID_INVALID");
      await expect(
        resolveDid(c.did).then(
          () => true,
          () => false,
        ),
        c.id,
      ).resolves.toBe(c.valid);
      if (!c.valid) continue;
      expect(toHex(publicKeyOf(c.did).bytes)).toBe(c.expect.publicKey);
      expect(keyIdOf(parseDid(c.did))).toBe(c.expect.kid);
    }
  });

  it("parses the DIDs of the did:key method's own vectors", () => {
    const { cases } = vectorJson("did-key-ed25519/expected.json");
    expect(cases).toHaveLength(6);
    for (const c of cases) {
      expect(
        refusal(() => parseDid(c.id)),
        c.id,
      ).toBe(c.verdict === "accept" ? undefined : "ERR_DID_INVALID");
      if (c.verdict === "accept") expect(toHex(publicKeyOf(c.id).bytes)).toBe(c.publicKey);
    }
  });
});

it("A-DID-01 refuses the identity point, which signs anything, and accepts an honest key", () => {
  expect(refusal(() => parseDid(identityPoint))).toBe("ERR_DID_INVALID");
  expect(refusal(() => parseMultibaseKey(identityPoint.slice(8)))).toBe("ERR_DID_INVALID");
  const { did } = generateIdentity();
  expect(parseDid(did)).toBe(did);
});

it("A-DID-03 refuses whatever is not a string", () => {
  for (const value of [undefined, null, 1, {}, [], ["did:key:z6Mk"], true]) {
    expect(refusal(() => parseDid(value))).toBe("ERR_DID_INVALID");
  }
});

it("A-DID-07 refuses did:web without opening a connection", async () => {
  await expect(resolveDid("did:web:127.0.0.1%3A80")).rejects.toSatisfy((e) => isPeerageError(e, "ERR_DID_INVALID"));
});

it("A-DID-07 keeps accepting the first DID after the key cache has turned over", () => {
  const first = generateIdentity().did;
  // Keys that fail are not cached at all; a thousand good ones show that the cache does not grow wrong answers.
  for (let i = 0; i < 1_000; i++) {
    const seed = new Uint8Array(32).fill(7);
    seed.set([i & 255, i >> 8]);
    const { did } = identityFromSeed(seed);
    expect(didFromPublicKey(publicKeyOf(did).bytes)).toBe(did);
  }
  expect(parseDid(first)).toBe(first);
});

it("resolves a did:key to the document that names its own key", async () => {
  const { did, kid } = generateIdentity();
  const document = await resolveDid(did);
  expect(document.id).toBe(did);
  expect(JSON.stringify(document)).toContain(kid.split("#")[1]);
});
