import { createPrivateKey, createPublicKey } from "node:crypto";
import { createRequire } from "node:module";
import { Decrypter, Encrypter, identityToRecipient } from "age-encryption";
import { describe, expect, it } from "vitest";
import {
  checkSealedForm,
  generateIdentity,
  generateSeed,
  identityFromSeed,
  multibaseOf,
  publicKeyOf,
  signMessage,
  utf8,
  verifyMessage,
  x25519PrivateKey,
} from "@peerage/core";
import { ageRecipient, open, openingKey, seal } from "../cli/src/messages/age.ts";
import { messageId } from "../cli/src/messages/post.ts";
import { x25519PublicKey } from "../core/src/sealed/x25519.ts";

// It brings no types.
const sodium = createRequire(import.meta.url)("sodium-native") as Record<string, (...buffers: Buffer[]) => void>;

const seeds = [
  ...["9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "00".repeat(32), "ff".repeat(32)].map((hex) =>
    Uint8Array.from(Buffer.from(hex, "hex")),
  ),
  ...Array.from({ length: 20 }, generateSeed),
];

describe("a message's key", () => {
  it("P-MSG-1 is the X25519 form of the agent's key, the same as libsodium's, for both halves", () => {
    for (const seed of seeds) {
      const key = publicKeyOf(identityFromSeed(seed).did);
      const [pk, sk] = [Buffer.alloc(32), Buffer.alloc(64)];
      sodium["crypto_sign_seed_keypair"]!(pk, sk, Buffer.from(seed));
      const [curvePk, curveSk] = [Buffer.alloc(32), Buffer.alloc(32)];
      sodium["crypto_sign_ed25519_pk_to_curve25519"]!(curvePk, pk);
      sodium["crypto_sign_ed25519_sk_to_curve25519"]!(curveSk, sk);
      expect(Buffer.from(x25519PublicKey(key))).toEqual(curvePk);
      expect(Buffer.from(x25519PrivateKey(seed))).toEqual(curveSk);
      // And the two belong together for OpenSSL, too.
      const der = Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), curveSk]);
      const jwk = createPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" })).export({
        format: "jwk",
      });
      expect(jwk.x).toBe(curvePk.toString("base64url"));
    }
    expect(() => x25519PrivateKey(new Uint8Array(31))).toThrow(RangeError);
  });

  it("is written as the recipient that age itself derives", async () => {
    for (const seed of seeds.slice(0, 6)) {
      const recipient = ageRecipient(multibaseOf(identityFromSeed(seed).did));
      expect(await identityToRecipient((await openingKey(seed)) as unknown as CryptoKey)).toBe(recipient);
    }
  });
});

describe("a sealed message", () => {
  const [alice, mallory] = [generateIdentity(), generateIdentity()];
  const seed = generateSeed();
  const bob = identityFromSeed(seed);
  const write = async (text: string): Promise<Uint8Array> => {
    const content = await signMessage(alice, { recipient: bob.did, body: utf8(text) });
    return seal(multibaseOf(bob.did), content);
  };

  it("is opened by its recipient alone, also where the recipient has several keys, and is an ordinary age file", async () => {
    const sealed = await write("between the two of us");
    expect(() => checkSealedForm(sealed)).not.toThrow();
    expect(Buffer.from(sealed).includes("between")).toBe(false);
    const [own, other] = [await openingKey(seed), await openingKey(generateSeed())];
    for (const keys of [[own], [other, own]]) {
      const content = await open(keys, sealed);
      const message = verifyMessage(content!, { recipient: bob.did, now: new Date() });
      expect(message).toMatchObject({ sender: alice.did, body: utf8("between the two of us") });
    }
    expect(await open([other], sealed)).toBeUndefined();
    expect(await open([], sealed)).toBeUndefined();
    const age = new Decrypter();
    age.addIdentity(own as unknown as CryptoKey);
    expect((await age.decrypt(sealed)).length).toBeGreaterThan(0);
  });

  it("does not open once a byte is changed, cut off or added", async () => {
    const sealed = await write("pay 10");
    const keys = [await openingKey(seed)];
    for (let i = 0; i < sealed.length; i += 13)
      expect(await open(keys, sealed.with(i, sealed[i]! ^ 4)), `byte ${i}`).toBeUndefined();
    for (const cut of [1, 16, 200, 1_000]) expect(await open(keys, sealed.subarray(0, -cut))).toBeUndefined();
    expect(await open(keys, Buffer.concat([sealed, Buffer.from([0])]))).toBeUndefined();
    expect(await open(keys, sealed)).toBeDefined();
  });

  it("tells nothing of its length but the bucket, and no two of them are alike", async () => {
    const [a, b, c] = await Promise.all([write("yes"), write("no, not before the audit is done"), write("yes")]);
    expect(a.length).toBe(b.length);
    expect(messageId(a)).not.toBe(messageId(c));
  });

  it("P-MSG-3 of a stranger who seals what somebody else signed for another is not believed", async () => {
    const toMallory = await signMessage(alice, { recipient: mallory.did, body: utf8("I owe you 10") });
    const encrypter = new Encrypter();
    encrypter.addRecipient(ageRecipient(multibaseOf(bob.did)));
    const resealed = await encrypter.encrypt(toMallory);
    const content = await open([await openingKey(seed)], resealed);
    expect(() => verifyMessage(content!, { recipient: bob.did, now: new Date() })).toThrow(
      expect.objectContaining({ code: "ERR_PROOF_AUDIENCE" }),
    );
    expect(verifyMessage(toMallory, { recipient: mallory.did, now: new Date() }).sender).toBe(alice.did);
  });
});
