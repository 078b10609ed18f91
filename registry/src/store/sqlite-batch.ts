import type { FullTile, StoredEntry } from "./log-store.ts";

/** A batch on its way to another thread: all bytes in one buffer that changes hands, so that none are copied there. */
export interface PackedBatch {
  /** Of each entry: index, kind, length of the body, 1 if it has a target. */
  readonly numbers: readonly number[];
  /** Of each entry: issuer, then subject. */
  readonly texts: readonly (string | null)[];
  /** Of each tile: level, n. */
  readonly tiles: readonly number[];
  /** Of each entry: id, leaf, target if there is one, body; then the tiles. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const HASH = 32;
const TILE = 8_192;

/** Copies a batch into one buffer. */
export function packBatch(entries: readonly StoredEntry[], tiles: readonly FullTile[]): PackedBatch {
  const size = entries.reduce((sum, { target, body }) => sum + (target ? 3 : 2) * HASH + body.length, 0);
  const bytes = new Uint8Array(size + tiles.length * TILE);
  const numbers: number[] = [];
  const texts: (string | null)[] = [];
  let at = 0;
  const put = (part: Uint8Array): void => {
    bytes.set(part, at);
    at += part.length;
  };
  for (const { index, id, leaf, kind, issuer, subject, target, body } of entries) {
    numbers.push(index, kind, body.length, target ? 1 : 0);
    texts.push(issuer, subject);
    put(id);
    put(leaf);
    if (target) put(target);
    put(body);
  }
  for (const { hashes } of tiles) put(hashes);
  return { numbers, texts, tiles: tiles.flatMap(({ level, n }) => [level, n]), bytes };
}

/** What {@link packBatch} was given, as views of its buffer. */
export function unpackBatch({ numbers, texts, tiles, bytes }: PackedBatch): {
  entries: StoredEntry[];
  tiles: FullTile[];
} {
  let at = 0;
  const take = (length: number): Uint8Array => bytes.subarray(at, (at += length));
  const entries: StoredEntry[] = [];
  for (let i = 0; i < numbers.length / 4; i++) {
    const [index, kind, length, targeted] = numbers.slice(4 * i, 4 * i + 4) as [number, number, number, number];
    entries.push({
      index,
      id: take(HASH),
      leaf: take(HASH),
      kind,
      issuer: texts[2 * i] ?? "",
      subject: texts[2 * i + 1] ?? null,
      target: targeted === 1 ? take(HASH) : null,
      body: take(length),
    });
  }
  const full: FullTile[] = [];
  for (let i = 0; i < tiles.length; i += 2)
    full.push({ level: tiles[i] ?? 0, n: tiles[i + 1] ?? 0, hashes: take(TILE) });
  return { entries, tiles: full };
}
