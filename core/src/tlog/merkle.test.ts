import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { equalBytes, fromHex, toHex, utf8 } from "../encoding/bytes.ts";
import { sha256Hex } from "../encoding/sha256.ts";
import { isPeerageError } from "../errors.ts";
import { emptyRoot, leafHash, nodeHash, rootsOfPath, verifyConsistency, verifyInclusion } from "./merkle.ts";
import { ProofBuilder } from "./proof-builder.ts";

const leaves = Array.from({ length: 70_000 }, (_, i) => leafHash(utf8(`leaf ${i}`)));

/** The definitions of RFC 6962 section 2.1, word for word, with a memory for full subtrees. */
const memory = new Map<string, Uint8Array>();
function mth(low: number, high: number): Uint8Array {
  if (high - low === 0) return emptyRoot;
  if (high - low === 1) return leaves[low]!;
  const key = `${low} ${high}`;
  const known = memory.get(key);
  if (known) return known;
  const k = splitOf(high - low);
  const hash = nodeHash(mth(low, low + k), mth(low + k, high));
  memory.set(key, hash);
  return hash;
}
function path(index: number, low: number, high: number): Uint8Array[] {
  if (high - low === 1) return [];
  const k = splitOf(high - low);
  return index < k
    ? [...path(index, low, low + k), mth(low + k, high)]
    : [...path(index - k, low + k, high), mth(low, low + k)];
}
function subproof(m: number, low: number, high: number, whole: boolean): Uint8Array[] {
  if (m === high - low) return whole ? [] : [mth(low, high)];
  const k = splitOf(high - low);
  return m <= k
    ? [...subproof(m, low, low + k, whole), mth(low + k, high)]
    : [...subproof(m - k, low + k, high, false), mth(low, low + k)];
}
function splitOf(n: number): number {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
}

const readNaive = (level: number, n: number, width: number): Uint8Array => {
  const tile = new Uint8Array(width * 32);
  const span = 256 ** level;
  for (let i = 0; i < width; i++) tile.set(mth((n * 256 + i) * span, (n * 256 + i + 1) * span), i * 32);
  return tile;
};

function holds(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (isPeerageError(error, "ERR_INCLUSION_INVALID") || isPeerageError(error, "ERR_CONSISTENCY_INVALID"))
      return false;
    throw error;
  }
}

const sameHashes = (a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean =>
  a.length === b.length && a.every((hash, i) => equalBytes(hash, b[i]!));

describe("hashes", () => {
  it("A-LOG-04 tells leaves from nodes by their prefix", () => {
    const [a, b] = [leaves[0]!, leaves[1]!];
    expect(toHex(leafHash(utf8("x")))).toBe(sha256Hex("\0x"));
    expect(toHex(nodeHash(a, b))).toBe(sha256Hex(fromHex(`01${toHex(a)}${toHex(b)}`)));
    expect(nodeHash(a, b)).not.toEqual(leafHash(fromHex(toHex(a) + toHex(b))));
    expect(toHex(emptyRoot)).toBe(sha256Hex(""));
    expect(() => nodeHash(a, b.subarray(1))).toThrow(RangeError);
  });

  it("hashes leaves of any length alike, whichever came before", () => {
    for (const length of [5000, 0, 1, 70_000, 4096, 4097, 31]) {
      expect(toHex(leafHash(new Uint8Array(length)))).toBe(sha256Hex(new Uint8Array(length + 1)));
    }
  });
});

describe("proofs from tiles", () => {
  it("are those of RFC 6962 and verify, for every leaf of every tree up to 300 leaves", async () => {
    const builder = new ProofBuilder(readNaive);
    const wrong: string[] = [];
    for (let size = 1; size <= 300; size++) {
      const root = mth(0, size);
      if (!equalBytes(await builder.root(size), root)) wrong.push(`root ${size}`);
      for (let index = 0; index < size; index++) {
        const proof = await builder.inclusion(index, size);
        if (!sameHashes(proof, path(index, 0, size))) wrong.push(`${index} of ${size}`);
        if (!holds(() => verifyInclusion({ index, size, root, leafHash: leaves[index]!, proof }))) {
          wrong.push(`refused ${index} of ${size}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it("are those of RFC 6962 and verify, between every two trees up to 300 leaves", async () => {
    const builder = new ProofBuilder(readNaive);
    const wrong: string[] = [];
    for (let size2 = 0; size2 <= 300; size2++) {
      for (let size1 = 0; size1 <= size2; size1++) {
        const [root1, root2] = [mth(0, size1), mth(0, size2)];
        const proof = await builder.consistency(size1, size2);
        if (size1 > 0 && !sameHashes(proof, subproof(size1, 0, size2, true))) wrong.push(`${size1} to ${size2}`);
        if (!holds(() => verifyConsistency({ size1, size2, root1, root2, proof }))) {
          wrong.push(`refused ${size1} to ${size2}`);
        }
        if (size1 === 0 || size1 === size2) continue;
        const roots = rootsOfPath(size1, size2, await builder.consistencyPath(size1, size2));
        if (!roots || !sameHashes([roots.root1, roots.root2], [root1, root2])) wrong.push(`path ${size1} to ${size2}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("hold for random trees of up to 70,000 leaves, with tiles that arrive later", async () => {
    const builder = new ProofBuilder((...tile) => Promise.resolve(readNaive(...tile)), { cacheTiles: 3 });
    const pair = fc.tuple(fc.integer({ min: 1, max: 70_000 }), fc.nat()).map(([size, n]) => [n % size, size] as const);
    await fc.assert(
      fc.asyncProperty(pair, async ([index, size]) => {
        const root = mth(0, size);
        const proof = await builder.inclusion(index, size);
        verifyInclusion({ index, size, root, leafHash: leaves[index]!, proof });
        const older = await builder.consistency(index, size);
        verifyConsistency({ size1: index, size2: size, root1: mth(0, index), root2: root, proof: older });
      }),
      { numRuns: 40 },
    );
  });

  it("hold for trees of up to 2^53 − 1 leaves", async () => {
    // All leaves alike: a full subtree then has one hash for each height, so no tree has to be built.
    const full = [leafHash(utf8("same"))];
    for (let height = 1; height <= 53; height++) full.push(nodeHash(full[height - 1]!, full[height - 1]!));
    const builder = new ProofBuilder((level, _n, width) => {
      const tile = new Uint8Array(width * 32);
      for (let i = 0; i < width; i++) tile.set(full[8 * level]!, i * 32);
      return tile;
    });
    const size = fc.maxSafeNat().filter((n) => n > 0);
    await fc.assert(
      fc.asyncProperty(size, fc.maxSafeNat(), async (size2, n) => {
        const size1 = n % size2;
        const [root1, root2] = [await builder.root(size1), await builder.root(size2)];
        const proof = await builder.consistency(size1, size2);
        verifyConsistency({ size1, size2, root1, root2, proof });
        const inclusion = await builder.inclusion(size1, size2);
        verifyInclusion({ index: size1, size: size2, root: root2, leafHash: full[0]!, proof: inclusion });
      }),
      { numRuns: 200 },
    );
  });

  it("is refused to read a tile of another width", async () => {
    const builder = new ProofBuilder((level, n, width) => readNaive(level, n, width).subarray(1));
    await expect(builder.root(5)).rejects.toMatchObject({ code: "ERR_REGISTRY_RESPONSE" });
    await expect(async () => builder.inclusion(5, 5)).rejects.toThrow(RangeError);
    await expect(async () => builder.consistency(6, 5)).rejects.toThrow(RangeError);
  });
});

describe("verifyInclusion", () => {
  it("A-LOG-04 refuses every other index, size, root, leaf and path", async () => {
    const builder = new ProofBuilder(readNaive);
    const admitted: string[] = [];
    for (const size of [1, 2, 3, 7, 8, 11, 64, 100, 255, 256, 257]) {
      for (const index of [0, 1, Math.floor(size / 2), size - 1].filter((i) => i < size)) {
        const good = {
          index,
          size,
          root: mth(0, size),
          leafHash: leaves[index]!,
          proof: await builder.inclusion(index, size),
        };
        expect(() => verifyInclusion(good)).not.toThrow();
        const { proof } = good;
        const forged = [
          ...[index - 1, index + 1, index + size, -1, 0.5, NaN, 2 ** 53].map((i) => ({ ...good, index: i })),
          // Another size may have a path of the same shape; only the root then tells, and here it is kept.
          ...[0, index, 2 * size, -size, NaN, 2 ** 53].map((s) => ({ ...good, size: s })),
          { ...good, root: mth(0, size + 1) },
          { ...good, root: good.root.subarray(1) },
          { ...good, leafHash: leaves[index + 1]! },
          { ...good, leafHash: good.root.subarray(0, 31) },
          { ...good, proof: [...proof, good.root] },
          { ...good, proof: [good.root, ...proof] },
          ...proof.map((_, i) => ({ ...good, proof: proof.toSpliced(i, 1) })),
          ...proof.map((hash, i) => ({ ...good, proof: proof.with(i, hash.with(i, hash[i]! ^ 1)) })),
          ...proof.map((hash, i) => ({ ...good, proof: proof.with(i, hash.subarray(0, 31)) })),
        ];
        for (const proof of forged) if (holds(() => verifyInclusion(proof))) admitted.push(`${index} of ${size}`);
      }
    }
    expect(admitted).toEqual([]);
  });
});

describe("verifyConsistency", () => {
  it("A-LOG-02 refuses every other size, root and path", async () => {
    const builder = new ProofBuilder(readNaive);
    const admitted: string[] = [];
    for (const [size1, size2] of [
      [1, 2],
      [3, 8],
      [4, 8],
      [6, 7],
      [7, 11],
      [8, 11],
      [100, 256],
      [128, 257],
    ] as const) {
      const proof = await builder.consistency(size1, size2);
      const good = { size1, size2, root1: mth(0, size1), root2: mth(0, size2), proof };
      expect(() => verifyConsistency(good)).not.toThrow();
      const forged = [
        { ...good, size1: size2, size2: size1 },
        { ...good, size1: size2 },
        { ...good, size1: 0 },
        ...[-1, 0.5, NaN, 2 ** 53].flatMap((size) => [
          { ...good, size1: size },
          { ...good, size2: size },
        ]),
        { ...good, root1: good.root2 },
        { ...good, root2: good.root1 },
        { ...good, root1: good.root1.subarray(1) },
        { ...good, proof: [] },
        { ...good, proof: [...proof, good.root2] },
        { ...good, proof: [good.root1, ...proof] },
        ...proof.map((_, i) => ({ ...good, proof: proof.toSpliced(i, 1) })),
        ...proof.map((hash, i) => ({ ...good, proof: proof.with(i, hash.with(i, hash[i]! ^ 1)) })),
        ...proof.map((hash, i) => ({ ...good, proof: proof.with(i, hash.subarray(0, 31)) })),
      ];
      for (const proof of forged) if (holds(() => verifyConsistency(proof))) admitted.push(`${size1} to ${size2}`);
    }
    expect(admitted).toEqual([]);
  });

  it("A-LOG-02 refuses two roots at one size, and lets the empty tree grow into any", () => {
    const empty = { size1: 0, root1: emptyRoot, proof: [] };
    expect(holds(() => verifyConsistency({ ...empty, size2: 0, root2: emptyRoot }))).toBe(true);
    expect(holds(() => verifyConsistency({ ...empty, size2: 9, root2: mth(0, 9) }))).toBe(true);
    expect(holds(() => verifyConsistency({ ...empty, root1: mth(0, 1), size2: 9, root2: mth(0, 9) }))).toBe(false);
    expect(holds(() => verifyConsistency({ ...empty, size2: 0, root2: mth(0, 1) }))).toBe(false);
    expect(holds(() => verifyConsistency({ size1: 9, size2: 9, root1: mth(0, 9), root2: mth(0, 9), proof: [] }))).toBe(
      true,
    );
    expect(holds(() => verifyConsistency({ size1: 9, size2: 9, root1: mth(0, 9), root2: mth(0, 8), proof: [] }))).toBe(
      false,
    );
  });
});
