import {
  type CallProof,
  digest,
  generateIdentity,
  generateRun,
  type Identity,
  type JsonObject,
  type JsonValue,
  parseCallProof,
  signCall,
  signEntry,
  tokenDigest,
} from "@peerage/core";
import { identityFromSeed } from "@peerage/core";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { authority, bundleOf, detailOf, identityOf, leaf, lookup, newKey, NOW } from "../../../test/_spiffe.ts";
import { verifyBinding } from "./binding.ts";
import { bindingAudience } from "./binding-token.ts";
import { createBundle } from "./bundle.ts";
import { bindToken, bindWit, bindX509, type Binding, type WitIdentity } from "./issue-binding.ts";
import { algorithmFor, signJws } from "./jws.ts";
import { type X509Identity } from "./x509-svid.ts";

const seconds = NOW.getTime() / 1000;
const ID = "spiffe://a.test/agent" as const;
const VICTIM = "spiffe://a.test/admin" as const;
const root = await authority("a.test");
const issuerKey = newKey("P-256");
const jwk = (kid: string): JsonObject => ({ ...(issuerKey.publicKey.export({ format: "jwk" }) as JsonObject), kid });
const bundle = createBundle({
  x509: bundleOf(root).x509Authorities,
  jwt: new Map([["j", jwk("j")]]),
  wit: new Map([["w", jwk("w")]]),
});
const bundles = lookup({ "a.test": bundle });

const me = generateIdentity();
const victim = generateIdentity();
const own = identityOf(await leaf(root, ID));

function proofOf(signer: Identity): Promise<CallProof> {
  const call = { audience: "did:guard", message: { method: "ping" }, now: NOW };
  return signCall(signer, call).then((token) => parseCallProof(token));
}
const myProof = await proofOf(me);

function verdict(value: JsonValue, proof = myProof, now = NOW, from = bundles): string {
  return detailOf(() => verifyBinding(value, { bundles: from, now, proof }));
}

function jwtSvid(signer: Identity, claims: JsonObject = {}): string {
  const body = { sub: ID, aud: [bindingAudience(signer.did)], exp: seconds + 300, iat: seconds, ...claims };
  return signJws({ alg: "ES256", kid: "j", typ: "JWT" }, body, issuerKey.privateKey);
}

function witOf(claims: JsonObject = {}, kind: "P-256" | "P-384" | "Ed25519" = "P-256"): WitIdentity {
  const { privateKey, publicKey } = newKey(kind);
  const algorithm = algorithmFor(privateKey);
  const cnf = { jwk: { ...(publicKey.export({ format: "jwk" }) as JsonObject), alg: algorithm } };
  const header = { alg: "ES256", kid: "w", typ: "wit+jwt" } as const;
  const wit = signJws(header, { sub: ID, exp: seconds + 300, cnf, ...claims }, issuerKey.privateKey);
  return { wit, spiffeId: ID, key: privateKey, algorithm, expiresAt: seconds + 300 };
}

/** The countersignature as `signer` would make it, with other claims. */
function countersign(signer: Identity, svid: string, more: object = {}): Promise<string> {
  return signEntry(signer, {
    run: generateRun(),
    prev: [],
    step: "spiffe_binding",
    result: "bound",
    sub: { spiffe: ID, svid: tokenDigest(svid) },
    exp: seconds + 200,
    now: NOW,
    ...more,
  });
}

describe("a binding of DID and SPIFFE ID", () => {
  it("holds by each proof, for the caller that presents it", async () => {
    const seed = new Uint8Array(32).fill(7);
    const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
    const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    const key = { kind: "Ed25519" as const, privateKey, publicKey: createPublicKey(privateKey) };
    const twin = identityFromSeed(seed);
    const made: [string, Identity, Binding][] = [
      ["same-key", twin, await bindX509(twin, identityOf(await leaf(root, ID, { key })), { now: NOW })],
      ["mutual", me, await bindX509(me, own, { now: NOW })],
      ["token", me, await bindToken(me, jwtSvid(me), { now: NOW })],
      ["wit", me, await bindWit(me, witOf(), { now: NOW })],
    ];
    for (const [proof, signer, { value, expiresAt }] of made) {
      const context = { bundles, now: NOW, proof: await proofOf(signer) };
      expect(verifyBinding(value, context)).toMatchObject({ did: signer.did, spiffe: ID, proof, expiresAt });
    }
    // The same certificates say nothing about another key.
    expect(verdict(made[0]![2].value)).toBe("key");
  });

  it("holds by a mutual binding with every kind of SVID key", async () => {
    for (const kind of ["P-384", "P-521", "RSA", "Ed25519"] as const) {
      const svid = identityOf(await leaf(root, ID, { key: newKey(kind, "svid") }));
      expect(verdict((await bindX509(me, svid, { now: NOW })).value)).toBe("accept");
    }
  });

  it("A-SPIFFE-04 refuses a workload that claims a victim's DID", async () => {
    // The workload signs for the victim's DID, and has no countersignature of the victim's key.
    const claims = { sub: ID, did: victim.did, iat: seconds, exp: seconds + 200 };
    const svid = signJws(
      { alg: "ES256", typ: "peerage-binding+jwt", x5c: own.chain.map((der) => Buffer.from(der).toString("base64")) },
      claims,
      own.privateKey,
    );
    const victims = await proofOf(victim);
    expect(verdict({ svid, did: await countersign(me, svid) }, victims)).toBe("did");
    expect(verdict({ svid, did: await countersign(me, svid) })).toBe("did");
    expect(verdict({ svid }, victims)).toBe("form");
    expect(verdict({ svid, did: await countersign(victim, svid) }, victims)).toBe("accept");
  });

  it("A-SPIFFE-04 refuses a DID that claims a victim's SPIFFE ID", async () => {
    // The DID countersigns what the victim's workload said about another DID, or something that it never said.
    const { value } = await bindX509(victim, own, { now: NOW });
    const svid = value["svid"] as string;
    expect(verdict({ svid, did: await countersign(me, svid) })).toBe("did");
    const { value: mine } = await bindX509(me, own, { now: NOW });
    const sub = { spiffe: VICTIM, svid: tokenDigest(mine["svid"] as string) };
    expect(verdict({ ...mine, did: await countersign(me, mine["svid"] as string, { sub }) })).toBe("spiffe-id");
    // A JWT-SVID that was stolen from the victim's workload was issued for another audience.
    const stolen = jwtSvid(victim);
    expect(verdict({ svid: stolen, did: await countersign(me, stolen) })).toBe("audience");
    const login = jwtSvid(me, { aud: "https://api.example" });
    expect(verdict({ svid: login, did: await countersign(me, login) })).toBe("audience");
    expect(verdict(mine)).toBe("accept");
  });

  it("A-SPIFFE-04 refuses sides that do not name each other", async () => {
    const { value } = await bindX509(me, own, { now: NOW });
    const other = await bindX509(me, own, { now: new Date(NOW.getTime() - 1000) });
    expect(verdict({ svid: value["svid"] ?? null, did: other.value["did"] ?? null })).toBe("svid");
    const svid = value["svid"] as string;
    expect(verdict({ svid, did: await countersign(me, svid, { step: "approval" }) })).toBe("step");
    expect(verdict({ svid, did: await countersign(me, svid, { result: "refused" }) })).toBe("step");
    expect(verdict({ svid, did: await countersign(me, svid, { prev: [digest(1)] }) })).toBe("step");
    expect(verdict({ svid, did: await countersign(me, svid, { exp: undefined }) })).toBe("lifetime");
    expect(verdict({ svid, did: await countersign(me, svid, { sub: { spiffe: ID } }) })).toBe("claims");
    expect(verdict({ svid, did: "x" })).toBe("entry");
    expect(verdict({ svid, did: await countersign(me, svid) })).toBe("accept");
  });

  it("A-SPIFFE-04 refuses a binding that has expired, is too long, or outlives its SVID", async () => {
    const { value, expiresAt } = await bindX509(me, own, { now: NOW, lifetimeSeconds: 60 });
    const at = (offset: number): Date => new Date((expiresAt + offset) * 1000);
    expect(verdict(value, myProof, at(-1))).toBe("accept");
    expect(verdict(value, myProof, at(0))).toBe("expired");
    expect(verdict(value, myProof, new Date(NOW.getTime() - 31_000))).toBe("not-yet-valid");
    const svid = value["svid"] as string;
    expect(verdict({ svid, did: await countersign(me, svid, { exp: own.expiresAt + 1 }) })).toBe("lifetime");
    const long = await leaf(root, ID, { notAfter: new Date(NOW.getTime() + 3_000_000_000) });
    const eternal = await authority("a.test", { notAfter: new Date(NOW.getTime() + 4_000_000_000) });
    const lasting = await leaf(eternal, ID, { notAfter: new Date(NOW.getTime() + 3_000_000_000) });
    expect(identityOf(long).expiresAt).toBeGreaterThan(seconds + 86_400);
    const day = await bindX509(me, identityOf(lasting), { now: NOW });
    const from = lookup({ "a.test": bundleOf(eternal) });
    expect(day.expiresAt).toBe(seconds + 86_400);
    expect(verdict(day.value, myProof, NOW, from)).toBe("accept");
    const longer = { ...day.value, did: await countersign(me, day.value["svid"] as string, { exp: seconds + 86_401 }) };
    expect(verdict(longer, myProof, NOW, from)).toBe("lifetime");
  });

  it("holds no longer than the path above the leaf, which the caller cannot know", async () => {
    const brief = await authority("a.test", { notAfter: new Date(NOW.getTime() + 60_000) });
    const svid = identityOf(await leaf(brief, ID));
    const { value, expiresAt } = await bindX509(me, svid, { now: NOW });
    const from = lookup({ "a.test": bundleOf(brief) });
    expect(expiresAt).toBe(svid.expiresAt);
    expect(verifyBinding(value, { bundles: from, now: NOW, proof: myProof }).expiresAt).toBe(seconds + 60);
    expect(verdict(value, myProof, new Date(NOW.getTime() + 61_000), from)).toBe("expired");
  });

  it("refuses tokens of another kind, unknown header members and claims", async () => {
    const x5c = own.chain.map((der) => Buffer.from(der).toString("base64"));
    const claims = { sub: ID, did: me.did, iat: seconds, exp: seconds + 200 };
    const make = async (header: JsonObject, body: JsonObject, identity: X509Identity = own): Promise<string> => {
      const svid = signJws(
        { alg: "ES256", typ: "peerage-binding+jwt", x5c, ...header } as never,
        body,
        identity.privateKey,
      );
      return verdict({ svid, did: await countersign(me, svid) });
    };
    expect(await make({}, claims)).toBe("accept");
    expect(await make({ kid: "x" }, claims)).toBe("header");
    expect(await make({ typ: "JWT", kid: "j" }, claims)).toBe("signature");
    expect(await make({}, { ...claims, jti: "x" })).toBe("claims");
    expect(await make({}, { ...claims, did: "did:web:x" })).toBe("claims");
    expect(await make({}, { ...claims, sub: VICTIM })).toBe("spiffe-id");
    expect(await make({}, claims, identityOf(await leaf(root, ID)))).toBe("signature");
    expect(await make({ x5c: [] }, claims)).toBe("x5c");
    expect(await make({ x5c: ["_"] }, claims)).toBe("x5c");
    for (const value of [null, "x", [], {}, { x5c: [] }, { svid: 1, did: 2 }, { svid: "a.b.c", did: "x", more: 1 }]) {
      expect(verdict(value as JsonValue)).toMatch(/^(form|x5c|token)$/);
    }
  });

  it("A-SPIFFE-04 refuses a WIT whose confirmation key did not sign, or that outlives itself", async () => {
    const wit = witOf();
    const { value } = await bindWit(me, wit, { now: NOW });
    expect(verdict({ ...value, wit: witOf().wit })).toBe("signature");
    expect(verdict({ ...value, wit: witOf({}, "P-384").wit })).toBe("alg");
    expect(verdict({ ...value, wit: witOf({ aud: "x" }).wit })).toBe("aud");
    expect(verdict(value, myProof, new Date((seconds + 300) * 1000))).toBe("expired");
    expect(verdict(value)).toBe("accept");
    const eddsa = (await bindWit(me, witOf({}, "Ed25519"), { now: NOW })).value;
    expect(verdict(eddsa)).toBe("alg");
    const context = { bundles, now: NOW, proof: myProof, wimseEdDsa: true };
    expect(verifyBinding(eddsa, context)).toMatchObject({ proof: "wit", spiffe: ID });
  });
});
