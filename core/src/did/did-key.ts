import { base58btc } from "multiformats/bases/base58";
import { LruMap } from "../encoding/lru.ts";
import { PublicKey } from "../ed25519/verify.ts";
import { PeerageError } from "../errors.ts";

/** The name of an agent: `did:key:z6Mk…`, 56 characters, of its first Ed25519 key. */
export type Did = `did:key:z6Mk${string}`;
/** A verification method: `did:key:z6Mk…#z6Mk…`. */
export type KeyId = `${Did}#z6Mk${string}`;
/** An Ed25519 public key as multibase: `z6Mk…` (base58btc of multicodec 0xed01 and 32 bytes), 48 characters. */
export type MultibaseKey = `z6Mk${string}`;

// Strangers choose DIDs: the cache is bounded so that fresh ones cannot swell it (A-DID-07).
const keys = new LruMap<string, PublicKey>(16_384);
const form = /^z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/;

function invalid(detail: string, message: string): PeerageError {
  return new PeerageError("ERR_DID_INVALID", message, { detail });
}

/** Formats a 32-byte public key as multibase. The key is not checked. */
export function formatMultibaseKey(publicKey: Uint8Array): MultibaseKey {
  const bytes = new Uint8Array(34);
  bytes.set([0xed, 0x01]);
  bytes.set(publicKey, 2);
  return base58btc.encode(bytes) as MultibaseKey;
}

/**
 * Parses `z6Mk…` and applies the acceptance rule to the key.
 * @throws {PeerageError} ERR_DID_INVALID
 */
export function parseMultibaseKey(text: unknown): PublicKey {
  if (typeof text !== "string") throw invalid("did-syntax", "a key must be a string");
  const cached = keys.get(text);
  if (cached) return cached;
  if (!text.startsWith("z")) throw invalid("multibase", "a key must be base58btc multibase: z6Mk…");
  const bytes = decodeBase58(text);
  if (bytes[0] !== 0xed || bytes[1] !== 0x01)
    throw invalid("multicodec", "the key is not an Ed25519 public key (0xed01)");
  // The length also bounds leading ones, so with the alphabet checked there is one text for one key.
  if (bytes.length !== 34) throw invalid("key-length", "an Ed25519 public key has 32 bytes");
  if (!form.test(text)) throw invalid("did-syntax", "the key is not in its canonical text form");
  const key = PublicKey.import(bytes.subarray(2));
  // Not the text as it came: a part of a longer one keeps all of it in memory.
  keys.set(formatMultibaseKey(key.bytes), key);
  return key;
}

function decodeBase58(text: string): Uint8Array {
  if (text.length > 128) throw invalid("did-syntax", "the key is too long");
  try {
    return base58btc.decode(text);
  } catch {
    throw invalid("multibase", "the key is not base58btc");
  }
}

/**
 * Accepts `did:key:z6Mk…` whose key is canonical, on the curve, of large order and free of torsion; nothing else.
 * DID URLs, other methods, other key types and other spellings of a key are refused.
 * @throws {PeerageError} ERR_DID_INVALID
 */
export function parseDid(text: unknown): Did {
  if (typeof text !== "string") throw invalid("did-syntax", "a DID must be a string");
  if (!text.startsWith("did:key:")) {
    throw invalid(text.startsWith("did:") ? "did-method" : "did-syntax", "a DID must be a did:key");
  }
  parseMultibaseKey(text.slice(8));
  return text as Did;
}

/** The public key that a DID names. @throws {PeerageError} ERR_DID_INVALID */
export function publicKeyOf(did: string): PublicKey {
  parseDid(did);
  return parseMultibaseKey(did.slice(8));
}

/** The DID of a public key. @throws {PeerageError} ERR_DID_INVALID if the key is not acceptable */
export function didFromPublicKey(publicKey: Uint8Array): Did {
  return parseDid(`did:key:${formatMultibaseKey(PublicKey.import(publicKey).bytes)}`);
}

/** The multibase key of a DID: the part after `did:key:`. */
export function multibaseOf(did: Did): MultibaseKey {
  return did.slice(8) as MultibaseKey;
}

/** The verification method of a DID's own first key: `did#z6Mk…`. */
export function keyIdOf(did: Did): KeyId {
  return `${did}#${multibaseOf(did)}`;
}
