import { type Did, didFromPublicKey, type Signer } from "@peerage/core";

const DATABASE = "peerage-console";
const STORE = "keys";
const NAME = "approver";

/** The approver's key of this browser: Ed25519, not extractable, kept in IndexedDB. */
export interface ApproverKey {
  readonly signer: Signer;
  readonly privateKey: CryptoKey;
  readonly made: Date;
}

interface Kept {
  readonly did: Did;
  readonly privateKey: CryptoKey;
  readonly made: Date;
}

/** The key of this browser, if it has one. */
export async function openKey(): Promise<ApproverKey | undefined> {
  const kept = await request<Kept | undefined>("readonly", (store) => store.get(NAME));
  return kept && keyOf(kept);
}

/**
 * Makes the key, once: a second call gives the one that is there. There is no other way to make one here.
 * @throws {DOMException} where the browser has no Ed25519 or no storage
 */
export async function makeKey(): Promise<ApproverKey> {
  const there = await openKey();
  if (there) return there;
  const { publicKey, privateKey } = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  const did = didFromPublicKey(new Uint8Array(await crypto.subtle.exportKey("raw", publicKey)));
  const kept: Kept = { did, privateKey, made: new Date() };
  await request("readwrite", (store) => store.add(kept, NAME));
  return keyOf(kept);
}

/** Forgets the key for good. */
export async function forgetKey(): Promise<void> {
  await request("readwrite", (store) => store.delete(NAME));
}

/** True if the browser refuses to hand the private key out in every form there is. */
export async function isKept({ privateKey }: ApproverKey): Promise<boolean> {
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

function keyOf({ did, privateKey, made }: Kept): ApproverKey {
  return {
    privateKey,
    made,
    signer: {
      did,
      kid: `${did}#${did.slice("did:key:".length)}` as Signer["kid"],
      sign: async (bytes) => new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, new Uint8Array(bytes))),
    },
  };
}

function request<T>(mode: IDBTransactionMode, run: (store: IDBObjectStore) => IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onerror = () => reject(opening.error ?? new Error("no storage"));
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(STORE, mode);
      const asked = run(transaction.objectStore(STORE));
      transaction.oncomplete = () => {
        database.close();
        resolve(asked.result as T);
      };
      transaction.onabort = () => {
        database.close();
        reject(transaction.error ?? asked.error ?? new Error("the storage refused"));
      };
    };
  });
}
