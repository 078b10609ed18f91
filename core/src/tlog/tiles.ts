import { PeerageError } from "../errors.ts";
import { CompactRange } from "./compact-range.ts";
import { HASH_BYTES, isSize } from "./merkle.ts";

/** Hashes in a full tile, and entries in a full bundle. */
export const TILE_WIDTH = 256;
/** Levels of the tree that a tile spans. */
export const TILE_HEIGHT = 8;
/** Bytes of a full tile. */
export const TILE_BYTES: number = TILE_WIDTH * HASH_BYTES;
/** Longest entry that a bundle can hold, in bytes. */
export const MAX_ENTRY_BYTES = 65_535;

/** Highest level of a tree of fewer than 2^53 leaves. */
const MAX_LEVEL = 6;

/** Where a tile of hashes stands. */
export interface TileCoordinates {
  /** 0 holds leaf hashes; each hash of level L + 1 is the root of a full tile of level L. */
  readonly level: number;
  /** Index within the level. */
  readonly n: number;
  /** Number of hashes, 1 to 256; below 256 the tile is partial. */
  readonly width: number;
}

/** Where a bundle of entries stands. */
export interface BundleCoordinates {
  readonly level: "entries";
  /** Its index; the bundle begins with entry 256 n. */
  readonly n: number;
  /** Number of entries, 1 to 256. */
  readonly width: number;
}

/** Reads the first `width` hashes of a tile: exactly `width` × 32 bytes. Only tiles that the asked size has are read. */
export type ReadTile = (level: number, n: number, width: number) => Uint8Array | Promise<Uint8Array>;

/**
 * Path of a tile or bundle without a leading slash: `tile/0/x001/234.p/5`, `tile/entries/067`.
 * @throws {RangeError} if no tree below 2^53 leaves has it
 * @see https://c2sp.org/tlog-tiles
 */
export function formatTilePath({ level, n, width }: TileCoordinates | BundleCoordinates): string {
  if (!canExist(level, n, width)) throw new RangeError("no such tile");
  const digits = String(n);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, "0").match(/\d{3}/g) ?? [];
  const path = groups.map((group, i) => (i === groups.length - 1 ? group : `x${group}`)).join("/");
  return `tile/${level}/${path}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/**
 * Parses a path; refuses every text that {@link formatTilePath} would not write.
 * @throws {PeerageError} ERR_REQUEST_INVALID
 */
export function parseTilePath(path: string): TileCoordinates | BundleCoordinates {
  const match = /^tile\/(entries|[0-9])\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path);
  if (match) {
    const level = match[1] === "entries" ? match[1] : Number(match[1]);
    const n = Number(match[2]?.replaceAll(/[x/]/g, ""));
    const width = match[3] === undefined ? TILE_WIDTH : Number(match[3]);
    if (canExist(level, n, width) && formatTilePath({ level, n, width } as TileCoordinates) === path) {
      return { level, n, width };
    }
  }
  throw new PeerageError("ERR_REQUEST_INVALID", "not the path of a tile", { detail: "tile-path" });
}

/** Number of hashes that tile `n` of `level` has in a tree of `size` leaves: 0 to 256. */
export function tileWidth(level: number, n: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** level);
  return Math.max(0, Math.min(TILE_WIDTH, hashes - n * TILE_WIDTH));
}

/** Tiles that are partial in a tree of `size` leaves: the right edge, lowest level first, at most one a level. */
export function partialTiles(size: number): TileCoordinates[] {
  const out: TileCoordinates[] = [];
  for (let level = 0, hashes = size; hashes > 0; level++, hashes = Math.floor(hashes / TILE_WIDTH)) {
    const width = hashes % TILE_WIDTH;
    if (width > 0) out.push({ level, n: Math.floor(hashes / TILE_WIDTH), width });
  }
  return out;
}

/** Full tiles that a tree gains when it grows from `oldSize` to `newSize` leaves, lowest level first. */
export function completedTiles(oldSize: number, newSize: number): TileCoordinates[] {
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize) throw new RangeError("a log only grows");
  const out: TileCoordinates[] = [];
  for (let level = 0, span = TILE_WIDTH; span <= newSize; level++, span *= TILE_WIDTH) {
    const end = Math.floor(newSize / span);
    for (let n = Math.floor(oldSize / span); n < end; n++) out.push({ level, n, width: TILE_WIDTH });
  }
  return out;
}

/** Root over the hashes of a tile: of a full one, its hash in the level above. */
export function tileRoot(tile: Uint8Array): Uint8Array {
  const range = CompactRange.empty();
  for (const hash of splitTile(tile)) range.append(hash);
  return range.root();
}

/** The hashes of a tile, as views into it. @throws {PeerageError} ERR_REGISTRY_RESPONSE if its length fits no tile */
export function splitTile(tile: Uint8Array): Uint8Array[] {
  if (tile.length === 0 || tile.length % HASH_BYTES !== 0 || tile.length > TILE_BYTES) throw badTile("tile-length");
  return Array.from({ length: tile.length / HASH_BYTES }, (_, i) =>
    tile.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

/**
 * Writes entries as a bundle: each a big-endian uint16 length and the bytes.
 * @throws {RangeError} if there are none, more than 256, or one is longer than 65,535 bytes
 */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length === 0 || entries.length > TILE_WIDTH) throw new RangeError("a bundle has 1 to 256 entries");
  if (entries.some((entry) => entry.length > MAX_ENTRY_BYTES))
    throw new RangeError("an entry has at most 65,535 bytes");
  const out = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  let at = 0;
  for (const entry of entries) {
    out[at] = entry.length >> 8;
    out[at + 1] = entry.length & 255;
    out.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return out;
}

/**
 * Reads a bundle of exactly `width` entries, as views into it. Nothing is proven yet: compare their leaf hashes.
 * @throws {PeerageError} ERR_REGISTRY_RESPONSE if entries are missing, cut off or too many
 */
export function decodeEntryBundle(bundle: Uint8Array, width: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  let at = 0;
  while (at < bundle.length && out.length < width) {
    const high = bundle[at];
    const low = bundle[at + 1];
    if (high === undefined || low === undefined) throw badTile("bundle-truncated");
    const end = at + 2 + (high << 8) + low;
    if (end > bundle.length) throw badTile("bundle-truncated");
    out.push(bundle.subarray(at + 2, end));
    at = end;
  }
  if (out.length !== width || at !== bundle.length) throw badTile("bundle-length");
  return out;
}

function canExist(level: number | "entries", n: number, width: number): boolean {
  const height = level === "entries" ? 0 : level;
  if (!Number.isInteger(height) || height < 0 || height > MAX_LEVEL || !isSize(n)) return false;
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH) return false;
  return isSize((n * TILE_WIDTH + width) * TILE_WIDTH ** height);
}

function badTile(detail: string): PeerageError {
  return new PeerageError("ERR_REGISTRY_RESPONSE", "the tile is not well formed", { detail });
}
