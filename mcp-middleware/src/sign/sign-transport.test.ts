import { CALL_META, checkCallMessage, generateIdentity, type JsonObject, parseCallProof } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { createCallSigner } from "./call-signer.ts";
import { signTransport } from "./sign-transport.ts";

describe("the signing transport", () => {
  it("signs what arrives, also where an SDK left members undefined or wrote dates", async () => {
    const sent: JsonObject[] = [];
    const server = generateIdentity().did;
    const signer = createCallSigner({ signer: generateIdentity(), endpoint: { command: "x", args: [] }, server });
    const transport = signTransport(
      {
        onmessage: undefined as ((message: never) => void) | undefined,
        start: () => Promise.resolve(),
        send: (message: JsonObject) => Promise.resolve(void sent.push(message)),
      },
      signer,
    );
    for (const args of [undefined, { a: undefined, b: 1 }, { at: new Date(0) }, {}]) {
      const params = { name: "x", arguments: args } as unknown as JsonObject;
      await transport.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
    }
    expect(sent).toHaveLength(4);
    for (const message of sent) {
      const arrived = JSON.parse(JSON.stringify(message));
      const proof = parseCallProof(arrived.params._meta[CALL_META]);
      expect(() => checkCallMessage(proof, arrived)).not.toThrow();
    }
  });
});
