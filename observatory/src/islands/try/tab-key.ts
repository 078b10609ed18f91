import { didFromPublicKey, type Signer } from "@peerage/core";

/** A signer whose key this browser made and keeps to itself. */
export interface TabKey {
  readonly signer: Signer;
  readonly privateKey: CryptoKey;
}

/**
 * Makes an Ed25519 key that cannot be exported. There is no other way here: where the browser cannot make one, none is made.
 * @throws {DOMException} NotSupportedError
 */
export async function makeTabKey(): Promise<TabKey> {
  const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  const did = didFromPublicKey(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
  const { privateKey } = pair;
  return {
    privateKey,
    signer: {
      did,
      kid: `${did}#${did.slice("did:key:".length)}` as Signer["kid"],
      sign: async (bytes) => new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, new Uint8Array(bytes))),
    },
  };
}

/** True if the browser refuses to hand the private key out in every form there is. */
export async function isKept({ privateKey }: TabKey): Promise<boolean> {
  for (const format of ["pkcs8", "jwk", "raw"] as const) {
    try {
      await crypto.subtle.exportKey(format, privateKey);
      return false;
    } catch {
      // Refused, as it should be.
    }
  }
  return !privateKey.extractable;
}
