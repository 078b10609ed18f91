import { bitStringOf, contentOf, type Der, oidOf, readWhole, sequence, tags } from "./der.ts";

/** What kind of key a SubjectPublicKeyInfo holds, read from DER: asking Node means importing it, and takes ten times as long. */
export type KeyType = "ec" | "rsa" | "rsa-pss" | "ed25519" | "unknown";

const types: Readonly<Record<string, KeyType>> = {
  "2a8648ce3d0201": "ec",
  "2a864886f70d010101": "rsa",
  "2a864886f70d01010a": "rsa-pss",
  "2b6570": "ed25519",
};
/** P-256, P-384, P-521. */
const curves: ReadonlySet<string> = new Set(["2a8648ce3d030107", "2b81040022", "2b81040023"]);
const MIN_RSA_BITS = 2_048;
const MAX_RSA_BITS = 8_192;

/**
 * The type of a key that may sign or be certified: EC on P-256, P-384 or P-521, RSA of 2,048 to 8,192 bits, Ed25519.
 * `unknown` for every other. Whether the key itself is sound shows when it is imported.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `malformed`
 */
export function acceptableKeyType(spki: Der): KeyType {
  const [algorithm, key] = sequence(spki);
  const [id, parameters] = sequence(algorithm);
  const type = types[oidOf(id)] ?? "unknown";
  const { bytes } = bitStringOf(key);
  if (type === "ec") return parameters?.tag === tags.oid && curves.has(oidOf(parameters)) ? type : "unknown";
  if (type === "ed25519") return parameters === undefined && bytes.length === 32 ? type : "unknown";
  if (type === "unknown") return type;
  const bits = modulusBits(bytes);
  return bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS ? type : "unknown";
}

/** The bits of the modulus of an RSAPublicKey (RFC 8017 appendix A.1.1). */
function modulusBits(bytes: Uint8Array): number {
  const [modulus] = sequence(readWhole(bytes, tags.sequence));
  if (modulus?.tag !== tags.integer) return 0;
  const content = contentOf(modulus);
  const start = content[0] === 0 ? 1 : 0;
  const first = content[start];
  return first === undefined ? 0 : (content.length - start) * 8 - Math.clz32(first) + 24;
}
