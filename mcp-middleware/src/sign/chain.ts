import {
  type Digest,
  type Entry,
  MAX_HISTORY_BYTES,
  MAX_HISTORY_ENTRIES,
  parseCarriedEntry,
  signEntry,
  type Signer,
  type Verified,
} from "@peerage/core";

/** What is put beside a call proof: the entries, and their tips for the claim `head`. */
export interface PresentedHistory {
  readonly tokens: readonly string[];
  readonly tips: readonly Digest[];
}

/** An entry refers to at most 16 others. */
const MAX_PREV = 16;

/**
 * The growing history of one run: entries that were given at the start, then the verified receipts. Receipts of parallel
 * calls make branches; when there are more tips than one entry may refer to, the agent signs a `join` of its own.
 */
export class HistoryChain {
  readonly #entries: Verified<Entry>[] = [];
  #tips: Digest[] = [];
  #bytes = 0;

  /** @throws {PeerageError} if an entry does not verify. @throws {RangeError} if the entries are not one run in order */
  constructor(tokens: readonly string[] = []) {
    for (const token of tokens) {
      if (!this.add(parseCarriedEntry(token)))
        throw new RangeError("the entries are not one run, each after what it refers to");
    }
  }

  /**
   * Appends a verified entry if it belongs here: the same run, and every `prev` present.
   * @returns false if it does not belong here, or no more fits in
   */
  add(entry: Verified<Entry>): boolean {
    if (!this.belongs(entry)) return false;
    if (this.#entries.length >= MAX_HISTORY_ENTRIES || this.#bytes + entry.token.length > MAX_HISTORY_BYTES)
      return false;
    this.#entries.push(entry);
    this.#bytes += entry.token.length;
    this.#tips = [...this.#tips.filter((tip) => !entry.prev.includes(tip)), entry.digest];
    return true;
  }

  /** True if an entry could be the next one: of this run, not yet here, and all that it refers to is. */
  belongs(entry: Entry): boolean {
    const [root] = this.#entries;
    if (root === undefined ? entry.prev.length > 0 : entry.prev.length === 0 || entry.run !== root.run) return false;
    const known = new Set(this.#entries.map((other) => other.digest));
    return !known.has(entry.digest) && entry.prev.every((digest) => known.has(digest));
  }

  /** Every entry, each after what it refers to. */
  get entries(): readonly Verified<Entry>[] {
    return [...this.#entries];
  }

  /** The entries to which no other refers. */
  get tips(): readonly Digest[] {
    return this.#tips;
  }

  /** True if one more receipt of the usual size might not fit in. */
  get full(): boolean {
    return this.#entries.length >= MAX_HISTORY_ENTRIES - 2 || this.#bytes > MAX_HISTORY_BYTES - 4_096;
  }

  /** The history to present with the next call, or undefined while there is none. */
  async present(signer: Signer, now: Date): Promise<PresentedHistory | undefined> {
    await this.narrow(signer, now);
    if (this.#entries.length === 0) return undefined;
    return { tokens: this.#entries.map((entry) => entry.token), tips: this.#tips };
  }

  /** Joins branches until one entry can refer to all tips. */
  async narrow(signer: Signer, now: Date): Promise<void> {
    while (this.#tips.length > MAX_PREV) {
      const run = this.#entries[0]?.run ?? "";
      const prev = this.#tips.slice(0, MAX_PREV);
      if (!this.add(parseCarriedEntry(await signEntry(signer, { run, prev, step: "join", result: "done", now }))))
        break;
    }
  }
}
