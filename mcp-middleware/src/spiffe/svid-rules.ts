import { isPeerageError, parseSpiffeId, parseWorkloadId, type SpiffeIdParts } from "@peerage/core";
import type { Certificate } from "./certificate.ts";
import { keyUsageBits, purposes } from "./extensions.ts";
import { svidInvalid } from "./refuse.ts";

/**
 * The rules of an X.509-SVID leaf, whatever the path above it and the time.
 * @returns its SPIFFE ID
 * @throws {PeerageError} ERR_SVID_INVALID, detail `critical-extension`, `leaf-ca`, `key-usage`, `leaf-key-cert-sign`,
 *   `leaf-crl-sign`, `leaf-no-digital-signature`, `ext-key-usage`, `uri-san`, `spiffe-id`, `san-critical`, `key`
 * @see X509-SVID specification sections 2 to 5
 */
export function checkLeaf(leaf: Certificate): SpiffeIdParts {
  const { basicConstraints, keyUsage, extKeyUsage, uris, subjectAltName, nameConstraints } = leaf.extensions;
  if (leaf.extensions.hasUnknownCritical || nameConstraints?.isOpaque) throw svidInvalid("critical-extension");
  if (basicConstraints?.ca) throw svidInvalid("leaf-ca");
  if (!keyUsage?.critical) throw svidInvalid("key-usage");
  if (!keyUsage.has(keyUsageBits.digitalSignature)) throw svidInvalid("leaf-no-digital-signature");
  if (keyUsage.has(keyUsageBits.keyCertSign)) throw svidInvalid("leaf-key-cert-sign");
  if (keyUsage.has(keyUsageBits.cRLSign)) throw svidInvalid("leaf-crl-sign");
  if (extKeyUsage && !Object.values(purposes).every((purpose) => extKeyUsage.includes(purpose))) {
    throw svidInvalid("ext-key-usage");
  }
  if (uris.length !== 1) throw svidInvalid("uri-san");
  if (leaf.hasEmptySubject && !subjectAltName?.critical) throw svidInvalid("san-critical");
  const id = workloadIdOf(uris[0]);
  if (leaf.keyType === "unknown") throw svidInvalid("key");
  return id;
}

function workloadIdOf(uri: unknown): SpiffeIdParts {
  try {
    return parseWorkloadId(uri);
  } catch (cause) {
    if (isPeerageError(cause)) throw svidInvalid("spiffe-id", cause);
    throw cause;
  }
}

/**
 * The rules of a certificate that signs SVIDs of a trust domain; path length, names below it and time come with the
 * path. Extended key usage of signers is not evaluated.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `critical-extension`, `signing-no-ca`, `signing-no-key-cert-sign`,
 *   `signing-spiffe-id`, `key`
 */
export function checkSigner(signer: Certificate, trustDomain: string): void {
  const { basicConstraints, keyUsage, uris, hasUnknownCritical } = signer.extensions;
  if (hasUnknownCritical) throw svidInvalid("critical-extension");
  if (!basicConstraints?.ca) throw svidInvalid("signing-no-ca");
  if (!keyUsage?.has(keyUsageBits.keyCertSign)) throw svidInvalid("signing-no-key-cert-sign");
  for (const uri of uris) if (/^spiffe:/i.test(uri)) checkSignerId(uri, trustDomain);
  if (signer.keyType === "unknown") throw svidInvalid("key");
}

function checkSignerId(uri: string, trustDomain: string): void {
  try {
    const id = parseSpiffeId(uri);
    if (id.path === "" && id.trustDomain === trustDomain) return;
  } catch (cause) {
    if (isPeerageError(cause)) throw svidInvalid("signing-spiffe-id", cause);
    throw cause;
  }
  throw svidInvalid("signing-spiffe-id");
}
