import {
  canonicalize,
  CheckBudget,
  type Did,
  digest,
  type Digest,
  isJsonObject,
  type JsonValue,
  LruMap,
  PeerageError,
  type Verified,
  verifyVouchNow,
  type Vouch,
} from "@peerage/core";

/** Where a caller carries vouches: a list of signed documents. */
export const VOUCHES_META = "dev.peerage/vouches";
/** Vouches that one call may carry. */
export const MAX_PRESENTED_VOUCHES = 16;
/** Of all of them together, in their one form. */
export const MAX_PRESENTED_BYTES = 32_768;

/** Verified vouches that are remembered; each has at most 4 KiB. */
const REMEMBERED = 4_096;

/**
 * Reads the vouches that callers carry: verified at once, each once, and only so many new ones of a caller in a minute.
 * Whether they count is asked of what the guard follows.
 */
export class PresentedReader {
  readonly #verified = new LruMap<Digest, Verified<Vouch>>(REMEMBERED);
  readonly #checks = new CheckBudget();

  /**
   * @param value - `params._meta["dev.peerage/vouches"]`
   * @throws {PeerageError} ERR_STATEMENT_INVALID if one is no vouch, or forged; ERR_RATE_LIMITED
   */
  read(value: JsonValue | undefined, caller: Did, now: Date): readonly Verified<Vouch>[] {
    if (value === undefined) return [];
    if (!Array.isArray(value) || value.length > MAX_PRESENTED_VOUCHES) throw invalid("list");
    const presented = value.map((document: JsonValue) => {
      if (!isJsonObject(document)) throw invalid("list");
      return { text: canonicalize(document), name: digest(document) };
    });
    if (presented.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0) > MAX_PRESENTED_BYTES)
      throw invalid("size");
    const fresh = presented.filter(({ name }) => !this.#verified.get(name)).length;
    if (fresh > 0) this.#checks.take(caller, fresh, now);
    return presented.map(({ text, name }) => {
      const vouch = this.#verified.get(name) ?? verifyVouchNow(text);
      this.#verified.set(name, vouch);
      return vouch;
    });
  }
}

function invalid(detail: string): PeerageError {
  return new PeerageError("ERR_STATEMENT_INVALID", "the presented vouches are not acceptable", {
    detail: `vouches-${detail}`,
  });
}
