import { Point } from "@noble/ed25519";
import { expect, it } from "vitest";
import {
  type Ed25519Backend,
  nobleBackend,
  nodeBackend,
  publicKeyFromSeed,
  seedSigner,
  sodiumBackend,
  webCryptoBackend,
} from "../../core/src/ed25519/backends.ts";
import { publicKeyDefect, signatureDefect } from "../../core/src/ed25519/checks.ts";
import { sha256 } from "../../core/src/encoding/sha256.ts";
import { concat, utf8 } from "../../core/src/encoding/bytes.ts";

const cases = 100_000;
const native = [sodiumBackend(), nodeBackend(), webCryptoBackend()].filter((b) => b !== undefined);
const order8 = Point.fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", true);
const small = Array.from({ length: 8 }, (_, i) => (i === 0 ? Point.ZERO : order8.multiply(BigInt(i), false)));

/** Deterministic bytes, so that a failure can be looked at again. */
const bytesOf = (text: string): Uint8Array => sha256(utf8(text));

interface Case {
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** Honest signatures, and ones whose key, R or S was given a torsion part, another encoding or other bytes. */
function makeCase(i: number, signers: readonly { key: Uint8Array; sign: (m: Uint8Array) => Uint8Array }[]): Case {
  const random = bytesOf(`case ${i}`);
  const { key, sign } = signers[i % signers.length]!;
  const message = random.subarray(0, random[31]! % 32);
  const honest = sign(message);
  const torsion = small[random[0]! % 8]!;
  switch (random[1]! % 8) {
    case 0: {
      const r = Point.fromBytes(honest.subarray(0, 32), true).add(torsion).toBytes();
      return { key, message, signature: concat(r, honest.subarray(32)) };
    }
    case 1:
      return { key, message, signature: concat(torsion.toBytes(), honest.subarray(32)) };
    case 2: {
      const signature = Uint8Array.from(honest);
      signature[random[2]! % 64]! ^= 1 << (random[3]! % 8);
      return { key, message, signature };
    }
    case 3:
      return { key, message, signature: concat(honest.subarray(0, 32), bytesOf(`s ${i}`).fill(0, 31)) };
    case 4:
      return {
        key,
        message,
        signature: concat(new Uint8Array(31).fill(255), Uint8Array.of(random[4]! | 127), honest.subarray(32)),
      };
    default:
      return { key, message, signature: honest };
  }
}

async function verdict(backend: Ed25519Backend, c: Case): Promise<boolean> {
  if (signatureDefect(c.signature)) return false;
  const imported = backend.importKey(c.key);
  return backend.verifyAsync
    ? backend.verifyAsync(imported, c.message, c.signature)
    : backend.verify(imported, c.message, c.signature);
}

it(`A-DID-02 all backends give one verdict on ${cases} generated signatures`, async () => {
  const signers = Array.from({ length: 64 }, (_, i) => {
    const seed = bytesOf(`seed ${i}`);
    return { key: publicKeyFromSeed(seed), sign: seedSigner(seed) };
  });
  const counts = { accepted: 0, refused: 0 };
  for (let i = 0; i < cases; i++) {
    const c = makeCase(i, signers);
    const verdicts = await Promise.all(native.map((backend) => verdict(backend, c)));
    // noble is a hundred times slower; what differs between equations are the crooked cases, so it sees all of those.
    if (!verdicts[0] || i % 50 === 0) verdicts.push(await verdict(nobleBackend, c));
    if (new Set(verdicts).size !== 1) expect.fail(`case ${i}: ${verdicts.join(" ")}`);
    if (verdicts[0]) counts.accepted++;
    else counts.refused++;
  }
  expect(counts.accepted).toBeGreaterThan(cases / 4);
  expect(counts.refused).toBeGreaterThan(cases / 4);
});

it("A-DID-02 refuses 2,000 keys with torsion parts, of which every library would accept signatures", () => {
  for (let i = 0; i < 2_000; i++) {
    const honest = publicKeyFromSeed(bytesOf(`key ${i}`));
    const crooked = Point.fromBytes(honest, true)
      .add(small[1 + (i % 7)]!)
      .toBytes();
    expect(publicKeyDefect(crooked)).toBe("key-mixed-order");
  }
  expect(publicKeyDefect(publicKeyFromSeed(bytesOf("key 0")))).toBeUndefined();
});
