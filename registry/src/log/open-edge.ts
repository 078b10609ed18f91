import { equalBytes, partialTiles, PeerageError, TileEdge } from "@peerage/core";
import type { LogReads } from "../store/log-store.ts";
import type { TileSource } from "./tile-source.ts";

/**
 * Rebuilds the right edge of the tree from what is stored, at most 255 rows a level, and compares its root with the
 * committed head and with the newest published checkpoint.
 * @throws {PeerageError} ERR_STORE_CORRUPT if anything differs: the log is then left as it is
 */
export async function openEdge(store: LogReads, tiles: TileSource): Promise<TileEdge> {
  const head = await store.head();
  const [above] = await store.entries(head.size, head.size + 1);
  if (above) throw damaged(`entry ${above.index} lies beyond the committed size ${head.size}`);
  const edge = await edgeAt(tiles, head.size);
  if (!equalBytes(edge.root(), head.root)) throw damaged(`its ${head.size} entries do not hash to the committed root`);
  const published = await store.newestCheckpoint();
  if (published) {
    if (published.size > head.size) throw damaged(`it published ${published.size} entries and holds ${head.size}`);
    if (!equalBytes((await edgeAt(tiles, published.size)).root(), published.root)) {
      throw damaged(`its first ${published.size} entries do not hash to the published root`);
    }
  }
  return edge;
}

async function edgeAt(tiles: TileSource, size: number): Promise<TileEdge> {
  const partial = await Promise.all(partialTiles(size).map(({ level, n, width }) => tiles.read(level, n, width)));
  return TileEdge.restore(size, partial);
}

function damaged(why: string): PeerageError {
  return new PeerageError("ERR_STORE_CORRUPT", `the registry's database is damaged: ${why}. Restore it from a backup`);
}
