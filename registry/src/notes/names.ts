import type { Digest } from "@peerage/core";

/** So many names are kept at hand, at most 64 characters each; agents beyond are shown by their fingerprint. */
const MAX_NAMES = 100_000;

/** The names in the notes that are kept, to be had at once. */
export class NoteNames {
  readonly #names = new Map<Digest, string>();

  constructor(names: Iterable<readonly [Digest, string]>) {
    for (const [digest, name] of names) this.set(digest, name);
  }

  get(digest: Digest): string | undefined {
    return this.#names.get(digest);
  }

  set(digest: Digest, name: string | undefined): void {
    if (name !== undefined && this.#names.size < MAX_NAMES) this.#names.set(digest, name);
  }

  delete(digest: Digest): void {
    this.#names.delete(digest);
  }
}
