import { generateKeyPairSync, sign } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  addProof,
  canonicalize,
  generateIdentity,
  type Identity,
  issueRevocation,
  issueVouch,
  type JsonObject,
  toBase64url,
  utf8,
} from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { signAgentCard, signedForms, VOUCH_CHAIN_URI, type VouchChain } from "../cli/src/bridges/agent-card.ts";
import { Home, openTestRegistry } from "./_cli.ts";
import { edited, type Json, type Said, sampleFile, verified } from "./_samples.ts";

const URL_ = "https://agent.example/a2a";

describe("an A2A agent card", () => {
  let home: Home;
  /** A reader of cards, who has no registry and nothing else. */
  let reader: Home;
  let registry: Awaited<ReturnType<typeof openTestRegistry>>;
  beforeAll(async () => {
    [home, reader, registry] = await Promise.all([Home.make(), Home.make(), openTestRegistry()]);
    const net = ["--registry", registry.url];
    for (const name of ["bot", "friend", "elder"]) await ok("init", name, ...net);
    await ok("vouch", "bot", "--identity", "friend", "--confidence", "90", ...net);
    await ok("vouch", "friend", "--identity", "elder", "--confidence", "80", ...net);
    await registry.registry.published(7);
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await Promise.all([home[Symbol.asyncDispose](), reader[Symbol.asyncDispose]()]);
  });

  async function ok(...argv: string[]): Promise<string> {
    const ran = await home.call(argv);
    if (ran.code !== 0) throw new Error(`peerage ${argv.join(" ")}: ${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  }
  async function did(name: string): Promise<string> {
    return JSON.parse(await ok("whoami", "--identity", name, "--json")).data.did;
  }
  async function exported(...argv: string[]): Promise<JsonObject> {
    const flags = ["--identity", "bot", "--registry", registry.url, ...argv, "--json"];
    return JSON.parse(await ok("export", "a2a", ...flags)).data.card;
  }
  const file = (content: unknown): Promise<string> => sampleFile(home, content);
  const verify = (content: unknown, ...argv: string[]): Promise<Said> => verified(reader, content, ...argv);
  const own = ["--self", "--url", URL_];
  const chainOf = (card: JsonObject): { params: JsonObject } => (card["capabilities"] as Json).extensions[0];

  it("shows who stands for its agent, signed by the agent, and verifies with and without a registry", async () => {
    const card = await exported(...own);
    expect(card).toMatchObject({
      name: "bot",
      supportedInterfaces: [{ url: URL_, protocolBinding: "JSONRPC", protocolVersion: "1.0" }],
      capabilities: { extensions: [{ uri: VOUCH_CHAIN_URI, params: { subject: await did("bot"), scope: "tools" } }] },
    });
    // The nearest first: who vouches for the agent, then who vouches for that one.
    const issuers = (chainOf(card).params["vouches"] as JsonObject[]).map(({ issuer }) => issuer);
    expect(issuers).toEqual([await did("friend"), await did("elder")]);

    const offline = {
      signature: "ok",
      signer: "ok",
      vouches: "ok",
      time: "ok",
      log: "none",
      roots: "none",
      says: "none",
    };
    expect(await verify(card)).toMatchObject({ code: 0, type: "A2A agent card", checks: offline });
    const asked = await verify(card, "--registry", registry.url);
    expect(asked).toMatchObject({ code: 0, checks: { ...offline, log: "ok" } });
    const elder = await did("elder");
    expect((await reader.call(["roots", "add", elder])).code).toBe(0);
    expect(await verify(card)).toMatchObject({ code: 0, checks: { ...offline, roots: "ok" } });
    expect((await reader.call(["roots", "remove", elder])).code).toBe(0);
    expect(await verify(card, "--at", "2099-01-01T00:00:00Z")).toMatchObject({ code: 3, checks: { time: "no" } });
  });

  it("does not verify once it was tampered with, and says what was", async () => {
    const card = await exported(...own);
    const vouches = (copy: Json): Json[] => chainOf(copy).params["vouches"] as Json[];
    const said = async (edit: (copy: Json) => void): Promise<Said> => verify(edited(card, edit));
    expect(await said((copy) => (copy.supportedInterfaces[0].url = "https://evil.example"))).toMatchObject({
      code: 6,
      checks: { signature: "no", vouches: "ok" },
    });
    expect(await said((copy) => (vouches(copy)[0].credentialSubject.confidence = 100))).toMatchObject({
      code: 6,
      checks: { signature: "no", vouches: "no" },
    });
    expect(await said((copy) => delete copy.signatures)).toMatchObject({ code: 6, checks: { signature: "no" } });
    expect(await said((copy) => (copy.extra = true))).toMatchObject({ code: 6, checks: { signature: "no" } });
    // What means the same by A2A's own rule is the same: a member with its default.
    expect(await said((copy) => (copy.securitySchemes = {}))).toMatchObject({ code: 0 });
  });

  it("does not verify if its signer put in vouches that do not lead to the agent, or holds another's", async () => {
    const [agent, friend, other, stranger] = [1, 2, 3, 4].map(() => generateIdentity());
    const vouch = async (from = friend!, to = agent!, scope = ["tools"]): Promise<JsonObject> =>
      (await issueVouch(from, { subject: to.did, scope, confidence: 80 })).document;
    const card: JsonObject = JSON.parse(JSON.stringify(await exported(...own)));
    const sealed = async (vouches: JsonObject[], signer = agent!, more: Partial<VouchChain> = {}): Promise<Said> => {
      const chain = { subject: agent!.did, scope: "tools", created: "2026-01-01T00:00:00Z", vouches, ...more };
      return verify(await signAgentCard(card, chain, signer));
    };
    expect(await sealed([await vouch()])).toMatchObject({ code: 0, checks: { signer: "ok", vouches: "ok" } });
    const bad = [
      [await vouch(friend, other)], // for somebody else
      [await vouch(friend, agent, ["code"])], // for another scope
      [{ ...(await vouch()), issuer: stranger!.did }], // by another's hand
    ];
    for (const vouches of bad)
      expect(await sealed(vouches)).toMatchObject({ code: 6, checks: { signature: "ok", vouches: "no" } });
    // Somebody else may show a chain for the agent, and is not taken for it.
    const spoken = await sealed([await vouch()], stranger);
    expect(spoken).toMatchObject({ code: 0, checks: { signer: "none", vouches: "ok" } });
    expect(spoken.texts["signer"]).toContain("speaks about another agent");
    // With a key of one's own behind another's name, nobody else has signed: with a chain or without.
    const posing = { ...stranger!, did: agent!.did, kid: `${agent!.did}#${stranger!.did.slice(8)}` } as Identity;
    for (const vouches of [[await vouch()], []])
      expect(await sealed(vouches, posing)).toMatchObject({ code: 6, checks: { signature: "no" } });
    expect(await sealed([])).toMatchObject({ code: 0, texts: { vouches: "nobody is shown to vouch for it in tools" } });
  });

  it("adds the chain to a card that is there, whose own signature would no longer hold, and keeps the rest", async () => {
    const { signatures: _, ...plain } = await exported(...own);
    const mine = {
      ...plain,
      name: "Mine",
      documentationUrl: "https://agent.example/docs",
      capabilities: { streaming: false, extensions: [{ uri: "https://other.example/ext", params: { a: 1 } }] },
      signatures: [{ protected: "e30", signature: "AAAA" }],
    };
    const ran = await home.call(["export", "a2a", "--self", "--identity", "bot", "--card", await file(mine), "--json"]);
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain("1 signature of the given card would no longer hold and is left out");
    const { card } = JSON.parse(ran.stdout).data;
    expect(card).toMatchObject({ name: "Mine", documentationUrl: mine.documentationUrl });
    expect(card.capabilities).toMatchObject({
      streaming: false,
      extensions: [{ params: { a: 1 } }, { uri: VOUCH_CHAIN_URI }],
    });
    expect(card.signatures).toHaveLength(1);
    expect(await verify(card)).toMatchObject({ code: 0, checks: { signature: "ok", signer: "ok" } });
    // The same again puts a new chain in the place of the old one.
    const again = await home.call([
      "export",
      "a2a",
      "--self",
      "--identity",
      "bot",
      "--card",
      await file(card),
      "--json",
    ]);
    expect(JSON.parse(again.stdout).data.card.capabilities.extensions).toHaveLength(2);
  });

  it("keeps what a card demands of its callers, signed, and says where others' signatures leave that out", async () => {
    const { signatures: _, ...plain } = await exported(...own);
    const demanding = {
      ...plain,
      securitySchemes: { tls: { mtlsSecurityScheme: {} }, key: { apiKeySecurityScheme: { name: "k", location: "h" } } },
      securityRequirements: [{ schemes: { tls: { list: [] } } }, { schemes: { key: {} } }],
    };
    const sealed = ["--self", "--identity", "bot", "--card", await file(demanding), "--json"];
    const { card } = JSON.parse(await ok("export", "a2a", ...sealed)).data;
    expect(card.securitySchemes).toEqual(demanding.securitySchemes);
    expect(card.securityRequirements).toEqual([{ schemes: { tls: {} } }, { schemes: { key: {} } }]);
    expect(card.signatures).toHaveLength(2);
    const [whole, bare] = card.signatures;
    const first = await verify({ ...card, signatures: [whole] });
    expect(first).toMatchObject({ code: 0, checks: { signature: "ok" } });
    expect(first.checks["security"]).toBeUndefined();
    const said = await verify({ ...card, signatures: [bare] });
    expect(said).toMatchObject({ code: 0, checks: { signature: "ok", security: "none" } });
    for (const securityRequirements of [[], [{ schemes: { key: {} } }], [{ schemes: {} }]])
      expect(await verify({ ...card, securityRequirements, signatures: [whole] })).toMatchObject({
        code: 6,
        checks: { signature: "no" },
      });
  });

  it("counts for nothing by a key that is lost: neither its own, nor one that vouches, whatever the date", async () => {
    const [agent, friend] = [generateIdentity(), generateIdentity()];
    const vouch = (await issueVouch(friend, { subject: agent.did, scope: ["tools"], confidence: 80 })).document;
    const { signatures: _, ...plain } = await exported(...own);
    const chain = { subject: agent.did, scope: "tools", created: "2026-01-01T00:00:00Z" };
    const bare = async (signer: Identity): Promise<JsonObject> => {
      const card: Json = structuredClone(plain);
      card.capabilities = { streaming: true };
      const header = toBase64url(utf8(canonicalize({ alg: "EdDSA", kid: signer.kid })));
      const signature = signer.sign(utf8(`${header}.${toBase64url(utf8(canonicalize(card)))}`));
      return { ...card, signatures: [{ protected: header, signature: toBase64url(signature) }] };
    };
    const cards = {
      shown: await signAgentCard(plain, { ...chain, vouches: [vouch] }, agent),
      alone: await signAgentCard(plain, { ...chain, vouches: [] }, friend),
      bare: await bare(friend),
    };
    const asked = ["--registry", registry.url];
    for (const card of Object.values(cards)) expect(await verify(card, ...asked)).toMatchObject({ code: 0 });
    const document = { "@context": ["https://www.w3.org/ns/credentials/v2"], type: "Note", issuer: friend.did };
    const made = { verificationMethod: friend.kid, created: "2026-01-01T00:00:00Z" };
    const note = { ...document, proof: await addProof(friend, document, made) };
    expect(await verify(note, ...asked)).toMatchObject({ code: 0, checks: { issuer: "ok" } });

    const { bytes } = await issueRevocation(friend, { revokes: "self" });
    const posted = await fetch(`${registry.url}/v1/statements`, { method: "POST", body: Uint8Array.from(bytes) });
    await registry.registry.published(((await posted.json()) as { index: number }).index);
    expect(await verify(cards.shown, ...asked)).toMatchObject({ code: 6, checks: { signature: "ok", vouches: "no" } });
    expect(await verify(cards.alone, ...asked)).toMatchObject({ code: 6, checks: { signer: "no" } });
    const last = await verify(cards.bare, ...asked);
    expect(last).toMatchObject({ code: 6, checks: { signer: "no" } });
    expect(last.texts["signer"]).toContain("a thief could have signed this");
    expect(await verify(note, ...asked)).toMatchObject({ code: 6, checks: { key: "no" } });
  });

  it("A-CLI-07 prints nothing that a terminal would obey, and the same card", async () => {
    const name = "Evil\u009b31m\u202eBot\u200b\u001b]0;x\u0007";
    const { stdout } = await home.call(["export", "a2a", ...own, "--identity", "bot", "--name", name]);
    expect(stdout).toMatch(/^[\x20-\x7e\n]*$/);
    const card = JSON.parse(stdout);
    expect(card.name).toBe(name);
    expect(await verify(card)).toMatchObject({ code: 0, checks: { signature: "ok" } });
    const read = await reader.call(["verify", await file({ ...card, name: `${name}!` })]);
    expect(read.stdout).not.toMatch(/[\u0080-\u009f\u200b\u202e]/);
  });

  it("says what a card lacks: an address, what A2A requires, or the version that is written", async () => {
    const { signatures: _, ...plain } = await exported(...own);
    const { supportedInterfaces: __, ...old } = plain;
    const refused = async (...argv: string[]): Promise<string> => {
      const { code, stderr } = await home.call(["export", "a2a", "--identity", "bot", ...argv, "--json"]);
      const { error } = JSON.parse(stderr.split("\n").at(-2) ?? "");
      return `${String(code)} ${error.code} ${error.message}`;
    };
    expect(await refused()).toBe("2 ERR_USAGE whose card is it?");
    expect(await refused("bot", "--self")).toBe("2 ERR_USAGE whose card is it?");
    expect(await refused("--self")).toBe("2 ERR_USAGE an agent card says where the agent answers");
    expect(await refused("--self", "--url", "http://agent.example")).toMatch(/^2 ERR_USAGE .* is no https URL$/);
    expect(await refused("--self", "--card", await file({ ...plain, skills: [] }))).toMatch(
      /^2 ERR_REQUEST_INVALID .*A2A requires skills/,
    );
    expect(await refused("--self", "--card", await file({ ...old, url: URL_ }))).toMatch(
      /^2 ERR_REQUEST_INVALID .*card of A2A 0\.3/,
    );
    expect(await refused("--self", "--card", await file([]))).toMatch(/^2 ERR_REQUEST_INVALID .*no JSON object$/);
    expect(await refused("--self", "--card", "absent.json")).toMatch(/^5 ERR_NOT_FOUND /);
    expect(await refused("--self", "--card", "x.json", "--name", "y")).toMatch(/^2 ERR_USAGE /);
  });

  it("signed by others is judged by the key that is given, in each of the forms that A2A's signers cover", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { signatures: _, capabilities: __, ...plain } = await exported(...own);
    // The form of A2A 1.0 section 8.4.1 keeps what is required and what was set, and removes other defaults.
    const card: JsonObject = {
      ...plain,
      description: "",
      capabilities: { streaming: false, extensions: [] },
      provider: { url: "", organization: "x" },
      securityRequirements: [],
    };
    const byRule = {
      ...plain,
      description: "",
      capabilities: { streaming: false },
      provider: { url: "", organization: "x" },
    };
    expect(signedForms(card)).toContain(canonicalize(byRule));
    const header = toBase64url(
      utf8('{"alg":"ES256","jku":"https://agent.example/jwks.json","kid":"key-1","typ":"JOSE"}'),
    );
    const covered = utf8(`${header}.${toBase64url(utf8(canonicalize(byRule)))}`);
    const signature = sign("sha256", covered, { key: privateKey, dsaEncoding: "ieee-p1363" });
    const sealed = { ...card, signatures: [{ protected: header, signature: toBase64url(signature) }] };
    const pem = join(home.path, "issuer.pem");
    await writeFile(pem, publicKey.export({ format: "pem", type: "spki" }));
    const known = await verify(sealed, "--key", pem);
    expect(known).toMatchObject({ code: 0, checks: { signature: "ok", vouches: "none" } });
    expect(await verify({ ...sealed, version: "2" }, "--key", pem)).toMatchObject({
      code: 6,
      checks: { signature: "no" },
    });
    const unknown = await verify(sealed);
    expect(unknown).toMatchObject({ code: 6, checks: { signature: "no" } });
    expect(unknown.texts["signature"]).toContain("--key <file> with a key for ES256");
  });
});
