import { publicKeyOf, toBase64url } from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Home } from "./_cli.ts";
import { edited, type Json, type Said, sampleFile, samplesOf, verified } from "./_samples.ts";

// Nothing here was made by code of this project: the fixture names the source of each sample.

const samples = await samplesOf("foreign-samples");
/** A minute after the samples were made. */
const AT = ["--at", "2026-01-02T03:05:05Z"];

describe("peerage verify, given what other systems' own code signed", () => {
  let home: Home;
  beforeAll(async () => {
    home = await Home.make();
  });
  afterAll(() => home[Symbol.asyncDispose]());

  const file = (content: unknown): Promise<string> => sampleFile(home, content);
  const verify = (content: unknown, ...argv: string[]): Promise<Said> => verified(home, content, ...argv);

  it("takes the W3C's own credential by its issuer's key, and says that without it nobody knows whose key it is", async () => {
    const { document } = samples.w3c;
    const [did] = document.proof.verificationMethod.split("#");
    expect(await verify(document)).toMatchObject({
      code: 3,
      checks: { signature: "ok", issuer: "no", status: "none" },
    });
    const key = ["--key", await file({ kty: "OKP", crv: "Ed25519", x: toBase64url(publicKeyOf(did).bytes) })];
    expect(await verify(document, ...key)).toMatchObject({ code: 0, checks: { signature: "ok", issuer: "ok" } });
    const tampered = [
      edited(document, (copy) => (copy.credentialSubject.alumniOf = "Another school")),
      edited(document, (copy) => (copy.proof.created = "2024-02-24T23:36:38Z")),
      edited(document, (copy) => (copy.issuer = "https://vc.example/issuers/1")),
    ];
    for (const one of tampered)
      expect(await verify(one, ...key)).toMatchObject({ code: 6, checks: { signature: "no" } });
    // Neither is it taken by somebody else's key, nor as a did:key's whose it is not.
    const other = ["--key", await file(samples.webBotAuth.key)];
    expect(await verify(document, ...other)).toMatchObject({ code: 6, checks: { signature: "ok", issuer: "no" } });
  });

  it.each(["signetPython", "signetTypeScript"])(
    "takes Signet's receipts v1 to v3 of %s, and none that was tampered with",
    async (made) => {
      for (const version of ["v1", "v2", "v3"]) {
        const receipt = samples[made][version];
        const inner = (copy: Json): Json => copy.agent_receipt ?? copy;
        expect(await verify(receipt), version).toMatchObject({ code: 0, checks: { signature: "ok", arguments: "ok" } });
        const tampered = [
          edited(receipt, (copy) => (inner(copy).action.params = { k: "other" })),
          edited(receipt, (copy) => (inner(copy).signer.name = "another")),
          edited(receipt, (copy) => (copy.nonce = "rnd_0")),
        ];
        for (const one of tampered) expect(await verify(one), version).toMatchObject({ code: 6 });
      }
    },
  );

  it("takes Vouchsafe's four kinds of token, and none that was tampered with", async () => {
    for (const kind of ["attest", "vouch", "revoke", "burn"]) {
      const token: string = samples.vouchsafe[kind];
      expect(await verify(token), kind).toMatchObject({
        code: 0,
        checks: { signature: "ok", issuer: "ok", form: "ok" },
      });
      const [header, payload = "", signature = ""] = token.split(".");
      const claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
      const again = (changed: object): string =>
        [header, Buffer.from(JSON.stringify({ ...claims, ...changed })).toString("base64url"), signature].join(".");
      const other = samples.vouchsafe[kind === "attest" ? "vouch" : "attest"].split(".")[2];
      const tampered = [
        again({ iat: 0 }),
        again({ iss: "urn:vouchsafe:eve.aaaa" }),
        [header, payload, other].join("."),
      ];
      for (const one of tampered) expect(await verify(one), kind).toMatchObject({ code: 6 });
    }
  });

  it("takes an MCP-I proof with its request and result, and none that was tampered with", async () => {
    const { request, result, proof } = samples.mcpI;
    const beside = [
      ...["--message", await file({ jsonrpc: "2.0", id: 1, ...request }), "--result", await file(result)],
      ...["--audience", "did:web:example.com", ...AT],
    ];
    const checks = { signature: "ok", audience: "ok", message: "ok", result: "ok", replay: "none" };
    expect(await verify(proof, ...beside)).toMatchObject({ code: 0, checks });
    const tampered = [
      edited(proof, (copy) => (copy.meta.audience = "did:web:example.org")),
      edited(proof, (copy) => (copy.meta.scopeId = "admin")),
      // In the midst of the signature, where every bit counts.
      edited(proof, (copy) => (copy.jws = String(copy.jws).replace(/.(?=.{19}$)/, (at) => (at === "A" ? "B" : "A")))),
    ];
    for (const one of tampered)
      expect(await verify(one, ...beside)).toMatchObject({ code: 6, checks: { signature: "no" } });
    const another = ["--result", await file([{ type: "text", text: "elsewhere" }])];
    expect(await verify(proof, ...another)).toMatchObject({ code: 3, checks: { signature: "ok", result: "no" } });
  });

  it("takes a request of web-bot-auth by its key, until it expires, and none that was tampered with", async () => {
    const { key, signatureAgent, signatureInput, signature } = samples.webBotAuth;
    const request = [
      "GET /path HTTP/1.1",
      "Host: example.com",
      `Signature-Agent: ${signatureAgent}`,
      `Signature-Input: ${signatureInput}`,
      `Signature: ${signature}`,
      "",
      "",
    ].join("\r\n");
    const known = ["--key", await file(key), "--audience", "https://example.com/path"];
    const checks = { signature: "ok", audience: "ok", body: "none", time: "ok", replay: "none" };
    expect(await verify(request, ...known, ...AT)).toMatchObject({ code: 0, checks });
    expect(await verify(request, ...known)).toMatchObject({ code: 3, checks: { time: "no" } });
    const tampered = [
      request.replace("agent.example", "other.example"),
      request.replace("expires=1767323345", "expires=1867323345"),
      request.replace('tag="web-bot-auth"', 'tag="web-bot-auth2"'),
    ];
    for (const one of tampered)
      expect(await verify(one, ...known, ...AT)).toMatchObject({ code: 6, checks: { signature: "no" } });
  });

  it("judges SEP-2787's conformance vectors as they expect, but for HS256, which proves nothing to a third", async () => {
    const { keys, cases } = samples.sep2787;
    const pem = { ES256: await file(keys.ES256), RS256: await file(keys.RS256) };
    for (const [name, { attestation, runtime, expected }] of Object.entries<Json>(cases)) {
      const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "delete_file", arguments: runtime } };
      const beside = runtime === undefined ? [] : ["--message", await file(call)];
      const key = ["--key", pem[attestation.alg === "RS256" ? "RS256" : "ES256"], "--at", "2026-05-29T10:01:00Z"];
      const said = await verified(home, attestation, ...key, ...beside);
      const isAsymmetric = ["ES256", "RS256"].includes(attestation.alg);
      const state = (holds: boolean): string => (holds ? "ok" : "no");
      expect(said.checks, name).toMatchObject({
        signature: state(isAsymmetric && expected.signature_ok),
        time: state(expected.ttl_ok),
        ...(runtime === undefined || attestation.alg === "HS256"
          ? {}
          : { message: state(expected.args_commitment_ok) }),
      });
      expect(said.code, name).toBe(!isAsymmetric ? 6 : expected.ttl_ok ? 0 : 3);
    }
    for (const name of ["es256_projection_identity", "rs256_signature_ttl_only"]) {
      const { attestation } = cases[name];
      const key = ["--key", pem[attestation.alg as "ES256" | "RS256"], "--at", "2026-05-29T10:01:00Z"];
      const tampered = [
        edited(attestation, (copy) => (copy.plannerDeclared.intent = "another")),
        edited(attestation, (copy) => (copy.issuerAsserted.expSeconds = 86_400)),
        edited(attestation, (copy) => (copy.payloadDerived.toolCalls[0].name = "read_file")),
      ];
      for (const one of tampered)
        expect(await verify(one, ...key), name).toMatchObject({ code: 6, checks: { signature: "no" } });
    }
  });
});
