import { Point } from "@noble/ed25519";
import { describe, expect, it } from "vitest";
import { goldenCases, vectorJson, vectorsPresent } from "../../../test/_vectors.ts";
import { concat, fromHex, utf8 } from "../encoding/bytes.ts";
import { isPeerageError } from "../errors.ts";
import {
  type Ed25519Backend,
  nobleBackend,
  nodeBackend,
  nodeSigner,
  publicKeyFromSeed,
  seedSigner,
  sodiumBackend,
  webCryptoBackend,
} from "./backends.ts";
import { publicKeyDefect, signatureDefect } from "./checks.ts";
import { PublicKey, verifySignature, verifySignatureAsync } from "./verify.ts";

const backends = [sodiumBackend(), nodeBackend(), webCryptoBackend(), nobleBackend].filter((b) => b !== undefined);

/** The verdict of one backend, in both of its forms, behind the common checks. */
async function verdict(backend: Ed25519Backend, key: Uint8Array, message: Uint8Array, signature: Uint8Array) {
  if (publicKeyDefect(key) || signatureDefect(signature)) return false;
  const imported = backend.importKey(key);
  const sync = backend.verify(imported, message, signature);
  if (backend.verifyAsync) expect(await backend.verifyAsync(imported, message, signature)).toBe(sync);
  return sync;
}

it("finds all four backends here, so that agreement means something", () => {
  expect(backends.map((backend) => backend.name)).toEqual(["sodium", "node", "webcrypto", "noble"]);
});

describe.skipIf(!vectorsPresent).each(backends)("shared vectors, backend $name", (backend) => {
  it("A-DID-02 gives the stated verdict on all 151 Wycheproof signatures", async () => {
    const { testGroups } = vectorJson("wycheproof-ed25519/upstream/testvectors_v1/ed25519_test.json");
    const expected = new Map<number, string>(
      vectorJson("wycheproof-ed25519/expected.json").cases.map((c: { id: number; verdict: string }) => [
        c.id,
        c.verdict,
      ]),
    );
    expect(expected.size).toBe(151);
    for (const group of testGroups) {
      for (const { tcId, msg, sig } of group.tests) {
        const accepted = await verdict(backend, fromHex(group.publicKey.pk), fromHex(msg), fromHex(sig));
        expect(accepted ? "accept" : "reject", `tcId ${tcId}`).toBe(expected.get(tcId));
        expected.delete(tcId);
      }
    }
    expect(expected.size).toBe(0);
  });

  it("A-DID-02 refuses all 12 speccheck signatures", async () => {
    const cases = vectorJson("ed25519-speccheck/upstream/cases.json");
    expect(cases).toHaveLength(12);
    for (const c of cases) {
      expect(await verdict(backend, fromHex(c.pub_key), fromHex(c.message), fromHex(c.signature))).toBe(false);
    }
  });

  it("A-DID-02 gives the stated verdict on the golden signatures", async () => {
    for (const c of goldenCases("ed25519", { valid: 4, invalid: 17 })) {
      const accepted = await verdict(backend, fromHex(c.publicKey), fromHex(c.message), fromHex(c.signature));
      expect(accepted, c.id).toBe(c.valid);
    }
  });
});

describe("generated edge cases", () => {
  // The eight points of small order, from the doubling of one of order 8.
  const order8 = Point.fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", true);
  const small = Array.from({ length: 8 }, (_, i) => (i === 0 ? Point.ZERO : order8.multiply(BigInt(i), false)));

  it("A-DID-02 all backends agree on keys and R with torsion parts", async () => {
    const accepted = new Set<boolean>();
    for (let i = 0; i < 48; i++) {
      const seed = new Uint8Array(32).fill(i + 1);
      const message = utf8(`message ${i}`);
      const torsion = small[i % 8] ?? Point.ZERO;
      const honest = seedSigner(seed)(message);
      const key = publicKeyFromSeed(seed);
      const crookedKey = Point.fromBytes(key, true).add(torsion).toBytes();
      const crookedR = concat(
        Point.fromBytes(honest.subarray(0, 32), true).add(torsion).toBytes(),
        honest.subarray(32),
      );
      for (const [k, s] of [
        [key, honest],
        [crookedKey, honest],
        [key, crookedR],
        [crookedKey, crookedR],
      ] as const) {
        const verdicts = await Promise.all(backends.map((backend) => verdict(backend, k, message, s)));
        expect(new Set(verdicts).size, `case ${i}`).toBe(1);
        accepted.add(verdicts[0] ?? false);
      }
    }
    expect(accepted).toEqual(new Set([true, false]));
  });

  it("A-DID-01 refuses every key of small order before a signature is looked at", () => {
    for (const point of small) {
      expect(() => PublicKey.import(point.toBytes())).toThrow(
        expect.toSatisfy((e: unknown) => isPeerageError(e, "ERR_DID_INVALID")),
      );
    }
  });

  it("signs alike by every backend, empty and long messages included", () => {
    for (const length of [0, 1, 64, 5_000]) {
      const seed = new Uint8Array(32).fill(length % 251);
      const message = new Uint8Array(length).fill(7);
      expect(seedSigner(seed)(message)).toEqual(nodeSigner(seed)(message));
    }
  });

  it("verifies what it signs, and nothing that was touched", async () => {
    const seed = new Uint8Array(32).fill(9);
    const key = PublicKey.import(publicKeyFromSeed(seed));
    const message = utf8("hello");
    const signature = seedSigner(seed)(message);
    expect(verifySignature(key, message, signature)).toBe(true);
    expect(await verifySignatureAsync(key, message, signature)).toBe(true);
    expect(verifySignature(key, utf8("hellp"), signature)).toBe(false);
    expect(verifySignature(key, message, signature.subarray(1))).toBe(false);
    expect(await verifySignatureAsync(key, message, new Uint8Array(64))).toBe(false);
  });
});
