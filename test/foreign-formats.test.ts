import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Home } from "./_cli.ts";

// The samples are made as each system's own public definition says, by node:crypto and the few lines below: nothing of
// what verifies them has a part in it.

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** RFC 8785 for what these samples hold: plain names, whole numbers. */
function jcs(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(jcs).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${jcs(value[name] ?? null)}`).join(",")}}`;
}

const sha256 = (data: string | Buffer): Buffer => createHash("sha256").update(data).digest();
const digest = (value: Json): string => `sha256:${sha256(jcs(value)).toString("hex")}`;

interface Key {
  readonly private: KeyObject;
  readonly raw: Buffer;
  readonly der: Buffer;
  readonly x: string;
  readonly did: string;
}

function newKey(): Key {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const der = publicKey.export({ format: "der", type: "spki" });
  const raw = der.subarray(12);
  return {
    private: privateKey,
    raw,
    der,
    x: raw.toString("base64url"),
    did: `did:key:z${base58(Buffer.concat([Buffer.from([0xed, 1]), raw]))}`,
  };
}

function base58(bytes: Buffer): string {
  const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  let text = "";
  for (let number = BigInt(`0x${bytes.toString("hex")}`); number > 0n; number /= 58n) {
    text = digits[Number(number % 58n)]! + text;
  }
  const zeros = bytes.findIndex((byte) => byte !== 0);
  return "1".repeat(Math.max(0, zeros)) + text;
}

const ed25519 = (key: Key, data: string): Buffer => sign(null, Buffer.from(data), key.private);

function jws(key: Key, header: Json, payload: Json): string {
  const covered = [header, payload].map((part) => Buffer.from(jcs(part)).toString("base64url")).join(".");
  return `${covered}.${ed25519(key, covered).toString("base64url")}`;
}

/** A copy in which one member is another, by its path. */
function edited<T extends Json>(value: T, path: readonly (string | number)[], to: Json): T {
  const copy = structuredClone(value) as Json;
  let at = copy as Record<string, Json>;
  for (const name of path.slice(0, -1)) at = at[name] as Record<string, Json>;
  at[path.at(-1)!] = to;
  return copy as T;
}

describe("peerage verify, given what other systems signed", () => {
  let home: Home;
  beforeAll(async () => {
    home = await Home.make();
  });
  afterAll(() => home[Symbol.asyncDispose]());

  const now = Math.floor(Date.now() / 1000);
  const iso = (seconds: number): string => new Date(seconds * 1000).toISOString();
  let files = 0;
  const file = async (content: Json): Promise<string> => {
    const path = join(home.path, `sample-${++files}`);
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  };
  const verify = async (
    content: Json,
    ...argv: string[]
  ): Promise<{ code: number | null; type: string; checks: Record<string, string> }> => {
    const ran = await home.call(["verify", await file(content), ...argv, "--json"]);
    expect(ran.stderr).toBe("");
    const { data } = JSON.parse(ran.stdout);
    const checks = Object.fromEntries(
      data.checks.map(({ name, state }: { name: string; state: string }) => [name, state]),
    );
    return { code: ran.code, type: data.type, checks };
  };

  describe("Signet", () => {
    const agent = newKey();
    const server = newKey();
    const action = {
      tool: "search",
      params: { q: "hi" },
      params_hash: digest({ q: "hi" }),
      target: "mcp://test",
      transport: "stdio",
    };
    const signer = { pubkey: `ed25519:${agent.raw.toString("base64")}`, name: "an-agent", owner: "somebody" };
    const seal = <T extends Record<string, Json>>(key: Key, body: T): T & { id: string; sig: string } => {
      const signature = ed25519(key, jcs(body));
      const id = `rec_${sha256(signature).toString("hex").slice(0, 32)}`;
      return { ...body, id, sig: `ed25519:${signature.toString("base64")}` };
    };
    const v1 = seal(agent, { v: 1, action, signer, ts: iso(now), nonce: "rnd_01" });
    const response = { content_hash: digest({ text: "there" }) };
    const v2 = seal(agent, {
      v: 2,
      action,
      response,
      signer,
      ts_request: iso(now),
      ts_response: iso(now),
      nonce: "rnd_02",
    });
    const who = { pubkey: `ed25519:${server.raw.toString("base64")}`, name: "a-server" };
    const v3 = seal(server, { v: 3, agent_receipt: v1, response, server: who, ts_response: iso(now), nonce: "rnd_03" });
    const other = `ed25519:${newKey().raw.toString("base64")}`;

    it.each([
      [
        "v1",
        v1,
        [edited(v1, ["action", "tool"], "delete"), edited(v1, ["signer", "pubkey"], other), { ...v1, owner: "me" }],
      ],
      [
        "v2",
        v2,
        [
          edited(v2, ["response", "content_hash"], digest("else")),
          edited(v2, ["ts_response"], iso(now + 9)),
          edited(v2, ["id"], `rec_${"0".repeat(32)}`),
        ],
      ],
      [
        "v3",
        v3,
        [
          edited(v3, ["agent_receipt", "action", "params", "q"], "bye"),
          edited(v3, ["server", "pubkey"], other),
          seal(server, {
            v: 3,
            agent_receipt: edited(v1, ["signer", "name"], "me"),
            response,
            server: who,
            ts_response: iso(now),
            nonce: "rnd_04",
          }),
        ],
      ],
    ] as [string, Json, Json[]][])(
      "verifies a receipt %s, and none of three that were tampered with",
      async (version, genuine, tampered) => {
        expect(await verify(genuine)).toMatchObject({
          code: 0,
          type: `Signet receipt ${version}`,
          checks: { signature: "ok", key: "none" },
        });
        expect(tampered).toHaveLength(3);
        for (const one of tampered) expect(await verify(one)).toMatchObject({ code: 6 });
      },
    );

    it("says that nobody signed the extensions, that it expired, and whether the key is the one given", async () => {
      expect(await verify({ ...v3, extensions: { a: 1 } })).toMatchObject({ code: 0, checks: { extensions: "none" } });
      const { id: _, sig: __, ...body } = v1;
      expect(await verify(seal(agent, { ...body, exp: iso(now - 60) }))).toMatchObject({
        code: 3,
        checks: { time: "no" },
      });
      const key = await file({ kty: "OKP", crv: "Ed25519", x: agent.x });
      expect(await verify(v1, "--key", key)).toMatchObject({ code: 0, checks: { key: "ok" } });
      const wrong = await file({ kty: "OKP", crv: "Ed25519", x: server.x });
      expect(await verify(v1, "--key", wrong)).toMatchObject({ code: 6, checks: { key: "no", signature: "ok" } });
    });
  });

  it("verifies an MCP-I proof, and none of three that were tampered with", async () => {
    const key = newKey();
    const kid = `${key.did}#keys-1`;
    const request = { method: "tools/call", params: { name: "read", arguments: { path: "a" } } };
    const answer = [{ type: "text", text: "there" }];
    const meta = {
      did: key.did,
      kid,
      ts: now,
      nonce: "k7Hy9mNpQrStUvWxYz01Aa",
      audience: "did:web:example.com",
      sessionId: "mcpi_1",
      requestHash: digest(request),
      responseHash: digest(answer),
    };
    const { did, kid: _, audience, ...rest } = meta;
    const proof = { jws: jws(key, { alg: "EdDSA", kid }, { ...rest, aud: audience, iss: did, sub: did }), meta };
    const message = await file({ jsonrpc: "2.0", id: 1, ...request });
    const result = await file(answer);
    const all = ["--audience", audience, "--message", message, "--result", result];
    const checks = { signature: "ok", time: "ok", audience: "ok", message: "ok", result: "ok", replay: "none" };
    expect(await verify(proof, ...all)).toEqual({ code: 0, type: "MCP-I proof", checks });
    expect(await verify({ content: answer, _meta: { proof } })).toMatchObject({
      code: 0,
      type: "MCP-I proof",
      checks: { message: "none" },
    });
    const other = newKey();
    const tampered = [
      edited(proof, ["meta", "responseHash"], digest("else")),
      edited(edited(proof, ["meta", "did"], other.did), ["meta", "kid"], `${other.did}#keys-1`),
      { ...proof, jws: jws(other, { alg: "EdDSA", kid }, { ...rest, aud: audience, iss: did, sub: did }) },
    ];
    for (const one of tampered)
      expect(await verify(one, ...all)).toMatchObject({ code: 6, checks: { signature: "no" } });
    // The same proof beside another request is authentic, and says nothing about it.
    const elsewhere = await file({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "delete" } });
    expect(await verify(proof, "--message", elsewhere)).toMatchObject({
      code: 3,
      checks: { signature: "ok", message: "no" },
    });
  });

  it("verifies a Vouchsafe token, and none of three that were tampered with", async () => {
    const key = newKey();
    const bits = [...sha256(key.raw)]
      .map((byte) => byte.toString(2).padStart(8, "0"))
      .join("")
      .padEnd(260, "0");
    const hash = bits
      .match(/.{5}/g)!
      .map((group) => "abcdefghijklmnopqrstuvwxyz234567"[parseInt(group, 2)])
      .join("");
    const jti = "90e98ed2-2b24-4a22-9985-35a2f23875b4";
    const iss = `urn:vouchsafe:alice.${hash}`;
    const base = { iss, iss_key: key.der.toString("base64"), jti, iat: now, nbf: now };
    const attest = { ...base, sub: jti, kind: "vch:attest", purpose: "email", exp: now + 60 };
    const token = jws(key, { alg: "EdDSA" }, attest);
    const checks = { signature: "ok", issuer: "ok", form: "ok", time: "ok", chain: "none" };
    expect(await verify(token)).toEqual({ code: 0, type: "Vouchsafe token", checks });
    const vouch = { ...base, sub: jti, kind: "vch:vouch", vch_iss: iss, vch_sum: sha256(token).toString("hex") };
    expect(await verify(jws(key, { alg: "EdDSA" }, vouch))).toMatchObject({ code: 0, checks });
    const [header = "", , signature = ""] = token.split(".");
    const other = newKey();
    const tampered = [
      [header, Buffer.from(jcs({ ...attest, purpose: "admin" })).toString("base64url"), signature].join("."),
      // Somebody else's key under this name.
      jws(other, { alg: "EdDSA" }, { ...attest, iss_key: other.der.toString("base64") }),
      // An attestation that speaks of another token.
      jws(key, { alg: "EdDSA" }, { ...attest, sub: "4a42c211-8a3c-497d-8a1f-6459fe038301" }),
    ];
    for (const one of tampered) expect(await verify(one)).toMatchObject({ code: 6, type: "Vouchsafe token" });
    // It says what it likes, and by that is signed by nobody else.
    const posing = jws(key, { alg: "EdDSA" }, { ...attest, issuer: other.did, signer: other.did });
    expect(await verify(posing)).toMatchObject({ code: 0 });
    expect(await verify(posing, "--by", other.did)).toMatchObject({ code: 6, checks: { by: "no" } });
    expect(await verify(jws(key, { alg: "EdDSA" }, { ...attest, exp: now - 60 }))).toMatchObject({
      code: 3,
      checks: { time: "no" },
    });
  });

  it("verifies an AIP certificate, none of three that were tampered with, and says what AIP does not sign", async () => {
    const key = newKey();
    const voucher = `did:aip:${sha256(key.raw).toString("hex").slice(0, 32)}`;
    const target = `did:aip:${"0f".repeat(16)}`;
    const certificate = {
      version: "1.0",
      vouch_id: "550e8400-e29b-41d4-a716-446655440000",
      voucher_did: voucher,
      voucher_public_key: key.raw.toString("base64"),
      target_did: target,
      scope: "CODE_SIGNING",
      statement: "Reviewed | their code",
      created_at: iso(now),
      expires_at: iso(now + 60),
      signature: ed25519(key, `${voucher}|${target}|CODE_SIGNING|Reviewed | their code`).toString("base64"),
      certificate_issued_at: iso(now),
    };
    const checks = { signature: "ok", voucher: "ok", time: "ok", unsigned: "none", revocation: "none" };
    expect(await verify(certificate)).toEqual({ code: 0, type: "AIP vouch certificate", checks });
    const other = newKey();
    const tampered = [
      { ...certificate, scope: "FINANCIAL" },
      // A bar moved from the statement into the scope: the signed text is the same.
      { ...certificate, scope: "CODE_SIGNING|Reviewed ", statement: " their code" },
      {
        ...certificate,
        voucher_public_key: other.raw.toString("base64"),
        signature: ed25519(other, `${voucher}|${target}|CODE_SIGNING|Reviewed | their code`).toString("base64"),
      },
    ];
    for (const one of tampered) expect(await verify(one)).toMatchObject({ code: 6 });
    const odd = [{ expires_at: iso(now - 60) }, { expires_at: "soon" }, { created_at: iso(now + 3_600) }];
    for (const times of odd)
      expect(await verify({ ...certificate, ...times })).toMatchObject({ code: 3, checks: { time: "no" } });
  });

  it("verifies a SEP-2787 attestation by the key given, and none of three that were tampered with", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const args = { path: "/a", recursive: false };
    const projection = jcs(args);
    const body = {
      version: 1,
      alg: "ES256",
      plannerDeclared: { intent: "tidy up" },
      issuerAsserted: {
        alg: "ES256",
        iss: "issuer://test",
        sub: "agent:a",
        nonce: "n-1",
        iat: iso(now),
        expSeconds: 300,
        secretVersion: "v1",
      },
      payloadDerived: {
        toolCalls: [
          {
            name: "delete_file",
            serverFingerprint: `sha256:${"1".repeat(64)}`,
            args: { projection, projectionDigest: `sha256:${sha256(projection).toString("hex")}` },
          },
        ],
      },
    };
    const seal = (unsigned: Json): Json & object => ({
      ...(unsigned as object),
      signature: sign("sha256", Buffer.from(jcs(unsigned)), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString(
        "hex",
      ),
    });
    const attestation = seal(body) as typeof body & { signature: string };
    const key = ["--key", await file(publicKey.export({ format: "pem", type: "spki" }) as string)];
    const message = [
      "--message",
      await file({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "delete_file", arguments: args } }),
    ];
    const checks = { signature: "ok", calls: "ok", message: "ok", time: "ok", declared: "none" };
    expect(await verify(attestation, ...key, ...message)).toEqual({ code: 0, type: "SEP-2787 attestation", checks });
    const tampered = [
      edited(attestation, ["plannerDeclared", "intent"], "something else"),
      edited(attestation, ["issuerAsserted", "expSeconds"], 86_400),
      // Signed, and yet its digest is of another projection.
      seal(edited(body, ["payloadDerived", "toolCalls", 0, "args", "projection"], "{}")),
    ] as Json[];
    for (const one of tampered) expect(await verify(one, ...key, ...message)).toMatchObject({ code: 6 });
    // Without the issuer's key nothing is known, and a secret that both hold proves nothing.
    expect(await verify(attestation)).toMatchObject({ code: 6, checks: { signature: "no" } });
    const shared = edited(edited(attestation, ["alg"], "HS256"), ["issuerAsserted", "alg"], "HS256");
    expect(await verify(shared, ...key)).toMatchObject({ code: 6, checks: { signature: "no" } });
    const elsewhere = await file({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "delete_file", arguments: { path: "/b" } },
    });
    expect(await verify(attestation, ...key, "--message", elsewhere)).toMatchObject({
      code: 3,
      checks: { message: "no" },
    });
  });

  it("verifies a W3C credential, and none of three that were tampered with", async () => {
    const key = newKey();
    const other = newKey();
    const context = ["https://www.w3.org/ns/credentials/v2"];
    const credential = {
      "@context": context,
      type: ["VerifiableCredential"],
      issuer: key.did,
      validFrom: "2026-01-01T00:00:00Z",
      credentialSubject: { id: "did:example:bob", degree: "none" },
    };
    const secure = (document: Record<string, Json>, signer: Key, named = signer, more: object = {}): Json => {
      const config = {
        "@context": context,
        type: "DataIntegrityProof",
        cryptosuite: "eddsa-jcs-2022",
        created: "2026-01-01T00:00:00Z",
        verificationMethod: named.did.includes("#") ? named.did : `${named.did}#${named.did.slice(8)}`,
        proofPurpose: "assertionMethod",
        ...more,
      };
      const hashes = Buffer.concat([sha256(jcs(config)), sha256(jcs(document))]);
      return { ...document, proof: { ...config, proofValue: `z${base58(sign(null, hashes, signer.private))}` } };
    };
    const genuine = secure(credential, key);
    const checks = { signature: "ok", issuer: "ok", time: "ok", status: "none", content: "none" };
    expect(await verify(genuine)).toEqual({ code: 0, type: "W3C credential", checks });
    const tampered = [
      edited(genuine, ["credentialSubject", "degree"], "doctor"),
      secure(credential, other, key),
      // By another's own key, for the issuer.
      secure(credential, other),
      // By another's key, as if it were one of the issuer's.
      secure(credential, other, { ...key, did: `${key.did}#${other.did.slice(8)}` }),
      // For an issuer whose name is only the beginning of the signer's.
      secure({ ...credential, issuer: key.did.slice(0, 20) }, key),
      secure({ ...credential, issuer: "did:key:" }, key),
    ];
    for (const one of tampered) expect(await verify(one)).toMatchObject({ code: 6 });
    // A key that is given makes nobody the issuer whose own name says another key.
    const otherKey = ["--key", await file({ kty: "OKP", crv: "Ed25519", x: other.x })];
    expect(await verify(secure(credential, other), ...otherKey)).toMatchObject({ code: 6, checks: { issuer: "no" } });
    // Nor is one without an issuer that can be read anybody's.
    for (const issuer of [null, [key.did], { id: [key.did] }, 7])
      expect(await verify(secure({ ...credential, issuer }, key))).toMatchObject({ code: 6, checks: { issuer: "no" } });
    // A document need not name one, and is not another's for a name before its key.
    const plain = { "@context": context, type: ["Note"], text: "hello" };
    const posing = { ...key, did: `${key.did}#${other.did.slice(8)}` };
    expect(await verify(secure(plain, key), "--by", key.did)).toMatchObject({ code: 0, type: "signed document" });
    for (const flags of [[], ["--by", key.did], [...otherKey, "--by", key.did]])
      expect(await verify(secure(plain, other, posing), ...flags)).toMatchObject({ code: 6 });
    const { issuer: _, ...nobodys } = credential;
    expect(await verify(secure(nobodys, key))).toMatchObject({ code: 6, checks: { issuer: "no" } });
    // What ends at a time that cannot be read has ended.
    for (const validUntil of ["2026-02-01T00:00:00Z", "2026-02-01", "2099-01-01", "soon", 4_070_908_800, null])
      expect(await verify(secure({ ...credential, validUntil }, key)), String(validUntil)).toMatchObject({
        code: 3,
        checks: { signature: "ok", time: "no" },
      });
    expect(await verify(secure({ ...credential, validFrom: "2099-01-01T00:00:00Z" }, key))).toMatchObject({ code: 3 });
    expect(await verify(secure(credential, key, key, { expires: "2026-02-01T00:00:00Z" }))).toMatchObject({ code: 3 });
    const lasting = secure({ ...credential, validUntil: "2099-01-01T00:00:00Z" }, key);
    expect(await verify(lasting)).toMatchObject({ code: 0, checks });
    expect(await verify(lasting, "--by", key.did)).toMatchObject({ code: 0 });
    expect(await verify(lasting, "--by", other.did)).toMatchObject({ code: 6, checks: { by: "no" } });
  });

  describe("signed HTTP requests", () => {
    const key = newKey();
    const thumbprint = sha256(`{"crv":"Ed25519","kty":"OKP","x":"${key.x}"}`).toString("base64url");
    const request = (
      lines: readonly string[],
      covered: readonly string[],
      parameters: string,
      body = "",
      label = "sig1",
    ): string => {
      const headers = new Map(
        lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 2)]),
      );
      const derived: Record<string, string> = { "@method": "POST", "@authority": "example.com", "@path": "/mcp" };
      const names = covered.map((name) => `"${name}"`).join(" ");
      const base = covered.map((name) => `"${name}": ${derived[name] ?? headers.get(name) ?? ""}\n`).join("");
      const signature = ed25519(key, `${base}"@signature-params": (${names})${parameters}`).toString("base64");
      const head = [
        "POST /mcp HTTP/1.1",
        "Host: example.com",
        ...lines,
        `Signature-Input: ${label}=(${names})${parameters}`,
      ];
      return [...head, `Signature: ${label}=:${signature}:`, "", body].join("\r\n");
    };

    it("verifies Web Bot Auth, and none of three that were tampered with", async () => {
      const parameters = `;created=${now};keyid="${thumbprint}";alg="ed25519";expires=${now + 120};nonce="bm9uY2U=";tag="web-bot-auth"`;
      const genuine = request(
        ['Signature-Agent: "https://agent.example"'],
        ["@authority", "signature-agent"],
        parameters,
      );
      const known = ["--key", await file({ keys: [{ kty: "OKP", crv: "Ed25519", x: key.x }] })];
      const checks = { signature: "ok", audience: "ok", body: "none", time: "ok", replay: "none" };
      const audience = ["--audience", "https://example.com/mcp"];
      expect(await verify(genuine, ...known, ...audience)).toEqual({ code: 0, type: "Web Bot Auth request", checks });
      const tampered = [
        genuine.replace("agent.example", "other.example"),
        genuine.replace("Host: example.com", "Host: example.org"),
        // A header that must be covered once it is there.
        request(['Signature-Agent: "https://agent.example"'], ["@authority"], parameters),
      ];
      for (const one of tampered)
        expect(await verify(one, ...known)).toMatchObject({ code: 6, checks: { signature: "no" } });
      expect(await verify(genuine, ...audience)).toMatchObject({ code: 6, checks: { signature: "no" } });
      const later = iso(now + 400);
      expect(await verify(genuine, ...known, "--at", later)).toMatchObject({ code: 3, checks: { time: "no" } });
    });

    it("verifies AAuth with its key in the header, and none of three that were tampered with", async () => {
      const body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
      const own = `Signature-Key: sig=hwk;kty="OKP";crv="Ed25519";x="${key.x}"`;
      const headers = [
        "Content-Type: application/json",
        `Content-Digest: sha-256=:${sha256(body).toString("base64")}:`,
        own,
      ];
      const covered = ["@method", "@authority", "@path", "content-type", "content-digest", "signature-key"];
      const genuine = request(headers, covered, `;created=${now}`, body, "sig");
      expect(await verify(genuine)).toMatchObject({
        code: 0,
        type: "AAuth request",
        checks: { signature: "ok", body: "ok" },
      });
      const tampered = [
        genuine.replace("tools/list", "tools/call"),
        genuine.replace(key.x, newKey().x),
        request(headers, covered.slice(0, -1), `;created=${now}`, body, "sig"),
      ];
      for (const one of tampered) expect(await verify(one)).toMatchObject({ code: 6, checks: { signature: "no" } });
      // The least that AAuth asks for leaves the body open, and that is said.
      const least = request([own], ["@method", "@authority", "@path", "signature-key"], `;created=${now}`, body, "sig");
      expect(await verify(least)).toMatchObject({ code: 0, checks: { body: "none" } });
    });
  });
});
