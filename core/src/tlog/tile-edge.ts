import { concat } from "../encoding/bytes.ts";
import { CompactRange, foldRight } from "./compact-range.ts";
import { emptyRoot, HASH_BYTES, isSize } from "./merkle.ts";
import { partialTiles, splitTile, TILE_BYTES, TILE_WIDTH } from "./tiles.ts";

/** A tile that an append has filled: 256 hashes, 8,192 bytes. */
export interface CompletedTile {
  /** Its level, 0 for the hashes of leaves (C2SP tlog-tiles). */
  readonly level: number;
  /** Its index within the level. */
  readonly n: number;
  readonly hashes: Uint8Array;
}

interface Level {
  hashes: Uint8Array;
  range: CompactRange;
}

/**
 * The partial tiles at the right edge of a growing log, one a level. Appending costs one hash a leaf and hands out each
 * tile when it is full; root and partial tiles come from memory.
 */
export class TileEdge {
  #size: number;
  readonly #levels: Level[];

  private constructor(size: number, levels: Level[]) {
    this.#size = size;
    this.#levels = levels;
  }

  /** The edge of the log without entries. */
  static empty(): TileEdge {
    return new TileEdge(0, []);
  }

  /**
   * Restores the edge from the partial tiles of a tree of `size` leaves, in the order of {@link partialTiles}. They are
   * believed: compare {@link TileEdge.root} with a checkpoint afterwards.
   * @throws {RangeError} if there are too many or too few, or one has another width
   */
  static restore(size: number, tiles: readonly Uint8Array[]): TileEdge {
    if (!isSize(size)) throw new RangeError("the size of a tree is an integer from 0 to 2^53 − 1");
    const wanted = partialTiles(size);
    if (wanted.length !== tiles.length) throw new RangeError(`${wanted.length} partial tiles are needed`);
    const edge = new TileEdge(size, []);
    for (const [i, { level, width }] of wanted.entries()) {
      const tile = tiles[i];
      if (tile?.length !== width * HASH_BYTES) throw new RangeError(`a tile of ${width} hashes is needed`);
      const { hashes, range } = edge.#level(level);
      hashes.set(tile);
      for (const hash of splitTile(hashes.slice(0, tile.length))) range.append(hash);
    }
    return edge;
  }

  /** Number of leaves. */
  get size(): number {
    return this.#size;
  }

  /** Adds a leaf by its 32-byte leaf hash; returns the tiles that this fills, lowest level first. */
  append(leafHash: Uint8Array): CompletedTile[] {
    const completed: CompletedTile[] = [];
    let hash = leafHash;
    let n = Math.floor(this.#size / TILE_WIDTH);
    for (let level = 0; ; level++, n = Math.floor(n / TILE_WIDTH)) {
      const tile = this.#level(level);
      const at = tile.range.size;
      tile.range.append(hash);
      tile.hashes.set(hash, at * HASH_BYTES);
      if (at + 1 < TILE_WIDTH) break;
      completed.push({ level, n, hashes: tile.hashes });
      hash = tile.range.root();
      this.#levels[level] = emptyLevel();
    }
    this.#size++;
    return completed;
  }

  /** Root of the tree: 32 bytes. */
  root(): Uint8Array {
    const hashes: Uint8Array[] = [];
    for (const { range } of this.#levels) hashes.unshift(...range.hashes);
    return foldRight(hashes) ?? emptyRoot;
  }

  /** The first `width` hashes of a tile at the edge (a copy), or undefined if the tile is not there or not so wide. */
  tile(level: number, n: number, width: number): Uint8Array | undefined {
    const tile = this.#levels[level];
    if (!tile || width < 1 || width > tile.range.size) return undefined;
    if (n !== Math.floor(this.#size / TILE_WIDTH ** (level + 1))) return undefined;
    return tile.hashes.slice(0, width * HASH_BYTES);
  }

  /** An independent copy, to try an append that may be rolled back. */
  clone(): TileEdge {
    const copy = ({ hashes, range }: Level): Level => ({ hashes: concat(hashes), range: range.clone() });
    return new TileEdge(this.#size, this.#levels.map(copy));
  }

  #level(level: number): Level {
    while (this.#levels.length <= level) this.#levels.push(emptyLevel());
    return this.#levels[level] ?? emptyLevel();
  }
}

function emptyLevel(): Level {
  return { hashes: new Uint8Array(TILE_BYTES), range: CompactRange.empty() };
}
