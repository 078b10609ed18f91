import { hashes, sign as nobleSign, getPublicKey, verify as nobleVerify } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import { concat, fromHex } from "../encoding/bytes.ts";
import { nodeCrypto, optionalRequire } from "../runtime.ts";
import { isTorsionFreePoint } from "./checks.ts";

hashes.sha512 = sha512;

/** Verifies the bare equation; the caller has already checked key and signature by `checks.ts`. */
export interface Ed25519Backend {
  readonly name: "sodium" | "node" | "webcrypto" | "noble";
  /** Prepares a 32-byte key once; the result is passed to `verify`. */
  importKey(publicKey: Uint8Array): unknown;
  verify(key: unknown, message: Uint8Array, signature: Uint8Array): boolean;
  /** Off the main thread or by WebCrypto, where that is faster. */
  verifyAsync?(key: unknown, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

const spkiPrefix = fromHex("302a300506032b6570032100");
const pkcs8Prefix = fromHex("302e020100300506032b657004220420");

/** libsodium through the optional package `sodium-native`: about twice as fast as OpenSSL. */
export function sodiumBackend(): Ed25519Backend | undefined {
  const sodium = optionalRequire("sodium-native") as
    | { crypto_sign_verify_detached?: (signature: Uint8Array, message: Uint8Array, key: Uint8Array) => boolean }
    | undefined;
  const verify = sodium?.crypto_sign_verify_detached;
  if (!verify) return undefined;
  return {
    name: "sodium",
    importKey: (key) => key,
    verify: (key, message, signature) => verify(signature, message, key as Uint8Array),
  };
}

/** OpenSSL through `node:crypto`; the asynchronous form uses the thread pool. */
export function nodeBackend(): Ed25519Backend | undefined {
  const node = nodeCrypto;
  if (!node) return undefined;
  return {
    name: "node",
    importKey: (key) => node.createPublicKey({ key: concat(spkiPrefix, key), format: "der", type: "spki" }),
    verify: (key, message, signature) => node.verify(null, message, key as object, signature),
    verifyAsync: (key, message, signature) =>
      new Promise((resolve, reject) => {
        node.verify(null, message, key as object, signature, (error, result) => {
          if (error) reject(error);
          else resolve(result);
        });
      }),
  };
}

/** `@noble/ed25519`. Its equation is cofactored, so R must be free of torsion for the verdict to be the common one. */
export const nobleBackend: Ed25519Backend = {
  name: "noble",
  importKey: (key) => key,
  verify: (key, message, signature) =>
    isTorsionFreePoint(signature.subarray(0, 32)) &&
    nobleVerify(signature, message, key as Uint8Array, { zip215: false }),
};

/** WebCrypto where it knows Ed25519; its synchronous form is noble. */
export function webCryptoBackend(): Ed25519Backend | undefined {
  const subtle = (globalThis as { crypto?: { subtle?: SubtleCrypto } }).crypto?.subtle;
  if (!subtle) return undefined;
  const buffer = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);
  return {
    name: "webcrypto",
    importKey: (key) => key,
    verify: nobleBackend.verify.bind(nobleBackend),
    verifyAsync: async (key, message, signature) => {
      try {
        const imported = await subtle.importKey("raw", buffer(key as Uint8Array), "Ed25519", false, ["verify"]);
        return await subtle.verify("Ed25519", imported, buffer(signature), buffer(message));
      } catch (error) {
        // An engine without Ed25519 says NotSupportedError; anything else is a refusal, not a reason to ask another.
        if ((error as { name?: string }).name !== "NotSupportedError") return false;
        return nobleBackend.verify(key, message, signature);
      }
    },
  };
}

let chosen: Ed25519Backend | undefined;

/** The fastest backend of this runtime, chosen at first use. */
export function ed25519Backend(): Ed25519Backend {
  return (chosen ??= sodiumBackend() ?? nodeBackend() ?? webCryptoBackend() ?? nobleBackend);
}

/** The 32-byte public key of a 32-byte seed (RFC 8032 section 5.1.5). */
export function publicKeyFromSeed(seed: Uint8Array): Uint8Array {
  return getPublicKey(seed);
}

/** A synchronous signer over a 32-byte seed, by libsodium, OpenSSL or noble: RFC 8032 knows one signature only. */
export function seedSigner(seed: Uint8Array): (message: Uint8Array) => Uint8Array {
  return sodiumSigner(seed) ?? nodeSigner(seed);
}

function sodiumSigner(seed: Uint8Array): ((message: Uint8Array) => Uint8Array) | undefined {
  const sodium = optionalRequire("sodium-native") as
    | {
        crypto_sign_seed_keypair?: (publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array) => void;
        crypto_sign_detached?: (signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array) => void;
      }
    | undefined;
  const sign = sodium?.crypto_sign_detached;
  if (!sign || !sodium.crypto_sign_seed_keypair) return undefined;
  const secretKey = new Uint8Array(64);
  sodium.crypto_sign_seed_keypair(new Uint8Array(32), secretKey, seed);
  return (message) => {
    const signature = new Uint8Array(64);
    sign(signature, message, secretKey);
    return signature;
  };
}

/** By OpenSSL where there is Node, otherwise by noble. */
export function nodeSigner(seed: Uint8Array): (message: Uint8Array) => Uint8Array {
  const node = nodeCrypto;
  if (!node) return (message) => nobleSign(message, seed);
  const key = node.createPrivateKey({ key: concat(pkcs8Prefix, seed), format: "der", type: "pkcs8" });
  return (message) => {
    const signature = node.sign(null, message, key);
    return new Uint8Array(signature.buffer, signature.byteOffset, signature.byteLength);
  };
}
