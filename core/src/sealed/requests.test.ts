import { describe, expect, it } from "vitest";
import { generateIdentity } from "../did/identity.ts";
import type { Digest } from "../json/digest.ts";
import { signCompactJws } from "../jws/compact.ts";
import {
  DELIVERY_TYP,
  INBOX_TYP,
  signDelivery,
  signInboxRequest,
  verifyDelivery,
  verifyInboxRequest,
} from "./requests.ts";

const [alice, bob] = [generateIdentity(), generateIdentity()];
const now = new Date("2026-11-20T10:00:00Z");
const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1_000);
const audience = "registry.example";
const message: Digest = `sha256:${"a".repeat(64)}`;
const code = (word: string): unknown => expect.objectContaining({ code: word });

describe("requests about messages", () => {
  it("name one message, one recipient, one registry and one minute", async () => {
    const token = await signDelivery(alice, { audience, recipient: bob.did, message, now });
    const asked = verifyDelivery(token, { audience, now });
    expect(asked).toEqual({ issuer: alice.did, kid: alice.kid, recipient: bob.did, message });
    expect(() => verifyDelivery(token, { audience: "other.example", now })).toThrow(code("ERR_PROOF_AUDIENCE"));
    expect(verifyDelivery(token, { audience, now: later(90) }).message).toBe(message);
    expect(() => verifyDelivery(token, { audience, now: later(91) })).toThrow(code("ERR_PROOF_EXPIRED"));
    expect(() => verifyDelivery(token, { audience, now: later(-31) })).toThrow(code("ERR_PROOF_NOT_YET_VALID"));
    const altered = token.replace(/(.)(.{40})$/, (_, found, end) => `${found === "A" ? "B" : "A"}${end}`);
    expect(() => verifyDelivery(altered, { audience, now })).toThrow(code("ERR_PROOF_INVALID"));
  });

  it("of a recipient say what is asked for: a list, or one message fetched or erased", async () => {
    for (const action of ["fetch", "erase"] as const) {
      const token = await signInboxRequest(bob, { audience, action, message, now });
      expect(verifyInboxRequest(token, { audience, now })).toMatchObject({ issuer: bob.did, action, message });
    }
    const list = await signInboxRequest(bob, { audience, action: "list", now });
    expect(verifyInboxRequest(list, { audience, now })).toMatchObject({ action: "list", message: undefined });
    expect(() => signInboxRequest(bob, { audience, action: "erase" })).toThrow(TypeError);
    expect(() => signInboxRequest(bob, { audience, action: "list", message })).toThrow(TypeError);
  });

  it("are refused in any other form, and never taken for one another", async () => {
    const iat = now.getTime() / 1_000;
    const inbox = { aud: audience, do: "list", iat, iss: bob.did, message: null };
    expect(verifyInboxRequest(await signCompactJws(bob, INBOX_TYP, inbox), { audience, now }).action).toBe("list");
    for (const claims of [
      { ...inbox, do: "steal" },
      { ...inbox, do: "erase" },
      { ...inbox, message },
      { ...inbox, iat: String(iat) },
      { ...inbox, iss: alice.did },
      { ...inbox, extra: 1 },
      { aud: audience, do: "list", iat, iss: bob.did },
    ]) {
      const token = await signCompactJws(bob, INBOX_TYP, claims);
      expect(() => verifyInboxRequest(token, { audience, now }), JSON.stringify(claims)).toThrow(
        code("ERR_PROOF_MALFORMED"),
      );
    }
    const delivery = await signDelivery(bob, { audience, recipient: alice.did, message, now });
    expect(() => verifyInboxRequest(delivery, { audience, now })).toThrow(code("ERR_PROOF_MALFORMED"));
    const list = await signInboxRequest(bob, { audience, action: "list", now });
    expect(() => verifyDelivery(list, { audience, now })).toThrow(code("ERR_PROOF_MALFORMED"));
    const nobody = { aud: audience, iat, iss: bob.did, message, to: "did:web:example.org" };
    expect(() => verifyDelivery(list, { audience, now })).toThrow(code("ERR_PROOF_MALFORMED"));
    const token = await signCompactJws(bob, DELIVERY_TYP, nobody);
    expect(() => verifyDelivery(token, { audience, now })).toThrow(code("ERR_DID_INVALID"));
  });
});
