import {
  canonicalize,
  type Digest,
  digest,
  type ForkEvidence,
  type LogEnd,
  unixSeconds,
  type Verified,
} from "@peerage/core";
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

/** The digest by which a report names the end of a log. */
export function endDigest(end: Verified<LogEnd>): Digest {
  return digest({ ...end });
}

/** Keeps the last head of a log that has ended. @returns the digest by which a report names it */
export function keepEnd(store: PeerStore, end: Verified<LogEnd>, now: Date): Digest {
  const name = endDigest(end);
  store.addEnd({ digest: name, origin: end.origin, evidence: canonicalize({ ...end }), time: unixSeconds(now) });
  return name;
}
