import { LruMap } from "../encoding/lru.ts";
import { PeerageError } from "../errors.ts";
import { foldRight } from "./compact-range.ts";
import { emptyRoot, HASH_BYTES, isPowerOfTwo, isSize, nodeHash } from "./merkle.ts";
import { type ReadTile, type TileCoordinates, TILE_HEIGHT, tileWidth } from "./tiles.ts";

/** A full subtree: the root over leaves `index` × 2^`height` up to (`index` + 1) × 2^`height`. */
interface Subtree {
  readonly height: number;
  readonly index: number;
}

/** One hash of a proof: the root over adjacent full subtrees, largest first. */
type Range = readonly Subtree[];

/**
 * Builds proofs from tiles. Tiles are expanded to all their inner nodes and kept, 16 KB each, so that a proof over tiles
 * already seen costs a handful of hashes. What is built is as true as the tiles: a client verifies it against a checkpoint.
 */
export class ProofBuilder {
  readonly #read: ReadTile;
  readonly #tiles: LruMap<string, ExpandedTile>;

  /** @param options.cacheTiles how many expanded tiles are kept; 1,024 (16 MB) by default */
  constructor(readTile: ReadTile, options: { cacheTiles?: number } = {}) {
    this.#read = readTile;
    this.#tiles = new LruMap(options.cacheTiles ?? 1024);
  }

  /** Inclusion proof of leaf `index` in the tree of `size` leaves. @throws {RangeError} unless 0 ≤ index < size */
  inclusion(index: number, size: number): Promise<Uint8Array[]> {
    return this.#hashes(inclusionRanges(index, size), size);
  }

  /** Consistency proof between `size1` and `size2` leaves. @throws {RangeError} unless 0 ≤ size1 ≤ size2 */
  consistency(size1: number, size2: number): Promise<Uint8Array[]> {
    return this.#hashes(consistencyRanges(size1, size2), size2);
  }

  /**
   * As `consistency`, but beginning with the hash of the last full subtree of the older tree even where the standard
   * leaves it out: what fork evidence needs. @throws {RangeError} unless 0 < size1 < size2
   */
  consistencyPath(size1: number, size2: number): Promise<Uint8Array[]> {
    if (size1 === 0 || size1 === size2) throw new RangeError("a path leads from a smaller tree to a larger one");
    const ranges = consistencyRanges(size1, size2);
    return this.#hashes(isPowerOfTwo(size1) ? [fullSubtrees(0, size1), ...ranges] : ranges, size2);
  }

  /** Root of the tree of `size` leaves. */
  async root(size: number): Promise<Uint8Array> {
    const [root] = await this.#hashes(size === 0 ? [] : [fullSubtrees(0, size)], size);
    return root ?? emptyRoot;
  }

  async #hashes(ranges: readonly Range[], size: number): Promise<Uint8Array[]> {
    const reading = new Map<string, Promise<ExpandedTile>>();
    let last: (TileCoordinates & { readonly tile: ExpandedTile | Promise<ExpandedTile> }) | undefined;
    const find = (subtree: Subtree): ExpandedTile | Promise<ExpandedTile> => {
      const at = tileOf(subtree, size);
      // Neighbours in a proof mostly lie in one tile.
      if (last?.level !== at.level || last.n !== at.n) last = { ...at, tile: this.#tile(at, reading) };
      return last.tile;
    };
    const tiles = ranges.map((range) => range.map(find));
    if (reading.size > 0) await Promise.all(reading.values());
    const hashes: Uint8Array[] = [];
    for (const [i, range] of ranges.entries()) {
      const nodes: Uint8Array[] = [];
      for (const [j, { height, index }] of range.entries()) {
        const tile = tiles[i]?.[j];
        if (!tile) throw new TypeError("each subtree has a tile");
        const within = height % TILE_HEIGHT;
        nodes.push(nodeAt(tile instanceof Promise ? await tile : tile, within, index % 2 ** (TILE_HEIGHT - within)));
      }
      // A copy, so that a proof of a few hashes does not keep whole tiles alive.
      hashes.push((foldRight(nodes) ?? emptyRoot).slice());
    }
    return hashes;
  }

  #tile(tile: TileCoordinates, reading: Map<string, Promise<ExpandedTile>>): ExpandedTile | Promise<ExpandedTile> {
    const key = keyOf(tile);
    const known = this.#tiles.get(key) ?? reading.get(key);
    if (known) return known;
    const keep = (bytes: Uint8Array): ExpandedTile => {
      const expanded = expandTile(tile, bytes);
      this.#tiles.set(key, expanded);
      return expanded;
    };
    const bytes = this.#read(tile.level, tile.n, tile.width);
    if (bytes instanceof Uint8Array) return keep(bytes);
    const expanded = bytes.then(keep);
    reading.set(key, expanded);
    return expanded;
  }
}

/** Tiles that the inclusion proof of `index` in a tree of `size` leaves is built from. */
export function inclusionTiles(index: number, size: number): TileCoordinates[] {
  return tilesOf(inclusionRanges(index, size), size);
}

/** Tiles that the consistency proof between two sizes is built from. */
export function consistencyTiles(size1: number, size2: number): TileCoordinates[] {
  return tilesOf(consistencyRanges(size1, size2), size2);
}

/** PATH(index, D[size]) of RFC 6962 section 2.1.1. */
function inclusionRanges(index: number, size: number): Range[] {
  if (!isSize(size) || !isSize(index) || index >= size) throw new RangeError("the index is not below the size");
  const out: Range[] = [];
  let low = 0;
  let high = size;
  let split = largestBelow(size);
  while (high - low > 1) {
    while (split >= high - low) split /= 2;
    const middle = low + split;
    if (index < middle) {
      out.push(fullSubtrees(middle, high));
      high = middle;
    } else {
      out.push(fullSubtrees(low, middle));
      low = middle;
    }
  }
  return out.reverse();
}

/** PROOF(size1, D[size2]) of RFC 6962 section 2.1.2. */
function consistencyRanges(size1: number, size2: number): Range[] {
  if (!isSize(size1) || !isSize(size2) || size1 > size2) throw new RangeError("the sizes are not in order");
  if (size1 === 0) return [];
  const out: Range[] = [];
  let low = 0;
  let high = size2;
  let split = largestBelow(size2);
  while (high !== size1) {
    while (split >= high - low) split /= 2;
    const middle = low + split;
    if (size1 <= middle) {
      out.push(fullSubtrees(middle, high));
      high = middle;
    } else {
      out.push(fullSubtrees(low, middle));
      low = middle;
    }
  }
  // low = 0: what is left is the older root itself, which the verifier has.
  if (low > 0) out.push(fullSubtrees(low, high));
  return out.reverse();
}

/** Divides [low, high), low being a multiple of the largest power of two in it, into full subtrees, largest first. */
function fullSubtrees(low: number, high: number): Range {
  const out: Subtree[] = [];
  let height = 0;
  let span = 1;
  for (; span * 2 <= high - low; span *= 2) height++;
  for (; low < high; span /= 2, height--) {
    if (span > high - low) continue;
    out.push({ height, index: low / span });
    low += span;
  }
  return out;
}

function largestBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

function tileOf({ height, index }: Subtree, size: number): TileCoordinates {
  const level = Math.floor(height / TILE_HEIGHT);
  const n = Math.floor(index / 2 ** (TILE_HEIGHT - (height % TILE_HEIGHT)));
  return { level, n, width: tileWidth(level, n, size) };
}

function keyOf({ level, n, width }: TileCoordinates): string {
  return `${level}/${n}/${width}`;
}

function tilesOf(ranges: readonly Range[], size: number): TileCoordinates[] {
  const tiles = ranges.flat().map((subtree) => tileOf(subtree, size));
  return [...new Map(tiles.map((tile) => [keyOf(tile), tile])).values()];
}

/** All nodes of the full subtrees of a tile in one array, the hashes of each height after those below. */
interface ExpandedTile {
  readonly nodes: Uint8Array;
  readonly width: number;
}

function expandTile({ width }: TileCoordinates, bytes: Uint8Array): ExpandedTile {
  if (bytes.length !== width * HASH_BYTES) {
    throw new PeerageError("ERR_REGISTRY_RESPONSE", "the tile has another width", { detail: "tile-length" });
  }
  const tile = { nodes: new Uint8Array(rowStart(width, TILE_HEIGHT) * HASH_BYTES), width };
  tile.nodes.set(bytes);
  let end = width;
  // The root of a full tile is a hash of the level above and is never asked for here.
  for (let height = 1; height < TILE_HEIGHT; height++) {
    for (let i = 0; i < Math.floor(width / 2 ** height); i++) {
      tile.nodes.set(
        nodeHash(nodeAt(tile, height - 1, 2 * i), nodeAt(tile, height - 1, 2 * i + 1)),
        end++ * HASH_BYTES,
      );
    }
  }
  return tile;
}

function nodeAt({ nodes, width }: ExpandedTile, height: number, index: number): Uint8Array {
  const at = (rowStart(width, height) + index) * HASH_BYTES;
  return nodes.subarray(at, at + HASH_BYTES);
}

/** Nodes below the row of that height. */
function rowStart(width: number, height: number): number {
  let start = 0;
  for (let below = 0; below < height; below++) start += width >> below;
  return start;
}
