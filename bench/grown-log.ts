/**
 * A log that has grown: `node bench/grown-log.ts <database>` opens what {@link buildLog} made, in a process of its
 * own, and prints {@link GrownLogFigures}.
 */
import { createHash } from "node:crypto";
import { equalBytes, leafHash, ProofBuilder, sha256, TileEdge, verifyInclusion } from "@peerage/core";
import { openEdge } from "../registry/src/log/open-edge.ts";
import { PROOF_TILES, TileSource } from "../registry/src/log/tile-source.ts";
import type { StoredEntry } from "../registry/src/store/log-store.ts";
import { openSqliteStore } from "../registry/src/store/sqlite.ts";

const BATCH = 10_000;
const ROUNDS = 5;

/** What was measured, round by round. */
export interface GrownLogFigures {
  /** As many SHA-256 of a node as a path has, a second. */
  readonly hashes: readonly number[];
  /** From nothing to a checked root, in milliseconds. */
  readonly reopenMs: readonly number[];
  /** Inclusion proofs a second: of leaves whose tile is not in memory; of any, all in memory; of the newest. */
  readonly cold: readonly number[];
  readonly warm: readonly number[];
  readonly recent: readonly number[];
  /** Of the process, after all of it. */
  readonly rssMiB: number;
}

/** Fills a database. The statements are short, as their length matters to none of what is measured. */
export async function buildLog(path: string, size: number): Promise<void> {
  await using store = await openSqliteStore(path, { mustExist: false });
  const edge = TileEdge.empty();
  for (let at = 0; at < size; at += BATCH) {
    const old = { size: edge.size, root: edge.root() };
    const entries = Array.from({ length: Math.min(BATCH, size - at) }, (_, i) => entry(at + i));
    const tiles = entries.flatMap(({ leaf }) => edge.append(leaf));
    await store.append(entries, tiles, old, { size: edge.size, root: edge.root() });
  }
}

function entry(index: number): StoredEntry {
  const body = Buffer.from(`statement ${index}`);
  const issuer = `did:key:${index % 50_000}`;
  return { index, id: sha256(body), leaf: leafHash(body), kind: 2, issuer, subject: null, target: null, body };
}

const [path] = process.argv.slice(2);
if (import.meta.main && path !== undefined) process.stdout.write(JSON.stringify(await measure(path)));

async function measure(database: string): Promise<GrownLogFigures> {
  const reopenMs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await using store = await openSqliteStore(database, { mustExist: true, thread: true });
    await openEdge(store, new TileSource(store));
    reopenMs.push(performance.now() - start);
  }
  await using store = await openSqliteStore(database, { mustExist: true, thread: true });
  const { size, root } = await store.head();
  const edge = await openEdge(store, new TileSource(store));
  if (!equalBytes(edge.root(), root)) throw new Error("the root differs");

  const builderOf = (cacheTiles: number): ProofBuilder => {
    const tiles = new TileSource(store, { cacheTiles: 64 });
    return new ProofBuilder((...at) => tiles.read(...at), { cacheTiles });
  };
  const any = spread(size);
  // As in a registry that has run for a while: the tiles of the edge are there, those of old leaves are not.
  const forgetful = builderOf(Math.min(64, size >> 10));
  await forgetful.root(size);
  const builder = builderOf(PROOF_TILES);
  for (let i = 0; i < size; i += 256) await builder.inclusion(i, size);
  const index = Math.floor(size / 3);
  const proof = await builder.inclusion(index, size);
  verifyInclusion({ index, size, root, leafHash: entry(index).leaf, proof });
  const node = Buffer.alloc(65, 1);
  const newest = spread(5_000);
  const height = Math.ceil(Math.log2(size));
  const path = async (): Promise<void> => {
    for (let i = 0; i < height; i++) createHash("sha256").update(node).digest();
  };
  const figures = { hashes: [] as number[], cold: [] as number[], warm: [] as number[], recent: [] as number[] };
  for (let round = -1; round < ROUNDS; round++) {
    const taken = {
      hashes: await rateOf(4_000, any, path),
      cold: await rateOf(500, any, (at) => forgetful.inclusion(at, size)),
      warm: await rateOf(8_000, any, (at) => builder.inclusion(at, size)),
      recent: await rateOf(8_000, newest, (at) => builder.inclusion(size - 1 - at, size)),
    };
    if (round >= 0) for (const name of ["hashes", "cold", "warm", "recent"] as const) figures[name].push(taken[name]);
  }
  return { reopenMs, ...figures, rssMiB: process.memoryUsage().rss / 2 ** 20 };
}

/** Indexes below `size` in an order that jumps about, the same in every run. */
function spread(size: number): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % size;
  };
}

async function rateOf(count: number, next: () => number, action: (index: number) => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < count; i++) await action(next());
  return (count * 1_000) / (performance.now() - start);
}
