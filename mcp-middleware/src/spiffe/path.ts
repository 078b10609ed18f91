import { isPeerageError, type PeerageError } from "@peerage/core";
import type { Certificate } from "./certificate.ts";
import { permitsUri } from "./name-constraints.ts";
import { svidInvalid } from "./refuse.ts";
import { verifyCertificateSignature } from "./signature-algorithm.ts";
import { checkSigner } from "./svid-rules.ts";

/** A path has at most this many links from the leaf to an anchor. */
const MAX_PATH_LINKS = 8;
/** At most this many signatures are checked for one chain, so that certificates that all issue one another cost little. */
const MAX_SIGNATURE_CHECKS = 32;

/** From when until when a path holds, Unix seconds, both inclusive. */
export interface PathValidity {
  readonly from: number;
  readonly until: number;
}

interface Search {
  readonly presented: readonly Certificate[];
  readonly anchors: readonly Certificate[];
  readonly trustDomain: string;
  /** Unix seconds. */
  readonly now: number;
  checks: number;
  /** The first thing wrong with a candidate; it says more than that no path was found. */
  failure: PeerageError | undefined;
}

/**
 * Path validation without policies (RFC 5280 section 6), depth first from the leaf to one of the anchors. Anchors are
 * judged like every other signer, time included, and need not be self-signed. The leaf's own rules are checked before.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `expired`, `not-yet-valid`, `untrusted`, `sig`, `path-len`,
 *   `name-constraints`, `too-many-checks`, or one of a signer's rules
 */
export function verifyPath(
  leaf: Certificate,
  presented: readonly Certificate[],
  anchors: readonly Certificate[],
  context: { readonly trustDomain: string; readonly now: number },
): PathValidity {
  checkTime(leaf, context.now);
  const search: Search = { ...context, presented, anchors, checks: 0, failure: undefined };
  const path = extend([leaf], search);
  if (!path) throw search.failure ?? svidInvalid("untrusted");
  return {
    from: Math.max(...path.map(({ notBefore }) => notBefore)),
    until: Math.min(...path.map(({ notAfter }) => notAfter)),
  };
}

/** The whole path above `path`, or undefined if none holds. Anchors come first: a short path needs no detour. */
function extend(path: readonly Certificate[], search: Search): readonly Certificate[] | undefined {
  const child = path.at(-1);
  if (!child || path.length > MAX_PATH_LINKS) return undefined;
  for (const anchor of search.anchors) {
    if (isIssuer(anchor, child) && !path.includes(anchor) && holds(anchor, path, search)) return [...path, anchor];
  }
  for (const signer of search.presented) {
    if (path.includes(signer) || !isIssuer(signer, child) || !holds(signer, path, search)) continue;
    const whole = extend([...path, signer], search);
    if (whole) return whole;
  }
  return undefined;
}

function isIssuer(candidate: Certificate, child: Certificate): boolean {
  if (candidate.subject !== child.issuer) return false;
  const { subjectKeyId } = candidate.extensions;
  const { authorityKeyId } = child.extensions;
  return subjectKeyId === undefined || authorityKeyId === undefined || subjectKeyId === authorityKeyId;
}

function holds(signer: Certificate, path: readonly Certificate[], search: Search): boolean {
  try {
    checkTime(signer, search.now);
    checkSigner(signer, search.trustDomain);
    checkConstraints(signer, path);
    checkSignature(signer, path.at(-1), search);
    return true;
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    if (error.detail === "too-many-checks") throw error;
    search.failure ??= error;
    return false;
  }
}

function checkTime(certificate: Certificate, now: number): void {
  if (now < certificate.notBefore) throw svidInvalid("not-yet-valid");
  if (now > certificate.notAfter) throw svidInvalid("expired");
}

function checkConstraints(signer: Certificate, path: readonly Certificate[]): void {
  const { basicConstraints, nameConstraints } = signer.extensions;
  const between = path.slice(1).filter(({ issuer, subject }) => issuer !== subject).length;
  if (between > (basicConstraints?.pathLength ?? Infinity)) throw svidInvalid("path-len");
  if (!nameConstraints) return;
  const uris = path.flatMap(({ extensions }) => extensions.uris);
  if (!uris.every((uri) => permitsUri(nameConstraints, uri))) throw svidInvalid("name-constraints");
}

function checkSignature(signer: Certificate, child: Certificate | undefined, search: Search): void {
  if (++search.checks > MAX_SIGNATURE_CHECKS) throw svidInvalid("too-many-checks");
  if (!child || child.algorithm.kind === "unknown") throw svidInvalid("algorithm");
  const { keyType } = signer;
  if (!verifyCertificateSignature(child.algorithm, { keyType, key: signer.publicKey() }, child.tbs, child.signature)) {
    throw svidInvalid("sig");
  }
}
