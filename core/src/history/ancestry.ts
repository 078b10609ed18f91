import type { Digest } from "../json/digest.ts";

/** An entry's place in the graph. */
export interface Linked {
  readonly digest: Digest;
  readonly prev: readonly Digest[];
}

/** Who refers to whom, over any number of entries. Linear in the number of references, however the branches join. */
export class Ancestry {
  /** One bit set an entry. */
  readonly #sets: Uint32Array[] = [];

  /** @param entries each after those it refers to; one that is not there leads nowhere */
  constructor(entries: readonly Linked[]) {
    const places = new Map<Digest, number>();
    const words = (entries.length + 31) >>> 5;
    for (const [place, entry] of entries.entries()) {
      const set = new Uint32Array(words);
      for (const digest of entry.prev) {
        const before = places.get(digest);
        if (before === undefined) continue;
        const inherited = this.#sets[before] ?? set;
        for (let word = 0; word < words; word++) set[word] = (set[word] ?? 0) | (inherited[word] ?? 0);
        set[before >>> 5] = (set[before >>> 5] ?? 0) | (1 << (before & 31));
      }
      this.#sets.push(set);
      places.set(entry.digest, place);
    }
  }

  /** True if the entry at place `descendant` refers, at any remove, to the one at place `ancestor`. */
  descends(descendant: number, ancestor: number): boolean {
    const set = this.#sets[descendant];
    return set !== undefined && ((set[ancestor >>> 5] ?? 0) & (1 << (ancestor & 31))) !== 0;
  }
}
