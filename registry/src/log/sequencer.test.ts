import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { equalBytes, leafHash, ProofBuilder, sha256, TileEdge, verifyInclusion } from "@peerage/core";
import { openSqliteStore, type SqliteLogStore } from "../store/sqlite.ts";
import { openEdge } from "./open-edge.ts";
import { type Candidate, type Sequencer, startSequencer } from "./sequencer.ts";
import { TileSource } from "./tile-source.ts";

let folder: string;
let store: SqliteLogStore;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "peerage-sequencer-"));
  store = await openSqliteStore(join(folder, "registry.db"), { mustExist: false });
});
afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function candidate(i: number): Candidate {
  const body = Buffer.from(`statement ${i}`);
  return {
    id: sha256(body),
    leaf: leafHash(body),
    kind: 1,
    issuer: `issuer ${i % 7}`,
    subject: null,
    target: null,
    body,
  };
}

function start(options: Partial<Parameters<typeof startSequencer>[0]> = {}): Sequencer {
  return startSequencer({ store, edge: TileEdge.empty(), batchDelayMs: 1, ...options });
}

describe("sequencer", () => {
  it("orders statements without gaps, and every inclusion proof of what it stored verifies", async () => {
    await using sequencer = start();
    const answers = await Promise.all(Array.from({ length: 1_300 }, (_, i) => sequencer.add(candidate(i))));
    expect(answers.map(({ index }) => index).sort((a, b) => a - b)).toEqual(Array.from({ length: 1_300 }, (_, i) => i));
    expect(answers.every(({ known }) => !known)).toBe(true);

    const tiles = new TileSource(store);
    const proofs = new ProofBuilder((level, n, width) => tiles.read(level, n, width));
    const head = await store.head();
    expect(head.size).toBe(1_300);
    expect(equalBytes((await openEdge(store, tiles)).root(), sequencer.head.root)).toBe(true);
    for (const i of [0, 1, 255, 256, 511, 1_023, 1_024, 1_299]) {
      const [stored] = await store.entries(i, i + 1);
      verifyInclusion({
        index: i,
        ...head,
        leafHash: leafHash(stored!.body),
        proof: await proofs.inclusion(i, head.size),
      });
    }
    // Tiles at every earlier size are those of the tree at that size.
    for (const size of [1, 255, 256, 257, 512, 700, 1_299]) {
      const edge = TileEdge.empty();
      for (const { leaf } of await store.entries(0, size)) edge.append(leaf);
      expect(equalBytes(await proofs.root(size), edge.root()), `size ${size}`).toBe(true);
    }
  });

  it("gives one id one index, in one batch, in two, and after a restart", async () => {
    {
      await using sequencer = start();
      const twice = await Promise.all([
        sequencer.add(candidate(1)),
        sequencer.add(candidate(1)),
        sequencer.add(candidate(2)),
      ]);
      expect(twice).toEqual([
        { index: 0, known: false },
        { index: 0, known: true },
        { index: 1, known: false },
      ]);
      expect(await sequencer.add(candidate(1))).toEqual({ index: 0, known: true });
    }
    await using sequencer = start({ edge: await openEdge(store, new TileSource(store)) });
    expect(await sequencer.add(candidate(2))).toEqual({ index: 1, known: true });
    expect(await sequencer.add(candidate(3))).toEqual({ index: 2, known: false });
  });

  it("takes no more than its pool holds, and takes again when there is room", async () => {
    await using sequencer = start({ batchDelayMs: 50 });
    const full = Promise.all(Array.from({ length: 4_096 }, (_, i) => sequencer.add(candidate(i))));
    await expect(sequencer.add(candidate(5_000))).rejects.toMatchObject({ code: "ERR_REGISTRY_BUSY" });
    await full;
    expect(await sequencer.add(candidate(5_000))).toEqual({ index: 4_096, known: false });
  });

  it("acknowledges nothing after a failed write, tells so once, and takes nothing more", async () => {
    const failures: unknown[] = [];
    const sequencer = start({ batchDelayMs: 20, onFailure: (error) => failures.push(error) });
    const attempts = [1, 2, 3].map((i) => sequencer.add(candidate(i)));
    store[Symbol.dispose]();
    const outcomes = await Promise.allSettled(attempts);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    await expect(sequencer.add(candidate(4))).rejects.toMatchObject({ code: "ERR_REGISTRY_BUSY" });
    expect(failures).toHaveLength(1);
    await sequencer[Symbol.asyncDispose]();
    store = await openSqliteStore(join(folder, "registry.db"), { mustExist: true });
    expect((await store.head()).size).toBe(0);
  });
});
