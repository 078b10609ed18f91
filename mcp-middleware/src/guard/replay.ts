import { type CallProof, PeerageError, SKEW_SECONDS, unixSeconds } from "@peerage/core";

/** What a replay store remembers of a proof whose signature, audience and time were checked. */
export type Nonce = Pick<CallProof, "issuer" | "audience" | "jti" | "issuedAt" | "expiresAt">;

/**
 * The memory of proofs that were used. One for each guard process, or shared by the processes of one guard; never one
 * for each server instance or connection.
 */
export interface ReplayStore extends Disposable {
  /**
   * Remembers `(issuer, audience, jti)` until `expiresAt` + 30 s, atomically: of any number of equal calls exactly one
   * returns. A live entry is never dropped to make room.
   * @throws {PeerageError} ERR_PROOF_REPLAYED, ERR_REPLAY_STORE_FULL, ERR_STORE_CORRUPT
   */
  insert(nonce: Nonce, now: Date): void;
  /** Entries held at present, expired ones that were not yet removed included. */
  readonly size: number;
}

/** How much a replay store remembers; beyond it new calls are refused, and nothing is forgotten early. */
export interface ReplayLimits {
  /** Live entries in all; 10^6 by default. */
  readonly maxEntries?: number;
  /** Live entries of one DID, so that one caller cannot fill the store; 10^4 by default. */
  readonly maxEntriesPerDid?: number;
}

/** Live entries in all. */
export const DEFAULT_MAX_ENTRIES = 1_000_000;
/** Live entries of one DID. */
export const DEFAULT_MAX_ENTRIES_PER_DID = 10_000;

/** The last Unix second in which a proof could still be admitted, so until which it is remembered. */
export function retainedUntil(nonce: Nonce): number {
  return nonce.expiresAt + SKEW_SECONDS;
}

/** The refusal of a proof that was, or may have been, used before. */
export function replayed(detail: string): PeerageError {
  return new PeerageError("ERR_PROOF_REPLAYED", "the proof was used before: sign the call anew", { detail });
}

/** The refusal of a proof that cannot be remembered. */
export function storeFull(detail: string): PeerageError {
  return new PeerageError("ERR_REPLAY_STORE_FULL", "too many calls in a short time: retry later", { detail });
}

/**
 * A replay store in memory. It forgets at exit, so it refuses every proof issued before `startedAt`, in whole seconds: the
 * process before may have admitted it. What that one admitted in its last second or so may be used once more, so a guard
 * that is started again at once keeps its proofs on disk.
 */
export class MemoryReplayStore implements ReplayStore {
  readonly #maxEntries: number;
  readonly #maxPerDid: number;
  readonly #startedAt: number;
  readonly #entries = new Set<string>();
  /** Keys by the second until which they are kept, so that removing expired ones costs nothing for live ones. */
  readonly #bySecond = new Map<number, { readonly key: string; readonly issuer: string }[]>();
  readonly #perDid = new Map<string, number>();
  /** Everything kept until before this second was removed: such a proof cannot be told from a used one. */
  #purgedBefore: number;

  constructor(options: ReplayLimits & { readonly startedAt?: Date } = {}) {
    this.#maxEntries = options.maxEntries ?? DEFAULT_MAX_ENTRIES;
    this.#maxPerDid = options.maxEntriesPerDid ?? DEFAULT_MAX_ENTRIES_PER_DID;
    this.#startedAt = unixSeconds(options.startedAt ?? new Date());
    this.#purgedBefore = this.#startedAt;
  }

  get size(): number {
    return this.#entries.size;
  }

  insert(nonce: Nonce, now: Date): void {
    if (nonce.issuedAt < this.#startedAt) throw replayed("issued before this store was made");
    this.#purge(unixSeconds(now));
    const until = retainedUntil(nonce);
    if (until < this.#purgedBefore) throw replayed("the clock was set back");
    const key = `${nonce.issuer} ${nonce.audience} ${nonce.jti}`;
    if (this.#entries.has(key)) throw replayed("seen");
    const held = this.#perDid.get(nonce.issuer) ?? 0;
    if (held >= this.#maxPerDid) throw storeFull("did");
    if (this.#entries.size >= this.#maxEntries) throw storeFull("all");
    this.#entries.add(key);
    this.#perDid.set(nonce.issuer, held + 1);
    const bucket = this.#bySecond.get(until);
    if (bucket) bucket.push({ key, issuer: nonce.issuer });
    else this.#bySecond.set(until, [{ key, issuer: nonce.issuer }]);
  }

  [Symbol.dispose](): void {
    this.#entries.clear();
    this.#bySecond.clear();
    this.#perDid.clear();
  }

  #purge(second: number): void {
    if (second <= this.#purgedBefore) return;
    this.#purgedBefore = second;
    // At most 361 different seconds are alive at once, so this stays small whatever the load.
    for (const [until, bucket] of this.#bySecond) {
      if (until >= second) continue;
      for (const { key, issuer } of bucket) this.#forget(key, issuer);
      this.#bySecond.delete(until);
    }
  }

  #forget(key: string, issuer: string): void {
    this.#entries.delete(key);
    const left = (this.#perDid.get(issuer) ?? 1) - 1;
    if (left > 0) this.#perDid.set(issuer, left);
    else this.#perDid.delete(issuer);
  }
}
