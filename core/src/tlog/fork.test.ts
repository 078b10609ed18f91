import { describe, expect, it } from "vitest";
import { utf8 } from "../encoding/bytes.ts";
import { isVerified } from "../verified.ts";
import { signCheckpoint, type SignedCheckpoint, verifyCheckpoint } from "./checkpoint.ts";
import { forkEvidence, LogForkedError, verifyExtension, verifyForkEvidence } from "./fork.ts";
import { leafHash } from "./merkle.ts";
import { ProofBuilder } from "./proof-builder.ts";
import { TileEdge } from "./tile-edge.ts";
import type { ReadTile } from "./tiles.ts";
import { formatVerifierKey, LOG_TYPE, noteSignerFromSeed, WITNESS_TYPE } from "./verifier-key.ts";

const origin = "log.example/a";
const log = noteSignerFromSeed(origin, LOG_TYPE, new Uint8Array(32).fill(1));
const witness = noteSignerFromSeed("log.example/w", WITNESS_TYPE, new Uint8Array(32).fill(2));
const logKey = log.key;

/** A log of up to 300 leaves whose leaves differ from every other branch's from `from` on. */
class Branch {
  readonly #edges = [TileEdge.empty()];
  readonly #leaves: Uint8Array[];

  constructor(name: string, from: number) {
    this.#leaves = Array.from({ length: 300 }, (_, i) => leafHash(utf8(`${i < from ? "" : name}${i}`)));
    for (const leaf of this.#leaves) {
      const edge = this.#edges.at(-1)!.clone();
      edge.append(leaf);
      this.#edges.push(edge);
    }
  }

  readonly readTile: ReadTile = (level, n, width) => {
    if (level > 0) return this.#edges.at(-1)!.tile(level, n, width)!;
    return Uint8Array.from(this.#leaves.slice(n * 256, n * 256 + width).flatMap((hash) => [...hash]));
  };

  readonly builder = new ProofBuilder(this.readTile);
  readonly #heads = new Map<number, Promise<SignedCheckpoint>>();

  head(size: number): Promise<SignedCheckpoint> {
    let head = this.#heads.get(size);
    if (!head) {
      const root = this.#edges[size]!.root();
      const signed = signCheckpoint({ origin, size, root }, { log, witness, now: new Date(0) });
      this.#heads.set(size, (head = signed.then((note) => verifyCheckpoint(note, { origin, logKey }))));
    }
    return head;
  }
}

const forkedAt = [0, 1, 7, 64, 100, 200, 255, 256, 299];
const honest = new Branch("honest", 300);
const liars = forkedAt.map((from) => new Branch("liar", from));
const forkError = expect.objectContaining({ code: "ERR_LOG_FORKED" });
const noFork = expect.objectContaining({ code: "ERR_CONSISTENCY_INVALID", detail: "no-fork" });

/** The same numbers at every run. */
function* pseudoRandom(): Generator<number, never> {
  for (let state = 1; ;) yield (state = (state * 48_271) % 2_147_483_647);
}

describe("a forked log", () => {
  it("A-LOG-02 is proven each of 2,000 times, and an honest one never accused", async () => {
    const random = pseudoRandom();
    let [proven, accused, extended] = [0, 0, 0];
    for (let round = 0; round < 2000; round++) {
      const [i, x, y, swap] = [random.next().value, random.next().value, random.next().value, random.next().value];
      const from = forkedAt[i % forkedAt.length]!;
      const liar = liars[i % forkedAt.length]!;
      const size1 = from + 1 + (x % (300 - from));
      const size2 = size1 + (y % (301 - size1));
      const [older, newer] = swap % 2 === 0 ? [honest, liar] : [liar, honest];
      const [a, b] = [await older.head(size1), await newer.head(size2)];
      const proof = await newer.builder.consistency(size1, size2);
      const caught = await verifyExtension(a, b, { logKey, proof, readTile: newer.readTile }).catch((e: unknown) => e);
      if (caught instanceof LogForkedError && isVerified(caught.evidence)) proven++;

      const extension = await older.head(size2);
      const path = await older.builder.consistency(size1, size2);
      await verifyExtension(a, extension, { logKey, proof: path, readTile: older.readTile }).then(
        () => extended++,
        () => accused++,
      );
    }
    expect({ proven, accused, extended }).toEqual({ proven: 2000, accused: 0, extended: 2000 });
  }, 60_000);

  it("A-LOG-02 leaves evidence that anyone with the log's key can check", async () => {
    const liar = liars[1]!;
    for (const [size1, size2, hashes] of [
      [8, 8, 0],
      [8, 9, 2],
      [7, 9, 5],
      [256, 300, 2],
    ] as const) {
      const [a, b] = [await honest.head(size1), await liar.head(size2)];
      const path = size1 === size2 ? [] : await liar.builder.consistencyPath(size1, size2);
      const evidence = await forkEvidence([b, a], logKey, path);
      expect(evidence).toMatchObject({
        type: "ForkEvidence",
        origin,
        vkey: formatVerifierKey(logKey),
        a: size1 === size2 ? b.note : a.note,
      });
      expect(evidence.proof).toHaveLength(hashes);
      const received: unknown = JSON.parse(JSON.stringify(evidence));
      await expect(verifyForkEvidence(received, { origin, logKey })).resolves.toEqual(evidence);
      await expect(verifyForkEvidence(received)).resolves.toEqual(evidence);
      await expect(verifyForkEvidence(received, { origin: "log.example/b", logKey })).rejects.toMatchObject({
        detail: "origin",
      });
      const otherKey = noteSignerFromSeed(origin, LOG_TYPE, new Uint8Array(32).fill(9)).key;
      await expect(verifyForkEvidence(received, { origin, logKey: otherKey })).rejects.toMatchObject({
        detail: "origin",
      });
      await expect(verifyForkEvidence({ ...evidence, vkey: formatVerifierKey(otherKey) })).rejects.toMatchObject({
        code: "ERR_CHECKPOINT_INVALID",
      });
    }
  });

  it("A-LOG-02 is not proven by honest heads, nor by a path that leads elsewhere", async () => {
    const [a, b, other] = [await honest.head(7), await honest.head(9), await liars[1]!.head(9)];
    const path = await honest.builder.consistencyPath(7, 9);
    await expect(
      forkEvidence([a, other], logKey, await liars[1]!.builder.consistencyPath(7, 9)),
    ).resolves.toBeDefined();
    await expect(forkEvidence([a, b], logKey, path)).rejects.toThrow(noFork);
    await expect(forkEvidence([a, other], logKey, path)).rejects.toThrow(noFork);
    await expect(forkEvidence([a, a], logKey)).rejects.toThrow(noFork);
    await expect(forkEvidence([b, other], logKey, path)).rejects.toThrow(noFork);
    const empty = await honest.head(0);
    await expect(forkEvidence([empty, b], logKey, path)).rejects.toThrow(noFork);
    for (const forged of [
      path.slice(1),
      [...path, path[0]!],
      path.with(0, path[1]!),
      path.with(0, path[0]!.subarray(1)),
      [],
    ]) {
      await expect(forkEvidence([a, b], logKey, forged)).rejects.toThrow(noFork);
    }
  });

  it("A-LOG-02 with evidence of another form, nothing is believed", async () => {
    const good = await forkEvidence([await honest.head(8), await liars[1]!.head(8)], logKey);
    await expect(verifyForkEvidence({ ...good })).resolves.toEqual(good);
    for (const bad of [
      null,
      "text",
      [],
      {},
      { ...good, extra: 1 },
      { ...good, type: "Fork" },
      { ...good, proof: "" },
      { ...good, proof: [1] },
      { ...good, proof: ["?"] },
      { ...good, proof: Array(65).fill("") },
      { ...good, a: undefined },
      { ...good, vkey: "a+b" },
      { ...good, a: good.a.replace("8", "9") },
    ]) {
      await expect(verifyForkEvidence(bad)).rejects.toMatchObject({ code: "ERR_CHECKPOINT_INVALID" });
    }
  });
});

describe("verifyExtension", () => {
  it("A-LOG-02 only refuses where nothing is proven: bad proof, tiles withheld, older head", async () => {
    const [a, b] = [await honest.head(7), await honest.head(20)];
    const proof = await honest.builder.consistency(7, 20);
    const { readTile } = honest;
    const refused = expect.objectContaining({ code: "ERR_CONSISTENCY_INVALID" });
    await expect(verifyExtension(a, b, { logKey, proof })).resolves.toBeUndefined();
    await expect(verifyExtension(a, b, { logKey, proof: proof.slice(1), readTile })).rejects.toThrow(refused);
    await expect(verifyExtension(b, a, { logKey, proof, readTile })).rejects.toThrow(refused);
    const forked = await liars[0]!.head(8);
    const withheld: ReadTile = () => Promise.reject(new Error("404"));
    await expect(
      verifyExtension(await honest.head(4), forked, { logKey, proof: [], readTile: withheld }),
    ).rejects.toThrow(refused);
    await expect(verifyExtension(await honest.head(4), forked, { logKey, proof: [], readTile })).rejects.toThrow(
      refused,
    );
    const { readTile: tiles } = liars[0]!;
    await expect(verifyExtension(await honest.head(4), forked, { logKey, proof: [], readTile: tiles })).rejects.toThrow(
      forkError,
    );
    await expect(verifyExtension(a, { ...b, origin: "log.example/b" }, { logKey, proof })).rejects.toMatchObject({
      detail: "origin",
    });
  });
});
