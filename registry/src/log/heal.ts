import {
  type CheckpointPolicy,
  equalBytes,
  HttpRegistryReader,
  isPeerageError,
  leafHash,
  originHash,
  type SignedCheckpoint,
  type Verified,
  verifyCheckpoint,
  verifyStatement,
} from "@peerage/core";
import { toCandidate } from "../admission/entry.ts";
import type { FullTile, StoredEntry } from "../store/log-store.ts";
import { openLogStore } from "../store/open-store.ts";
import { openEdge } from "./open-edge.ts";
import { TileSource } from "./tile-source.ts";

export interface HealOptions {
  readonly database: string;
  readonly policy: CheckpointPolicy;
  /** Base URLs of mirrors of this log. */
  readonly mirrors: readonly string[];
  /** Heads of this log that somebody has seen: what is fetched must contain them all. */
  readonly seen: readonly Verified<SignedCheckpoint>[];
  readonly fetch?: typeof fetch;
}

const BATCH = 1_024;

/** Heads of this log that its mirrors hold. A mirror that is down, or shows another log, is left out. */
export async function mirroredHeads(
  mirrors: readonly string[],
  policy: CheckpointPolicy,
  send?: typeof fetch,
): Promise<{ reader: HttpRegistryReader; head: Verified<SignedCheckpoint> }[]> {
  const asked = mirrors.map(async (url) => {
    try {
      const base = `${url.replace(/\/+$/, "")}/mirror/${originHash(policy.origin)}`;
      const reader = await HttpRegistryReader.connect({ url: base, policy, ...(send ? { fetch: send } : {}) });
      return [{ reader, head: await reader.checkpoint() }];
    } catch (error) {
      if (isPeerageError(error)) return [];
      throw error;
    }
  });
  return (await Promise.all(asked)).flat();
}

/** Those of the notes that this log signed. */
export async function ownHeads(
  notes: readonly string[],
  { origin, logKey }: CheckpointPolicy,
): Promise<Verified<SignedCheckpoint>[]> {
  const heads = notes.map(async (note) => {
    try {
      return [await verifyCheckpoint(note, { origin, logKey })];
    } catch (error) {
      if (isPeerageError(error)) return [];
      throw error;
    }
  });
  return (await Promise.all(heads)).flat();
}

/**
 * Appends to a database that was restored what is missing, from whichever mirror has it. Nothing is written before the
 * whole tree has come out as signed, with every head that was seen within it.
 * @returns true if the database holds all of them now
 */
export async function healFromMirrors(options: HealOptions): Promise<boolean> {
  const wanted = Math.max(0, ...options.seen.map(({ size }) => size));
  const sources = await mirroredHeads(options.mirrors, options.policy, options.fetch);
  for (const { reader, head } of sources.toSorted((a, b) => b.head.size - a.head.size)) {
    if (head.size < wanted) continue;
    try {
      if (await healFrom(reader, head, options)) return true;
    } catch (error) {
      if (!isPeerageError(error)) throw error;
    }
  }
  return false;
}

async function healFrom(
  reader: HttpRegistryReader,
  head: Verified<SignedCheckpoint>,
  { database, seen }: HealOptions,
): Promise<boolean> {
  const store = await openLogStore(database, { mustExist: false });
  try {
    const edge = await openEdge(store, new TileSource(store));
    if (edge.size > head.size) return false;
    const trial = edge.clone();
    const missing: Omit<StoredEntry, "index">[] = [];
    const heads = [...seen, head].filter(({ size }) => size >= edge.size);
    const fits = (): boolean => heads.every(({ size, root }) => size !== trial.size || equalBytes(root, trial.root()));
    if (!fits()) return false;
    for await (const { leaf } of reader.leaves(edge.size, head.size)) {
      trial.append(leafHash(leaf));
      if (!fits()) return false;
      missing.push(toCandidate(await verifyStatement(leaf, { keysOf: "any" })));
    }
    if (trial.size !== head.size) return false;
    for (let at = 0; at < missing.length; at += BATCH) {
      const batch = missing.slice(at, at + BATCH);
      const old = { size: edge.size, root: edge.root() };
      const entries = batch.map((entry, i) => ({ index: old.size + i, ...entry }));
      const tiles: FullTile[] = batch.flatMap(({ leaf }) => edge.append(leaf));
      await store.append(entries, tiles, old, { size: edge.size, root: edge.root() });
    }
    const newest = (await store.newestCheckpoint())?.size ?? -1;
    for await (const { size, root, time = 0, note } of reader.checkpoints(newest, head.size)) {
      await store.publish({ size, root, time, note });
    }
    return true;
  } finally {
    await store[Symbol.asyncDispose]();
  }
}
