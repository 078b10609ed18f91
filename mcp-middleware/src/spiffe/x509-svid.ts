import { createPublicKey, hash, type KeyObject } from "node:crypto";
import { type Digest, LruMap, type SpiffeId, type Verified } from "@peerage/core";
import type { TrustBundle } from "./bundle.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { verifyPath } from "./path.ts";
import { parsePemCertificates, parsePemPrivateKey } from "./pem.ts";
import { sealed } from "./sealed.ts";
import { svidInvalid } from "./refuse.ts";
import { checkLeaf, checkSigner } from "./svid-rules.ts";

/** A presented chain has at most this many certificates, and this many bytes. */
export const MAX_CHAIN_CERTIFICATES = 8;
const MAX_CHAIN_BYTES = 65_536;

/** The bundle of a trust domain as it stands now; undefined for a domain that is not configured, or has gone stale. */
export interface BundleLookup {
  get(trustDomain: string, now: Date): TrustBundle | undefined;
}

/** A chain that was verified against the bundle of its own trust domain. */
export interface X509Svid {
  readonly spiffeId: SpiffeId;
  readonly trustDomain: string;
  /** The leaf's: what its holder must prove possession of. */
  readonly publicKey: KeyObject;
  /** SHA-256 over the presented certificates, leaf first. */
  readonly digest: Digest;
  /** Unix seconds: from when until when every certificate of the path is valid. */
  readonly validFrom: number;
  readonly expiresAt: number;
  /** Unix seconds: the end of the leaf itself, which its holder knows; an authority may end before it. */
  readonly leafExpiresAt: number;
  /** The bundle that it was verified against. */
  readonly bundle: Digest;
  readonly sequence?: bigint;
}

// "This path holds from … until …" under one bundle; the instant is compared at every use, another bundle is another key.
const verified = new LruMap<string, Verified<X509Svid>>(4_096);

/**
 * Verifies a presented chain, leaf first, against the authorities of the trust domain that the leaf names, and of no
 * other. Possession of the key is not checked: the caller's handshake or signature does.
 * @param chain certificates in DER
 * @throws {PeerageError} ERR_SVID_INVALID; detail `size`, `malformed`, `td-unknown`, those of {@link checkLeaf} and of
 *   {@link verifyPath}
 */
export function verifyX509Svid(chain: readonly Uint8Array[], bundles: BundleLookup, now: Date): Verified<X509Svid> {
  const bytes = chain.reduce((sum, der) => sum + der.length, 0);
  if (chain.length === 0) throw svidInvalid("no-certificate");
  if (chain.length > MAX_CHAIN_CERTIFICATES || bytes > MAX_CHAIN_BYTES) throw svidInvalid("size");
  const digest: Digest = `sha256:${hash("sha256", chain.length === 1 ? (chain[0] ?? "") : Buffer.concat(chain))}`;
  const known = verified.get(digest);
  const seconds = Math.floor(now.getTime() / 1000);
  if (known && seconds >= known.validFrom && seconds <= known.expiresAt) {
    const bundle = bundles.get(known.trustDomain, now);
    if (bundle?.digest === known.bundle) return known;
  }
  const leaf = parseCertificate(chain[0] ?? new Uint8Array());
  const { id, trustDomain } = checkLeaf(leaf);
  const bundle = bundles.get(trustDomain, now);
  if (!bundle) throw svidInvalid("td-unknown");
  // A certificate that is an identity is never an authority, whatever a bundle says.
  const anchors = bundle.x509Authorities.filter(({ der }) => Buffer.compare(der, leaf.der) !== 0);
  // A presented authority needs no second reading: it counts as an anchor, or not at all.
  const inner = chain.slice(1).filter((der) => !anchors.some((anchor) => Buffer.compare(anchor.der, der) === 0));
  const { from, until } = verifyPath(leaf, inner.map(parseCertificate), anchors, { trustDomain, now: seconds });
  const svid = sealed<X509Svid>({
    spiffeId: id,
    trustDomain,
    get publicKey() {
      return leaf.publicKey();
    },
    digest,
    validFrom: from,
    expiresAt: until,
    leafExpiresAt: leaf.notAfter,
    bundle: bundle.digest,
    ...(bundle.sequence === undefined ? {} : { sequence: bundle.sequence }),
  });
  verified.set(digest, svid);
  return svid;
}

/** An X.509-SVID with its private key: the identity of this process. The key stays in memory. */
export interface X509Identity {
  readonly spiffeId: SpiffeId;
  readonly trustDomain: string;
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly privateKey: KeyObject;
  /** Unix seconds. */
  readonly validFrom: number;
  readonly expiresAt: number;
  /** The operator's word for what this identity is for. */
  readonly hint?: string;
}

/**
 * Puts one's own certificates and key together. Rules of leaf and signers hold and the key belongs to the leaf; path
 * and time are not judged, the peer does that.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `no-certificate`, `key-mismatch`, or one of the rules
 */
export function createX509Identity(
  certificates: readonly Certificate[],
  privateKey: KeyObject,
  hint?: string,
): X509Identity {
  const [leaf, ...signers] = certificates;
  if (!leaf) throw svidInvalid("no-certificate");
  const { id, trustDomain } = checkLeaf(leaf);
  for (const signer of signers) checkSigner(signer, trustDomain);
  if (!isSameKey(createPublicKey(privateKey), leaf.publicKey())) throw svidInvalid("key-mismatch");
  return {
    spiffeId: id,
    trustDomain,
    chain: certificates.map(({ der }) => der),
    privateKey,
    validFrom: leaf.notBefore,
    expiresAt: leaf.notAfter,
    ...(hint === undefined || hint === "" ? {} : { hint }),
  };
}

/** Compared as bytes: `KeyObject.equals` on keys of two types leaves an OpenSSL error behind that fails the next import. */
function isSameKey(a: KeyObject, b: KeyObject): boolean {
  return a.export({ format: "der", type: "spki" }).equals(b.export({ format: "der", type: "spki" }));
}

/** The identity of two PEM texts, which may be one and the same. @throws {PeerageError} as {@link createX509Identity} */
export function parseX509Identity(certificatesPem: string, privateKeyPem: string): X509Identity {
  return createX509Identity(parsePemCertificates(certificatesPem), parsePemPrivateKey(privateKeyPem));
}
