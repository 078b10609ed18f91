import { type DidKeys, type Digest, type Entry, isJsonObject, isPeerageError, type JsonValue, LruMap, SKEW_SECONDS, type SpiffeFacts, type SpiffeId, type SpiffePresentation, type Verified } from "@peerage/core"; // prettier-ignore
import { type BindingContext, keyOf, readEntry, type VerifiedBinding, verifyBinding } from "./binding.ts";
import { bindingInvalid } from "./refuse.ts";

type Options = Pick<BindingContext, "bundles" | "wimseEdDsa">;

/** A binding that was presented for a signer: it holds now, or it has expired and may have held at an entry's time. */
interface Presented {
  readonly value: JsonValue;
  readonly entry: Verified<Entry>;
  readonly binding: Verified<VerifiedBinding> | undefined;
}

/**
 * The SPIFFE IDs of signers of a history. An entry names, in `sub.binding`, the binding that its signer had; that holds
 * if it was valid at the entry's `iat` and its domain is trusted now. Of a binding that has expired since, the signer's
 * clock is no witness: it counts only if this guard saw the entry while it was valid.
 */
export class EntrySigners {
  readonly #options: Options;
  readonly #seen = new LruMap<string, true>(16_384);

  constructor(options: Options) {
    this.#options = options;
  }

  /** The DID that countersigned a binding; undefined if nobody did. */
  didOf(value: JsonValue, { keys }: SpiffePresentation): string | undefined {
    return isJsonObject(value) && value["did"] !== undefined ? readEntry(value["did"], { ...keys }).issuer : undefined;
  }

  /**
   * Verifies the bindings of other signers.
   * @throws {PeerageError} ERR_SVID_INVALID, ERR_SPIFFE_BINDING for one that does not hold and never did
   */
  read(values: readonly JsonValue[], { now, audiences, keys }: SpiffePresentation): SpiffeFacts["signerOf"] {
    const presented = new Map<Digest, Presented>();
    for (const value of values) {
      const entry = readEntry(isJsonObject(value) ? value["did"] : undefined, { ...keys });
      const binding = this.#verify(value, entry, now, keys);
      // A signer whose key was lost has no name; what it signed is judged with the history.
      if (keys?.isLost(entry.issuer, keyOf(entry))) continue;
      if (binding && !binding.audiences.every((audience) => audiences.has(audience))) throw bindingInvalid("audience");
      presented.set(entry.digest, { value, entry, binding });
    }
    return (entry) => {
      const named = presented.get(entry.sub?.["binding"] as Digest);
      if (named?.entry.issuer !== entry.issuer) return undefined;
      return named.binding ? this.judge(named.binding, entry) : this.#judgeLater(named, entry, keys);
    };
  }

  /** The SPIFFE ID of an entry by a binding that holds now; the entry is remembered as seen. */
  judge(binding: Verified<VerifiedBinding>, entry: Entry): SpiffeId | undefined {
    if (entry.issuedAt < binding.validFrom - SKEW_SECONDS || entry.issuedAt >= binding.expiresAt) return undefined;
    this.#seen.set(`${entry.digest} ${binding.entry ?? ""}`, true);
    return binding.spiffe;
  }

  /** The SPIFFE ID of an entry that was seen in time, by the keys that its domain has now, at the entry's own time. */
  #judgeLater({ value, entry: did }: Presented, entry: Entry, keys: DidKeys | undefined): SpiffeId | undefined {
    if (!this.#seen.get(`${entry.digest} ${did.digest}`)) return undefined;
    return this.#verify(value, did, new Date(entry.issuedAt * 1000), keys)?.spiffe;
  }

  /** Undefined if it has expired. */
  #verify(
    value: JsonValue,
    entry: Verified<Entry>,
    now: Date,
    keys: DidKeys | undefined,
  ): Verified<VerifiedBinding> | undefined {
    try {
      const proof = { issuer: entry.issuer, kid: entry.kid };
      return verifyBinding(value, { ...this.#options, now, proof, keysOf: keys?.keysOf });
    } catch (error) {
      if (isPeerageError(error) && error.detail === "expired") return undefined;
      throw error;
    }
  }
}
