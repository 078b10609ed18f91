import type { Network, View } from "@peerage/core";
import type { StoredCheckpoint } from "./store/log-store.ts";

/** Entries that have just become visible: `from` ≤ index < `checkpoint.size`; none if the head was only renewed. */
export interface Publication {
  readonly checkpoint: StoredCheckpoint;
  /** The first new entry. */
  readonly from: number;
}

/** What everybody may see: the published checkpoint and the state of the network under exactly its entries. */
export class Published {
  readonly #network: Network;
  readonly #listeners = new Set<(publication: Publication) => void>();
  #checkpoint: StoredCheckpoint;

  constructor(network: Network, checkpoint: StoredCheckpoint) {
    this.#network = network;
    this.#checkpoint = checkpoint;
  }

  /** Every answer is computed at this checkpoint. */
  get checkpoint(): StoredCheckpoint {
    return this.#checkpoint;
  }

  /** The state under {@link Published.checkpoint}. */
  get view(): View {
    return this.#network.view;
  }

  /** Calls `listener` after each publication until the returned function is called. */
  subscribe(listener: (publication: Publication) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Takes up a checkpoint: the network follows it, then listeners are told. */
  async advance(checkpoint: StoredCheckpoint): Promise<void> {
    const from = this.#checkpoint.size;
    await this.#network.refresh();
    this.#checkpoint = checkpoint;
    for (const listener of [...this.#listeners]) listener({ checkpoint, from });
  }

  /** Resolves to true when entry `index` is published, or to false after `timeoutMs`. */
  covers(index: number, timeoutMs: number): Promise<boolean> {
    if (index < this.#checkpoint.size) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (published: boolean): void => {
        clearTimeout(timer);
        unsubscribe();
        resolve(published);
      };
      const timer = setTimeout(() => finish(false), timeoutMs);
      const unsubscribe = this.subscribe(({ checkpoint }) => {
        if (index < checkpoint.size) finish(true);
      });
    });
  }
}
