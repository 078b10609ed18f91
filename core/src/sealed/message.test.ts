import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { concat, utf8 } from "../encoding/bytes.ts";
import { generateIdentity, generateSeed, identityFromSeed } from "../did/identity.ts";
import type { Did } from "../did/did-key.ts";
import { signCompactJws } from "../jws/compact.ts";
import { MAX_BODY_BYTES, MAX_MESSAGE_SECONDS, MESSAGE_TYP, signMessage, verifyMessage } from "./message.ts";
import { paddedLength } from "./padding.ts";
import { checkSealedForm, MAX_SEALED_BYTES, SEALING_BYTES } from "./form.ts";

const [alice, bob, carol] = [generateIdentity(), generateIdentity(), generateIdentity()];
const now = new Date("2026-11-20T10:00:00Z");
const write = (text: string, recipient: Did = bob.did): Promise<Uint8Array> =>
  signMessage(alice, { recipient, body: utf8(text), now });
const read = (content: Uint8Array, recipient: Did = bob.did, at = now): ReturnType<typeof verifyMessage> =>
  verifyMessage(content, { recipient, now: at });
const code = (word: string): unknown => expect.objectContaining({ code: word });

describe("the content of a sealed message", () => {
  it("P-MSG-2 says who wrote it, to whom, when and what", async () => {
    const message = read(await write("meet at nine"));
    expect(message).toMatchObject({
      sender: alice.did,
      kid: alice.kid,
      recipient: bob.did,
      issuedAt: now.getTime() / 1_000,
      expiresAt: now.getTime() / 1_000 + MAX_MESSAGE_SECONDS,
    });
    expect(message.body).toEqual(utf8("meet at nine"));
  });

  it("holds any bytes up to its limit, empty ones too, and refuses more", async () => {
    for (const size of [0, 1, 1_023, 4_096, MAX_BODY_BYTES]) {
      const body = Uint8Array.from({ length: size }, (_, i) => (i % 7 === 0 ? 0 : i));
      const content = await signMessage(alice, { recipient: bob.did, body, now });
      expect(read(content).body).toEqual(body);
      expect(content.length + SEALING_BYTES).toBeLessThanOrEqual(MAX_SEALED_BYTES);
    }
    const body = new Uint8Array(MAX_BODY_BYTES + 1);
    await expect(signMessage(alice, { recipient: bob.did, body })).rejects.toThrow(RangeError);
    await expect(signMessage(alice, { recipient: bob.did, body: utf8(""), seconds: 0 })).rejects.toThrow(RangeError);
  });

  it("P-MSG-3 is refused when it was written to another, although its signature holds", async () => {
    const content = await write("for Bob", bob.did);
    expect(() => read(content, carol.did)).toThrow(code("ERR_PROOF_AUDIENCE"));
    expect(read(content, bob.did).sender).toBe(alice.did);
  });

  it("P-MSG-2 is refused when any byte of it is changed, dropped or added", async () => {
    const content = await write("pay 10");
    for (let i = 0; i < content.length; i += i < 900 ? 1 : 37) {
      expect(
        refusal(() => read(content.with(i, content[i]! ^ 1))),
        `byte ${i}`,
      ).toMatch(/^ERR_/);
    }
    for (const cut of [0, 1, 100, content.indexOf(10), content.indexOf(10) + 1, content.indexOf(10) + 3])
      expect(
        refusal(() => read(content.subarray(0, cut))),
        `${cut}`,
      ).toMatch(/^ERR_/);
    expect(refusal(() => read(concat(content, utf8("x"))))).toBe("ERR_SEALED_INVALID");
    expect(read(content).body).toEqual(utf8("pay 10"));
    // Zeros are padding: less of it is the same message.
    expect(read(content.subarray(0, content.indexOf(10) + 7)).body).toEqual(utf8("pay 10"));
  });

  it("P-MSG-2 is refused with other claims, times, types or signers than its form has", async () => {
    const iat = now.getTime() / 1_000;
    const good = {
      aud: bob.did,
      body: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      exp: iat + 60,
      iat,
      iss: alice.did,
      jti: "A".repeat(22),
      size: 0,
    };
    const say = async (claims: object, typ = MESSAGE_TYP): Promise<Uint8Array> =>
      utf8(`${await signCompactJws(alice, typ, { ...good, ...claims })}\n`);
    expect(read(await say({})).jti).toBe(good.jti);
    for (const claims of [
      { extra: 1 },
      { iss: bob.did },
      { exp: iat },
      { exp: iat + MAX_MESSAGE_SECONDS + 1 },
      { iat: iat + 0.5 },
      { jti: "short" },
      { size: -1 },
      { size: 0.5 },
      { size: "0" },
    ]) {
      const content = await say(claims);
      expect(
        refusal(() => read(content)),
        JSON.stringify(claims),
      ).toBe("ERR_PROOF_MALFORMED");
    }
    const future = await say({ iat: iat + 31, exp: iat + 60 });
    expect(refusal(() => read(future))).toBe("ERR_PROOF_NOT_YET_VALID");
    const call = await say({}, "peerage-call+jwt");
    expect(refusal(() => read(call))).toBe("ERR_PROOF_MALFORMED");
    expect(refusal(() => read(utf8("hello")))).toBe("ERR_SEALED_INVALID");
    expect(refusal(() => read(Uint8Array.of(0xff, 10)))).toBe("ERR_SEALED_INVALID");
  });

  it("is believed from a later key only where the log names it as the sender's", async () => {
    const rotated = identityFromSeed(generateSeed(), { did: alice.did });
    const content = await signMessage(rotated, { recipient: bob.did, body: utf8("hi"), now });
    expect(refusal(() => read(content))).toBe("ERR_PROOF_MALFORMED");
    const key = rotated.kid.slice(alice.did.length + 1) as `z6Mk${string}`;
    expect(verifyMessage(content, { recipient: bob.did, now, keysOf: () => [key] }).kid).toBe(rotated.kid);
  });

  it("has few lengths, none of them much longer than what is in it", () => {
    const lengths = new Set<number>();
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 65_336 }), (length) => {
        const padded = paddedLength(length, 65_336);
        lengths.add(padded);
        return padded >= length && padded <= Math.min(65_336, Math.max(1_024, Math.ceil(length * 1.12)));
      }),
      { numRuns: 2_000, seed: 7 },
    );
    expect(lengths.size).toBeLessThan(110);
  });
});

describe("the form of a sealed message", () => {
  const b64 = "A".repeat(43);
  const header = `age-encryption.org/v1\n-> X25519 ${b64}\n${b64}\n--- ${b64}\n`;

  it("P-MSG-1 is an age file for one X25519 recipient, and nothing that can be read as it is", () => {
    const body = new Uint8Array(32);
    expect(() => checkSealedForm(concat(utf8(header), body))).not.toThrow();
    for (const other of [
      utf8("a plain text that somebody sends by mistake".repeat(10)),
      utf8(header),
      concat(utf8(header), body.subarray(1)),
      concat(utf8(header.replace("v1", "v2")), body),
      concat(utf8(header.replace("X25519", "scrypt")), body),
      concat(utf8(header.replace("\n---", `\n-> X25519 ${b64}\n${b64}\n---`)), body),
      concat(utf8("-----BEGIN AGE ENCRYPTED FILE-----\n"), body),
    ])
      expect(() => checkSealedForm(other)).toThrow(code("ERR_SEALED_INVALID"));
    const large = concat(utf8(header), new Uint8Array(MAX_SEALED_BYTES));
    expect(() => checkSealedForm(large)).toThrow(code("ERR_MESSAGE_TOO_LARGE"));
    expect(() => checkSealedForm(large.subarray(0, MAX_SEALED_BYTES))).not.toThrow();
  });
});

/** The code of what is thrown; `none` if nothing is. */
function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return "none";
}
