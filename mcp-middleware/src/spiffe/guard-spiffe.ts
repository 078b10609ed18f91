import { hash } from "node:crypto";
import { BINDING_META, type CallProof, type Entry, type JsonValue, LruMap, parseWorkloadId, PeerageError, type SpiffeFacts, type SpiffePresentation, type SpiffeProof, spiffeProofs, type SpiffeVerifier, type Verified } from "@peerage/core"; // prettier-ignore
import { type VerifiedBinding, verifyBinding } from "./binding.ts";
import { EntrySigners } from "./entry-signers.ts";
import { verifyPeerAgain } from "./peer-svid.ts";
import { bindingInvalid, svidInvalid } from "./refuse.ts";
import { verifyWitSvid } from "./wit-svid.ts";
import { verifyWpt, WIT_HEADER, WPT_HEADER, type WptContext } from "./wpt.ts";
import type { BundleLookup } from "./x509-svid.ts";

export interface GuardSpiffeOptions {
  readonly bundles: BundleLookup;
  /** Proofs that count; a SPIFFE ID bound in another way is held for unbound. All by default. */
  readonly accept?: readonly SpiffeProof[] | undefined;
  /** Refuse calls without a bound SPIFFE ID before policy is asked. */
  readonly required?: boolean | undefined;
  /** Refuse a bound SPIFFE ID that is not the connection's. */
  readonly matchConnection?: boolean | undefined;
  readonly wimseEdDsa?: boolean | undefined;
  /** Remembers the nonce of a WPT: the guard's replay store. Without it WPT headers are refused. */
  readonly spend?: WptContext["spend"] | undefined;
}

/** The list of bindings has at most this many members. */
const MAX_BINDINGS = 16;

/**
 * Step 5 of the guard: the SPIFFE ID that belongs to the DID which signed the call. Synchronous, against snapshots.
 * Verified bindings are cached until their first expiry and under the digest of their bundle.
 */
export class GuardSpiffe implements SpiffeVerifier {
  readonly #options: GuardSpiffeOptions;
  readonly #accept: ReadonlySet<SpiffeProof>;
  readonly #known = new LruMap<string, Verified<VerifiedBinding>>(4_096);
  readonly #signers: EntrySigners;

  constructor(options: GuardSpiffeOptions) {
    this.#options = options;
    this.#accept = new Set(options.accept ?? spiffeProofs);
    this.#signers = new EntrySigners(options);
  }

  verify(presentation: SpiffePresentation, proof: CallProof): SpiffeFacts {
    const { now, connection } = presentation;
    const { own, others } = this.#split(presentation, proof);
    const bound = own === undefined ? undefined : this.#binding(own, presentation, proof);
    const peer = connection && verifyPeerAgain(connection, this.#options.bundles, now);
    if (bound && peer && this.#options.matchConnection && peer.spiffeId !== bound.spiffe) {
      throw bindingInvalid("connection");
    }
    const possessed = this.#possession(presentation, proof);
    const signerOf = this.#kept(this.#signers.read(others, presentation), now);
    const counts = bound && this.#accept.has(bound.proof);
    if (counts) {
      // A gateway's own ID stands beside that of the agent behind it: deny rules see both.
      const others = [peer?.spiffeId, possessed?.spiffe].filter((id) => id !== undefined && id !== bound.spiffe);
      const [unbound] = others;
      const { spiffe, proof: how, evidence } = bound;
      return { spiffe, proof: how, evidence, ...(unbound ? { unbound } : {}), signerOf: this.#own(bound, signerOf) };
    }
    if (this.#options.required && presentation.hasNoPlace !== true) {
      throw new PeerageError("ERR_SPIFFE_REQUIRED", `a SPIFFE ID is required: send ${BINDING_META}`, {
        detail: bound ? "proof" : "missing",
      });
    }
    const seen = bound ?? (peer && { spiffe: peer.spiffeId, evidence: { svid: peer.digest, bundle: peer.bundle } });
    const unbound = seen ?? possessed;
    return { ...(unbound ? { unbound: unbound.spiffe, evidence: unbound.evidence } : {}), signerOf };
  }

  /** An entry that was kept with its signer's SPIFFE ID needs no binding again, as long as that domain is trusted. */
  #kept(next: SpiffeFacts["signerOf"], now: Date): SpiffeFacts["signerOf"] {
    return (entry, seenAs) => {
      const shown = next(entry);
      if (shown !== undefined || seenAs === undefined) return shown;
      const bundle = this.#options.bundles.get(parseWorkloadId(seenAs).trustDomain, now);
      return bundle && bundle.x509Authorities.length + bundle.jwtAuthorities.size + bundle.witAuthorities.size > 0
        ? seenAs
        : undefined;
    };
  }

  /** The caller's own binding, and those of signers of its history. */
  #split(
    presentation: SpiffePresentation,
    proof: CallProof,
  ): { readonly own: JsonValue | undefined; readonly others: readonly JsonValue[] } {
    const { binding: value } = presentation;
    if (value === undefined) return { own: undefined, others: [] };
    if (!Array.isArray(value)) return { own: value, others: [] };
    if (value.length > MAX_BINDINGS) throw bindingInvalid("form");
    const isOwn = (item: JsonValue): boolean =>
      (this.#signers.didOf(item, presentation) ?? proof.issuer) === proof.issuer;
    // Earlier bindings of the caller itself speak for its earlier entries.
    const own = value.findIndex((item: JsonValue) => isOwn(item));
    return { own: value[own] as JsonValue | undefined, others: value.filter((_: JsonValue, i: number) => i !== own) };
  }

  #binding(value: JsonValue, presentation: SpiffePresentation, proof: CallProof): Verified<VerifiedBinding> {
    const { now, audiences, keys } = presentation;
    const { bundles } = this.#options;
    const key = hash("sha256", `${proof.issuer} ${proof.kid} ${JSON.stringify(value)}`);
    const known = this.#known.get(key);
    const seconds = now.getTime() / 1000;
    const stands = known && seconds < known.expiresAt && bundles.get(known.trustDomain, now)?.digest === known.bundle;
    const binding = stands ? known : verifyBinding(value, { ...this.#options, now, proof, keysOf: keys?.keysOf });
    if (binding !== known) this.#known.set(key, binding);
    if (!binding.audiences.every((audience) => audiences.has(audience))) throw bindingInvalid("audience");
    if (binding.key !== undefined && keys?.isLost(proof.issuer, binding.key)) throw bindingInvalid("key");
    return binding;
  }

  /** WIT and WPT in the headers: possession of a workload's key, which binds it to no DID. */
  #possession(
    { header, audiences, now }: SpiffePresentation,
    proof: CallProof,
  ): Pick<VerifiedBinding, "spiffe" | "evidence"> | undefined {
    const [token, possession] = [header?.(WIT_HEADER), header?.(WPT_HEADER)];
    if (token === undefined && possession === undefined) return undefined;
    const { bundles, spend, wimseEdDsa } = this.#options;
    if (token === undefined || possession === undefined || !spend) throw svidInvalid("wpt");
    const wit = verifyWitSvid(token, { bundles, now, ...(wimseEdDsa ? { edDsa: true } : {}) });
    const authorization = header?.("authorization")?.replace(/^\S+ +/, "");
    const transaction = header?.("txn-token");
    verifyWpt(possession, { wit, audiences, now, spend, authorization, transaction, call: proof.token });
    return { spiffe: wit.subject, evidence: { svid: wit.digest, bundle: wit.bundle } };
  }

  /** The caller's own entries may name its own binding as well. */
  #own(bound: Verified<VerifiedBinding>, next: SpiffeFacts["signerOf"]): SpiffeFacts["signerOf"] {
    return (entry: Entry, seenAs) => {
      const named = entry.sub?.["binding"];
      const isOwn = bound.entry !== undefined && named === bound.entry && entry.issuer === bound.did;
      return isOwn ? this.#signers.judge(bound, entry) : next(entry, seenAs);
    };
  }
}
