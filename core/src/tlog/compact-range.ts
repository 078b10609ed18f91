import { emptyRoot, HASH_BYTES, isSize, nodeHash } from "./merkle.ts";

/**
 * The right edge of an append-only tree: one hash for each full subtree, so at most 53. Enough to append and to know the
 * root, and nothing else; about one hash a leaf.
 */
export class CompactRange {
  #size: number;
  readonly #hashes: Uint8Array[];

  private constructor(size: number, hashes: readonly Uint8Array[]) {
    this.#size = size;
    this.#hashes = [...hashes];
  }

  /** The tree without leaves. */
  static empty(): CompactRange {
    return new CompactRange(0, []);
  }

  /**
   * Restores a range from what {@link CompactRange.hashes} gave. The hashes are believed: compare the root afterwards.
   * @throws {RangeError} if they are not as many as `size` has bits set, or not 32 bytes each
   */
  static restore(size: number, hashes: readonly Uint8Array[]): CompactRange {
    if (!isSize(size)) throw new RangeError("the size of a tree is an integer from 0 to 2^53 − 1");
    let bits = 0;
    for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
    if (hashes.length !== bits) throw new RangeError(`a range of ${size} leaves has ${bits} hashes`);
    if (hashes.some((hash) => hash.length !== HASH_BYTES)) throw new RangeError("a hash has 32 bytes");
    return new CompactRange(size, hashes);
  }

  /** Number of leaves. */
  get size(): number {
    return this.#size;
  }

  /** Roots of the full subtrees from left to right, largest first. */
  get hashes(): readonly Uint8Array[] {
    return [...this.#hashes];
  }

  /** Adds a leaf by its 32-byte leaf hash. @throws {RangeError} if it has another length */
  append(leafHash: Uint8Array): void {
    if (leafHash.length !== HASH_BYTES) throw new RangeError("a leaf hash has 32 bytes");
    let hash = leafHash;
    for (let rest = this.#size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      hash = nodeHash(this.#hashes.pop() ?? hash, hash);
    }
    this.#hashes.push(hash);
    this.#size++;
  }

  /** Root of the tree: 32 bytes. */
  root(): Uint8Array {
    return foldRight(this.#hashes) ?? emptyRoot;
  }

  /** An independent copy, to try an append that may be rolled back. */
  clone(): CompactRange {
    return new CompactRange(this.#size, this.#hashes);
  }
}

/** Root over adjacent full subtrees, largest first; undefined of none. */
export function foldRight(hashes: readonly Uint8Array[]): Uint8Array | undefined {
  let root = hashes.at(-1);
  for (let i = hashes.length - 2; i >= 0 && root; i--) {
    const left = hashes[i];
    if (left) root = nodeHash(left, root);
  }
  return root;
}
