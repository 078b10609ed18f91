/**
 * A log of a million entries: `node bench/registry-million.ts <database>` opens what {@link buildMillion} made, in a
 * process of its own, and prints {@link MillionFigures}.
 */
import { equalBytes, leafHash, ProofBuilder, sha256, TileEdge, verifyInclusion } from "@peerage/core";
import { openEdge } from "../registry/src/log/open-edge.ts";
import { PROOF_TILES, TileSource } from "../registry/src/log/tile-source.ts";
import type { StoredEntry } from "../registry/src/store/log-store.ts";
import { openSqliteStore } from "../registry/src/store/sqlite.ts";

/** How many entries. */
export const MILLION = 1_000_000;

const BATCH = 20_000;

/** What was measured, of a log of a million entries. */
export interface MillionFigures {
  /** From nothing to a checked root, in milliseconds. */
  readonly reopenMs: number;
  /** Inclusion proofs a second: of leaves whose tile is not in memory; of any, all in memory; of the newest 10,000. */
  readonly cold: number;
  readonly warm: number;
  readonly recent: number;
  /** Of the process, after all of it. */
  readonly rssMb: number;
}

/** Fills a database. The statements are short, as their length matters to none of what is measured. */
export async function buildMillion(path: string): Promise<void> {
  await using store = await openSqliteStore(path, { mustExist: false });
  const edge = TileEdge.empty();
  for (let at = 0; at < MILLION; at += BATCH) {
    const old = { size: edge.size, root: edge.root() };
    const entries = Array.from({ length: BATCH }, (_, i) => entry(at + i));
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

async function measure(database: string): Promise<MillionFigures> {
  const start = performance.now();
  await using store = await openSqliteStore(database, { mustExist: true, thread: true });
  const edge = await openEdge(store, new TileSource(store));
  const reopenMs = performance.now() - start;
  const { size, root } = await store.head();
  if (!equalBytes(edge.root(), root)) throw new Error("the root differs");

  const builderOf = (cacheTiles: number): ProofBuilder => {
    const tiles = new TileSource(store, { cacheTiles: 64 });
    return new ProofBuilder((...at) => tiles.read(...at), { cacheTiles });
  };
  const any = spread(size);
  // As in a registry that has run for a while: the tiles of the edge are there, those of old leaves are not.
  const forgetful = builderOf(64);
  await forgetful.root(size);
  const cold = await rateOf(1_000, any, (index) => forgetful.inclusion(index, size));
  const builder = builderOf(PROOF_TILES);
  for (let i = 0; i < size; i += 256) await builder.inclusion(i, size);
  const proof = await builder.inclusion(123_456, size);
  verifyInclusion({ index: 123_456, size, root, leafHash: entry(123_456).leaf, proof });
  const warm = await rateOf(60_000, any, (index) => builder.inclusion(index, size));
  const recent = await rateOf(60_000, spread(10_000), (index) => builder.inclusion(size - 1 - index, size));
  return { reopenMs, cold, warm, recent, rssMb: process.memoryUsage().rss / 2 ** 20 };
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
