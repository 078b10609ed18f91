import type { TileEdge } from "@peerage/core";
import type { FullTile, Head, LogStore, StoredEntry } from "../store/log-store.ts";

/** A statement that passed admission and awaits its index. */
export type Candidate = Omit<StoredEntry, "index">;

/** Where a statement stands in the log. It is on disk. */
export interface Sequenced {
  readonly index: number;
  /** True if this very id had its index before. */
  readonly known: boolean;
}

type Append = LogStore["append"];

/** Gives statements their indexes and writes them with the tree that covers them; one call at a time. */
export class TreeWriter {
  readonly #store: Pick<LogStore, "indexesOf">;
  #edge: TileEdge;
  #head: Head;

  /** @param edge of the committed tree */
  constructor(store: Pick<LogStore, "indexesOf">, edge: TileEdge) {
    this.#store = store;
    this.#edge = edge;
    this.#head = { size: edge.size, root: edge.root() };
  }

  /** Committed size and root. */
  get head(): Head {
    return this.#head;
  }

  /**
   * Commits a batch in its order; what the log has already keeps its index, and so does the second of two in the batch.
   * @param append commits, and is called also for a batch of which nothing is new if `always` is set
   * @throws what `append` throws; this object must not be used any more then
   */
  async commit(candidates: readonly Candidate[], append: Append, always = false): Promise<Sequenced[]> {
    // Admission looked too, but the entry may have been committed since; only here nothing else can add one.
    const stored = await this.#store.indexesOf(candidates.map(({ id }) => id));
    const old = this.#head;
    const edge = this.#edge.clone();
    const entries: StoredEntry[] = [];
    const tiles: FullTile[] = [];
    const fresh = new Map<string, number>();
    const sequenced: Sequenced[] = [];
    for (const [i, candidate] of candidates.entries()) {
      const key = Buffer.from(candidate.id).toString("latin1");
      const known = stored[i] ?? fresh.get(key);
      sequenced.push({ index: known ?? edge.size, known: known !== undefined });
      if (known !== undefined) continue;
      fresh.set(key, edge.size);
      entries.push({ index: edge.size, ...candidate });
      tiles.push(...edge.append(candidate.leaf));
    }
    if (entries.length > 0 || always) {
      const head = { size: edge.size, root: edge.root() };
      await append(entries, tiles, old, head);
      this.#edge = edge;
      this.#head = head;
    }
    return sequenced;
  }
}
