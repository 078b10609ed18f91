import { LruMap, PeerageError, TILE_BYTES, TILE_WIDTH, tileRoot } from "@peerage/core";
import type { LogReads } from "../store/log-store.ts";

const HASH_BYTES = 32;

/** Tiles with their inner hashes, 16 KiB each, from which a registry proves: those of a million entries. */
export const PROOF_TILES = 4_096;

/**
 * Reads tiles of any width: full ones from the store, partial ones from leaf hashes and from the roots of the tiles
 * below. Hashes of partial tiles only ever grow, so they are kept and extended; without that, a proof near the edge
 * would hash up to 255 whole tiles.
 */
export class TileSource {
  readonly #store: LogReads;
  readonly #full: LruMap<string, Uint8Array>;
  readonly #growing = new LruMap<string, Uint8Array>(64);

  /** @param options.cacheTiles how many full tiles are kept, 8 KiB each; 1,024 by default */
  constructor(store: LogReads, options: { cacheTiles?: number } = {}) {
    this.#store = store;
    this.#full = new LruMap(options.cacheTiles ?? 1_024);
  }

  /**
   * The first `width` hashes of a tile: `width` × 32 bytes. Ask only for tiles of a committed size.
   * @throws {PeerageError} ERR_STORE_CORRUPT if the store does not have them
   */
  async read(level: number, n: number, width: number): Promise<Uint8Array> {
    const bytes = width === TILE_WIDTH ? await this.#readFull(level, n) : await this.#readPartial(level, n, width);
    if (bytes.length !== width * HASH_BYTES) throw missing(level, n);
    return bytes;
  }

  async #readFull(level: number, n: number): Promise<Uint8Array> {
    const key = `${level}/${n}`;
    const cached = this.#full.get(key);
    if (cached) return cached;
    const tile = await this.#store.tile(level, n);
    if (tile?.length !== TILE_BYTES) throw missing(level, n);
    this.#full.set(key, tile);
    return tile;
  }

  async #readPartial(level: number, n: number, width: number): Promise<Uint8Array> {
    const first = n * TILE_WIDTH;
    if (level === 0) return this.#store.leafHashes(first, first + width);
    const key = `${level}/${n}`;
    const known = this.#growing.get(key) ?? new Uint8Array(0);
    if (known.length >= width * HASH_BYTES) return known.slice(0, width * HASH_BYTES);
    const grown = new Uint8Array(width * HASH_BYTES);
    grown.set(known);
    for (let i = known.length / HASH_BYTES; i < width; i++) {
      grown.set(tileRoot(await this.#readFull(level - 1, first + i)), i * HASH_BYTES);
    }
    this.#growing.set(key, grown);
    return grown.slice();
  }
}

function missing(level: number, n: number): PeerageError {
  return new PeerageError("ERR_STORE_CORRUPT", `the registry's database lacks hashes of tile ${n} of level ${level}`);
}
