import { constants, type KeyObject, verify } from "node:crypto";
import { type Der, expectTag, oidOf, sequence, smallIntegerOf, tags, children } from "./der.ts";
import type { KeyType } from "./key-info.ts";
import { svidInvalid } from "./refuse.ts";

/** A signature algorithm that certificates of SVIDs may use: SHA-256 or better. */
export type SignatureAlgorithm =
  | { readonly kind: "ecdsa" | "rsa"; readonly hash: string }
  | { readonly kind: "rsa-pss"; readonly hash: string; readonly saltLength: number }
  | { readonly kind: "ed25519" }
  /** Readable, never acceptable: MD5, SHA-1, and what nobody here knows. */
  | { readonly kind: "unknown" };

const named: Readonly<Record<string, SignatureAlgorithm>> = {
  "2a8648ce3d040302": { kind: "ecdsa", hash: "sha256" },
  "2a8648ce3d040303": { kind: "ecdsa", hash: "sha384" },
  "2a8648ce3d040304": { kind: "ecdsa", hash: "sha512" },
  "2a864886f70d01010b": { kind: "rsa", hash: "sha256" },
  "2a864886f70d01010c": { kind: "rsa", hash: "sha384" },
  "2a864886f70d01010d": { kind: "rsa", hash: "sha512" },
  "2b6570": { kind: "ed25519" },
};
const PSS = "2a864886f70d01010a";
const MGF1 = "2a864886f70d010108";
const hashes: Readonly<Record<string, string>> = {
  "608648016503040201": "sha256",
  "608648016503040202": "sha384",
  "608648016503040203": "sha512",
};

/** Reads an AlgorithmIdentifier. @throws {PeerageError} ERR_SVID_INVALID, detail `malformed` */
export function readSignatureAlgorithm(der: Der): SignatureAlgorithm {
  const [id, parameters, ...more] = sequence(der);
  const oid = oidOf(id);
  if (more.length > 0) throw svidInvalid("malformed");
  if (oid === PSS) return parameters ? readPss(parameters) : { kind: "unknown" };
  const algorithm = named[oid] ?? { kind: "unknown" };
  if (parameters && algorithm.kind !== "unknown") {
    // RFC 4055: NULL for RSA. RFC 5758 and RFC 8410: none at all for the others.
    if (algorithm.kind !== "rsa" || parameters.tag !== tags.null || parameters.end !== parameters.content) {
      throw svidInvalid("malformed");
    }
  }
  return algorithm;
}

/** RSASSA-PSS-params (RFC 4055 section 3.1): hash and MGF1 with the same hash, salt length, the one trailer. */
function readPss(parameters: Der): SignatureAlgorithm {
  const members = new Map(sequence(parameters).map((member) => [member.tag, children(member)[0]]));
  const [hash, mask, salt] = [members.get(0xa0), members.get(0xa1), members.get(0xa2)];
  const [maskId, maskHash] = mask ? sequence(mask) : [];
  const name = hash && hashes[oidOf(sequence(hash)[0])];
  const maskName = maskHash && hashes[oidOf(sequence(maskHash)[0])];
  // Left out means SHA-1, MGF1 with SHA-1, 20 bytes.
  if (!name || name !== maskName || oidOf(maskId) !== MGF1 || !salt || members.has(0xa3)) return { kind: "unknown" };
  return { kind: "rsa-pss", hash: name, saltLength: smallIntegerOf(expectTag(salt, tags.integer)) };
}

/** True if the key, which {@link acceptableKeyType} let pass, signed `data`; false as well if the two do not fit. */
export function verifyCertificateSignature(
  algorithm: SignatureAlgorithm,
  { keyType, key }: { readonly keyType: KeyType; readonly key: KeyObject },
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  switch (algorithm.kind) {
    case "ecdsa":
      return keyType === "ec" && verify(algorithm.hash, data, key, signature);
    case "rsa":
      return (
        keyType === "rsa" && verify(algorithm.hash, data, { key, padding: constants.RSA_PKCS1_PADDING }, signature)
      );
    case "rsa-pss": {
      if (keyType !== "rsa" && keyType !== "rsa-pss") return false;
      const { hash, saltLength } = algorithm;
      return verify(hash, data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature);
    }
    case "ed25519":
      return keyType === "ed25519" && verify(null, data, key, signature);
    case "unknown":
      return false;
  }
}
