import { createPublicKey, type KeyObject } from "node:crypto";
import { equalBytes } from "@peerage/core";
import { bitStringOf, checkInteger, children, type Der, expectTag, latin1Of, rawOf, readWhole, sequence, smallIntegerOf, tags, timeOf } from "./der.ts"; // prettier-ignore
import { type Extensions, readExtensions } from "./extensions.ts";
import { acceptableKeyType, type KeyType } from "./key-info.ts";
import { svidInvalid } from "./refuse.ts";
import { readSignatureAlgorithm, type SignatureAlgorithm } from "./signature-algorithm.ts";

/** A parsed X.509 certificate (RFC 5280 section 4.1). Nothing is verified: neither signature, nor time, nor rules. */
export interface Certificate {
  readonly der: Uint8Array;
  /** The signed bytes. */
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  /** Names as their DER, one character a byte: compared byte by byte. */
  readonly issuer: string;
  readonly subject: string;
  readonly hasEmptySubject: boolean;
  /** Unix seconds, both inclusive. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** The type of the public key, `unknown` if it is none that may be used. */
  readonly keyType: KeyType;
  readonly extensions: Extensions;
  /** The public key, read when first asked for. @throws {PeerageError} ERR_SVID_INVALID, detail `key` */
  publicKey(): KeyObject;
}

/** A certificate is at most this long, in bytes. */
const MAX_CERTIFICATE_BYTES = 16_384;

/**
 * Parses strict DER: shortest definite lengths, nothing after the certificate, inner and outer signature
 * algorithm equal, no extension twice, extensions in version 3 only.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `malformed`, `algorithm`
 */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) throw svidInvalid("size");
  const [tbs, outer, signature, ...more] = sequence(readWhole(der, tags.sequence));
  if (tbs === undefined || outer === undefined || more.length > 0) throw svidInvalid("malformed");
  const members = sequence(tbs);
  const version = members[0]?.tag === 0xa0 ? readVersion(members.shift()) : 1;
  const [serial, inner, issuer, validity, subject, spki, ...rest] = members;
  if (!inner || !issuer || !subject || !spki || !equalBytes(rawOf(outer), rawOf(inner))) throw svidInvalid("malformed");
  // Roots of version 1 exist and are read, but have no extensions and hence sign nothing.
  if (version !== 3 && rest.length > 0) throw svidInvalid("malformed");
  checkInteger(serial);
  expectTag(issuer, tags.sequence);
  const names = children(expectTag(subject, tags.sequence));
  const [notBefore, notAfter, ...extra] = sequence(validity);
  if (extra.length > 0) throw svidInvalid("malformed");
  const { bytes: signatureBytes, unused } = bitStringOf(signature);
  if (unused !== 0) throw svidInvalid("malformed");
  let key: KeyObject | undefined;
  return {
    der,
    tbs: rawOf(tbs),
    signature: signatureBytes,
    algorithm: readSignatureAlgorithm(inner),
    issuer: nameOf(issuer),
    subject: nameOf(subject),
    hasEmptySubject: names.length === 0,
    notBefore: timeOf(notBefore),
    notAfter: timeOf(notAfter),
    keyType: acceptableKeyType(spki),
    extensions: readExtensions(readOptional(rest)),
    publicKey: () => (key ??= readKey(rawOf(spki))),
  };
}

function nameOf({ bytes, start, end }: Der): string {
  return latin1Of(bytes, start, end);
}

function readVersion(der: Der | undefined): number {
  const [version, ...more] = children(expectTag(der, 0xa0));
  if (!version || more.length > 0) throw svidInvalid("malformed");
  const number = smallIntegerOf(version) + 1;
  // The default is left out in DER.
  if (number !== 2 && number !== 3) throw svidInvalid("malformed");
  return number;
}

/** `issuerUniqueID [1]`, `subjectUniqueID [2]` and `extensions [3]`, in this order; only the last is of interest. */
function readOptional(rest: readonly Der[]): Der | undefined {
  const order = [0x81, 0x82, 0xa3];
  let at = -1;
  let extensions: Der | undefined;
  for (const der of rest) {
    const place = order.indexOf(der.tag);
    if (place <= at) throw svidInvalid("malformed");
    at = place;
    if (der.tag === 0xa3) {
      const [list, ...more] = children(der);
      if (more.length > 0) throw svidInvalid("malformed");
      extensions = list;
    }
  }
  return extensions;
}

/** As PEM, of which OpenSSL knows by its first line what it is; with DER it tries one decoder after another, for twice as long. */
function readKey(spki: Uint8Array): KeyObject {
  const text = Buffer.from(spki.buffer, spki.byteOffset, spki.length).toString("base64");
  let lines = "";
  for (let at = 0; at < text.length; at += 64) lines += `${text.slice(at, at + 64)}\n`;
  try {
    return createPublicKey(`-----BEGIN PUBLIC KEY-----\n${lines}-----END PUBLIC KEY-----\n`);
  } catch (cause) {
    throw svidInvalid("key", cause);
  }
}
