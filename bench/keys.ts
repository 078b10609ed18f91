import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { concat, type Did, fromHex, type Identity, identityFromSeed, publicKeyOf } from "@peerage/core";

/** The public key of a DID as node:crypto has it, for the raw rate of signatures. */
export function nodeKeyOf(did: Did): KeyObject {
  const spki = concat(fromHex("302a300506032b6570032100"), publicKeyOf(did).bytes);
  return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
}

/** A private key as node:crypto has it. @param seed 32 bytes */
export function nodeSecretOf(seed: Uint8Array): KeyObject {
  const pkcs8 = concat(fromHex("302e020100300506032b657004220420"), seed);
  return createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
}

/** The same identity in every run, so that two runs measure the same bytes. */
export function benchIdentity(name: string): Identity {
  return identityFromSeed(createHash("sha256").update(`bench ${name}`).digest());
}
