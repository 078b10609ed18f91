import { describe, expect, it } from "vitest";
import {
  generateIdentity,
  type InboxAction,
  inboxActions,
  type Signer,
  signDelivery,
  signInboxRequest,
  signMessage,
  utf8,
} from "@peerage/core";
import { type Asked, classify } from "./kinds.ts";
import { refusal } from "./rules.ts";

const [alice, bob] = [generateIdentity(), generateIdentity()];
const message = `sha256:${"a".repeat(64)}` as const;

/** What a signing agent takes a request for, told by its bytes alone. */
async function asked(sign: (signer: Signer) => Promise<unknown>, as = alice): Promise<Asked | undefined> {
  let bytes = new Uint8Array();
  await sign({
    did: alice.did,
    kid: alice.kid,
    sign: (signed) => {
      bytes = Uint8Array.from(signed);
      return alice.sign(signed);
    },
  });
  return classify(bytes, as);
}

describe("what a signing agent takes for messages", () => {
  const recipient = bob.did;
  const sent = (signer: Signer): Promise<unknown> => signMessage(signer, { recipient, body: utf8("hi") });
  const delivered = (signer: Signer): Promise<unknown> =>
    signDelivery(signer, { audience: "registry.example", recipient, message });
  const requested = (signer: Signer, action: InboxAction): Promise<unknown> =>
    signInboxRequest(signer, { audience: "registry.example", action, ...(action === "list" ? {} : { message }) });

  it("is the message and its delivery, both for the recipient, and nothing that is asked of an inbox", async () => {
    expect(await asked(sent)).toEqual({ kind: "messages", audience: bob.did, about: "a message" });
    expect(await asked(delivered)).toMatchObject({ kind: "messages", audience: bob.did });
    for (const action of inboxActions)
      expect(await asked((signer) => requested(signer, action)), action).toBeUndefined();
    for (const sign of [sent, delivered]) expect(await asked(sign, bob)).toBeUndefined();
  });

  it("is signed only where messages are allowed, and to those alone who are named", async () => {
    const kinds = new Set(["messages" as const]);
    for (const sign of [sent, delivered]) {
      const request = (await asked(sign))!;
      expect(refusal({ kinds: new Set(["calls", "entries"]), audiences: undefined }, request)).toContain("messages");
      expect(refusal({ kinds, audiences: undefined }, request)).toBeUndefined();
      expect(refusal({ kinds, audiences: new Set([bob.did]) }, request)).toBeUndefined();
      expect(refusal({ kinds, audiences: new Set([alice.did]) }, request)).toContain("audience");
    }
  });
});
