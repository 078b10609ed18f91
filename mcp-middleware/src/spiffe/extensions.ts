import { asciiOf, bitStringOf, booleanOf, type Der, expectTag, latin1Of, oidOf, sequence, smallIntegerOf, tags, wrappedIn } from "./der.ts"; // prettier-ignore
import { type NameConstraints, readNameConstraints } from "./name-constraints.ts";
import { svidInvalid } from "./refuse.ts";

/** Bits of `keyUsage` (RFC 5280 section 4.2.1.3) by their number. */
export const keyUsageBits = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const;

/** `extKeyUsage` purposes, as {@link oidOf} writes them. */
export const purposes = { serverAuth: "2b06010505070301", clientAuth: "2b06010505070302" } as const;

/** The extensions that an X.509-SVID is judged by; each absent one is undefined. */
export interface Extensions {
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLength?: number };
  readonly keyUsage?: { readonly critical: boolean; has(bit: number): boolean };
  readonly extKeyUsage?: readonly string[];
  /** `subjectAltName`: the URIs, as they stand. Names of other types are allowed and of no interest. */
  readonly uris: readonly string[];
  readonly subjectAltName?: { readonly critical: boolean };
  readonly nameConstraints?: NameConstraints;
  /** Key identifiers, one character a byte. */
  readonly subjectKeyId?: string;
  readonly authorityKeyId?: string;
  /** True if an extension that is not understood here is marked critical. */
  readonly hasUnknownCritical: boolean;
}

const ids = {
  subjectKeyId: "551d0e",
  keyUsage: "551d0f",
  subjectAltName: "551d11",
  basicConstraints: "551d13",
  nameConstraints: "551d1e",
  authorityKeyId: "551d23",
  extKeyUsage: "551d25",
} as const;

interface Extension {
  readonly critical: boolean;
  /** The OCTET STRING that wraps it. */
  readonly value: Der;
}

/**
 * Reads the extensions of a certificate. Node's own accessors are of no use: `keyUsage` is the *extended* usage, the
 * usage bits are not exposed, `ca` is false for a leaf that claims to be a CA without keyCertSign.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `malformed`, also for an extension that comes twice
 */
export function readExtensions(list: Der | undefined): Extensions {
  const found: { -readonly [K in keyof Extensions]: Extensions[K] } = { uris: [], hasUnknownCritical: false };
  const seen = new Set<string>();
  for (const der of list ? sequence(list) : []) {
    const [id, ...rest] = sequence(der);
    const oid = oidOf(id);
    if (seen.has(oid)) throw svidInvalid("malformed");
    seen.add(oid);
    take(oid, readExtension(rest), found);
  }
  return found;
}

function readExtension(rest: Der[]): Extension {
  const flag = rest.length === 2 ? rest.shift() : undefined;
  const value = expectTag(rest[0], tags.octetString);
  // DER leaves a default out, so a written FALSE is not DER.
  if (rest.length !== 1 || (flag && !booleanOf(flag))) throw svidInvalid("malformed");
  return { critical: flag !== undefined, value };
}

function take(oid: string, extension: Extension, found: { -readonly [K in keyof Extensions]: Extensions[K] }): void {
  const { critical, value } = extension;
  switch (oid) {
    case ids.basicConstraints:
      found.basicConstraints = readBasicConstraints(value);
      break;
    case ids.keyUsage:
      found.keyUsage = readKeyUsage(extension);
      break;
    case ids.extKeyUsage:
      found.extKeyUsage = readPurposes(value);
      break;
    case ids.subjectAltName:
      found.subjectAltName = { critical };
      found.uris = readUris(value);
      break;
    case ids.nameConstraints:
      found.nameConstraints = readNameConstraints(value, critical);
      break;
    case ids.subjectKeyId:
      found.subjectKeyId = textOf(wrappedIn(value, tags.octetString));
      break;
    case ids.authorityKeyId: {
      const id = readAuthorityKeyId(value);
      if (id !== undefined) found.authorityKeyId = id;
      break;
    }
    default:
      found.hasUnknownCritical ||= critical;
  }
}

function readBasicConstraints(value: Der): { ca: boolean; pathLength?: number } {
  const members = sequence(wrappedIn(value, tags.sequence));
  const flag = members[0]?.tag === tags.boolean ? members.shift() : undefined;
  const [length, ...more] = members;
  const ca = flag !== undefined && booleanOf(flag);
  if ((flag && !ca) || more.length > 0 || (length && !ca)) throw svidInvalid("malformed");
  return length ? { ca, pathLength: smallIntegerOf(length) } : { ca };
}

function readKeyUsage({ critical, value }: Extension): NonNullable<Extensions["keyUsage"]> {
  const { bytes } = bitStringOf(wrappedIn(value, tags.bitString));
  const has = (bit: number): boolean => (((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1;
  return { critical, has };
}

function readPurposes(value: Der): string[] {
  const list = sequence(wrappedIn(value, tags.sequence)).map(oidOf);
  if (list.length === 0) throw svidInvalid("malformed");
  return list;
}

const URI = 0x86;
const nameTags: ReadonlySet<number> = new Set([0xa0, 0x81, 0x82, 0xa3, 0xa4, 0xa5, URI, 0x87, 0x88]);

function readUris(value: Der): string[] {
  const names = sequence(wrappedIn(value, tags.sequence));
  if (names.length === 0 || names.some(({ tag }) => !nameTags.has(tag))) throw svidInvalid("malformed");
  return names.filter(({ tag }) => tag === URI).map(asciiOf);
}

/** A key identifier: compared, never shown. */
function textOf({ bytes, content, end }: Der): string {
  return latin1Of(bytes, content, end);
}

function readAuthorityKeyId(value: Der): string | undefined {
  const keyId = sequence(wrappedIn(value, tags.sequence)).find(({ tag }) => tag === 0x80);
  return keyId && textOf(keyId);
}
