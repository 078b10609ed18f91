import {
  CALL_META,
  checkCallMessage,
  generateIdentity,
  type JsonObject,
  parseCallProof,
  verifyHttpSignature,
} from "@peerage/core";
import { describe, expect, it } from "vitest";
import { createCallSigner } from "./call-signer.ts";
import { CALL_HEADER, signFetch } from "./sign-fetch.ts";

const endpoint = "https://example.org/mcp";
const alice = generateIdentity();

interface Sent {
  readonly url: string;
  readonly headers: Headers;
  readonly body: string;
  readonly redirect: string;
}

function scene(options: { httpSigner?: typeof alice } = {}): { sent: Sent[]; fetch: ReturnType<typeof signFetch> } {
  const sent: Sent[] = [];
  const signer = createCallSigner({ signer: alice, endpoint: { url: endpoint } });
  const fetch = signFetch(
    async (input, init) => {
      const request = new Request(input, init);
      sent.push({ url: request.url, headers: request.headers, body: await request.text(), redirect: request.redirect });
      return new Response(null, { status: 202 });
    },
    signer,
    { endpoint, ...options },
  );
  return { sent, fetch };
}

const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "a\r\nb", arguments: {} } };

describe("the signing fetch", () => {
  it("signs the body of a POST, anew for each attempt", async () => {
    const { sent, fetch } = scene();
    for (let i = 0; i < 2; i++) await fetch(endpoint, { method: "POST", body: JSON.stringify(message) });
    const proofs = sent.map(({ body }) => {
      const { params } = JSON.parse(body) as { params: { _meta: JsonObject } };
      const proof = parseCallProof(params._meta[CALL_META]);
      checkCallMessage(proof, message);
      return proof;
    });
    expect(proofs.map(({ audience }) => audience)).toEqual([endpoint, endpoint]);
    expect(proofs[0]?.jti).not.toBe(proofs[1]?.jti);
    expect(sent.every(({ redirect }) => redirect === "manual")).toBe(true);
  });

  it("signs the HTTP request as well where it is asked to, over the body that carries the proof", async () => {
    const { sent, fetch } = scene({ httpSigner: alice });
    const headers = { authorization: "Bearer x", "mcp-method": "tools/call" };
    await fetch(endpoint, { method: "POST", headers, body: JSON.stringify(message) });
    await fetch(endpoint, { method: "GET" });
    for (const [at, method] of ["POST", "GET"].entries()) {
      const { headers: got, body } = sent[at]!;
      const header = (name: string): string | undefined => got.get(name) ?? undefined;
      const request = { method, targetUri: endpoint, header, body: new TextEncoder().encode(body) };
      expect(verifyHttpSignature(request, { now: new Date() })).toMatchObject({ issuer: alice.did, binding: "body" });
    }
    expect(sent[0]!.headers.get("signature-input")).toContain(
      '"content-digest" "content-type" "mcp-method" "authorization"',
    );
    expect(sent[0]!.body).toContain(CALL_META);
    const plain = scene();
    await plain.fetch(endpoint, { method: "POST", headers, body: JSON.stringify(message) });
    expect(plain.sent[0]!.headers.has("signature")).toBe(false);
  });

  it("signs GET, DELETE and responses in a header, over session and place in the stream", async () => {
    const { sent, fetch } = scene();
    const headers = { "mcp-session-id": "s", "last-event-id": "7" };
    const response = { jsonrpc: "2.0", id: 1, result: {} };
    await fetch(endpoint, { method: "GET", headers });
    await fetch(endpoint, { method: "DELETE", headers });
    await fetch(endpoint, { method: "POST", headers, body: JSON.stringify(response) });
    const subjects = [
      { method: "http/get", params: { session: "s", lastEventId: "7" } },
      { method: "http/delete", params: { session: "s" } },
      { method: "http/response", params: response },
    ];
    sent.forEach(({ headers: got }, i) => {
      checkCallMessage(parseCallProof(got.get(CALL_HEADER)), subjects[i] ?? { method: "" });
    });
    expect(sent[2]?.body).toBe(JSON.stringify(response));
  });

  it("A-HTTP-06 signs nothing outside the endpoint: no OAuth discovery, no token request, no other path", async () => {
    const { sent, fetch } = scene();
    const elsewhere = [
      "https://example.org/.well-known/oauth-protected-resource/mcp",
      "https://example.org/token",
      "https://example.org/mcp/",
      "https://example.org/mcp?x=1",
      "https://example.org:8443/mcp",
      "http://example.org/mcp",
      "https://auth.example.net/mcp",
    ];
    for (const url of elsewhere) await fetch(url, { method: "POST", body: JSON.stringify(message) });
    expect(sent.map(({ url }) => url)).toEqual(elsewhere);
    for (const { body, headers } of sent) {
      expect(body).toBe(JSON.stringify(message));
      expect(headers.has(CALL_HEADER)).toBe(false);
    }
  });

  it("leaves a message that carries a proof as it is", async () => {
    const { sent, fetch } = scene();
    await fetch(endpoint, { method: "POST", body: JSON.stringify(message) });
    await fetch(endpoint, { method: "POST", body: sent[0]?.body ?? "" });
    expect(sent[1]?.body).toBe(sent[0]?.body);
  });
});
