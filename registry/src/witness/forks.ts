import { canonicalize, type Digest, digest, type ForkEvidence, unixSeconds, type Verified } from "@peerage/core";
import type { PeerStore } from "./peer-store.ts";

/** The digest by which a report names evidence of a fork. */
export function forkDigest(evidence: Verified<ForkEvidence>): Digest {
  return digest({ ...evidence, proof: [...evidence.proof] });
}

/** Keeps evidence of a fork. @returns its digest */
export function keepFork(store: PeerStore, evidence: Verified<ForkEvidence>, now: Date): Digest {
  const name = forkDigest(evidence);
  const text = canonicalize({ ...evidence, proof: [...evidence.proof] });
  store.addFork({ digest: name, origin: evidence.origin, evidence: text, time: unixSeconds(now) });
  return name;
}
