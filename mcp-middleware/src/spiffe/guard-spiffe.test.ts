import {
  type CallProof,
  generateIdentity,
  generateRun,
  type Identity,
  isPeerageError,
  type JsonObject,
  type JsonValue,
  parseCallProof,
  parseEntry,
  signCall,
  signEntry,
  type SpiffeFacts,
  type Entry,
} from "@peerage/core";
import { describe, expect, it } from "vitest";
import { authority, bundleOf, identityOf, leaf, newKey, NOW } from "../../../test/_spiffe.ts";
import { createBundle, parseBundle } from "./bundle.ts";
import { BundleStore } from "./bundle-store.ts";
import { bindingAudience } from "./binding-token.ts";
import { GuardSpiffe, type GuardSpiffeOptions } from "./guard-spiffe.ts";
import { bindToken, bindX509 } from "./issue-binding.ts";
import { algorithmFor, signJws } from "./jws.ts";
import { signWpt } from "./wpt.ts";

const ID = "spiffe://a.test/agent" as const;
const GUARD = "did:guard";
const URL = "https://guard.example/mcp";
const seconds = NOW.getTime() / 1000;
const root = await authority("a.test");
const issuer = newKey();
const jwk = (kid: string): JsonObject => ({ ...(issuer.publicKey.export({ format: "jwk" }) as JsonObject), kid });
const full = createBundle({
  x509: bundleOf(root).x509Authorities,
  jwt: new Map([["j", jwk("j")]]),
  wit: new Map([["w", jwk("w")]]),
});
const me = generateIdentity();
const own = identityOf(await leaf(root, ID));

type Verify = (
  binding: JsonValue | undefined,
  more?: { proof?: CallProof; now?: Date; headers?: Record<string, string> },
) => SpiffeFacts;

interface Scene {
  readonly store: BundleStore;
  readonly verify: Verify;
  /** The bound ID, `unbound …`, `none`, or code and detail of the refusal. */
  readonly verdict: (...args: Parameters<Verify>) => string;
}

async function proofOf(signer: Identity): Promise<CallProof> {
  const call = { audience: GUARD, message: { method: "ping" }, now: NOW };
  return parseCallProof(await signCall(signer, call));
}
const myProof = await proofOf(me);

function scene(options: Partial<GuardSpiffeOptions> = {}): Scene {
  const store = new BundleStore({ trustDomains: ["a.test"] });
  store.set("a.test", full, NOW);
  const guard = new GuardSpiffe({ bundles: store, ...options });
  const verify: Verify = (binding, { proof = myProof, now = NOW, headers = {} } = {}) => {
    const header = (name: string): string | undefined => headers[name];
    return guard.verify({ binding, header, audiences: new Set([GUARD, URL]), now }, proof);
  };
  const verdict: Scene["verdict"] = (...args) => {
    try {
      const { spiffe, proof, unbound } = verify(...args);
      return spiffe === undefined
        ? unbound === undefined
          ? "none"
          : `unbound ${unbound}`
        : `${spiffe} ${proof ?? ""}`;
    } catch (error) {
      if (!isPeerageError(error)) throw error;
      return `${error.code} ${error.detail ?? ""}`;
    }
  };
  return { store, verify, verdict };
}

const mutual = (await bindX509(me, own, { now: NOW })).value;
const jwt = signJws(
  { alg: "ES256", kid: "j" },
  { sub: ID, aud: bindingAudience(me.did), exp: seconds + 300 },
  issuer.privateKey,
);
const token = (await bindToken(me, jwt, { now: NOW })).value;

describe("the guard's SPIFFE step", () => {
  it("says nothing of a caller that presents nothing", () => {
    expect(scene().verdict(undefined)).toBe("none");
    expect(scene({ required: true }).verdict(undefined)).toBe("ERR_SPIFFE_REQUIRED missing");
    expect(scene({ required: true }).verdict(mutual)).toBe(`${ID} mutual`);
  });

  it("names the SPIFFE ID that is bound, and what was checked for it", () => {
    const facts = scene().verify(mutual);
    expect(facts).toMatchObject({ spiffe: ID, proof: "mutual", evidence: { bundle: full.digest } });
    expect(JSON.stringify(facts)).not.toMatch(/eyJ|MII/);
  });

  it("A-SPIFFE-03 holds a SPIFFE ID for unbound if its proof does not count here", () => {
    expect(scene().verdict(token)).toBe(`${ID} token`);
    const strict = { accept: ["same-key", "mutual"] } as const;
    expect(scene(strict).verdict(token)).toBe(`unbound ${ID}`);
    expect(scene({ ...strict, required: true }).verdict(token)).toBe("ERR_SPIFFE_REQUIRED proof");
  });

  it("A-SPIFFE-03 refuses a JWT-SVID that is presented alone, where possession is required", () => {
    expect(scene().verdict(jwt)).toBe("ERR_SPIFFE_BINDING form");
    expect(scene().verdict({ svid: jwt })).toBe("ERR_SPIFFE_BINDING form");
  });

  it("A-SPIFFE-04 refuses a call with an SVID that fails, also where none was needed", async () => {
    const { verdict } = scene();
    const stranger = identityOf(await leaf(await authority("b.test"), "spiffe://b.test/x"));
    expect(verdict((await bindX509(me, stranger, { now: NOW })).value)).toBe("ERR_SVID_INVALID td-unknown");
    expect(verdict(mutual, { proof: await proofOf(generateIdentity()) })).toBe("ERR_SPIFFE_BINDING did");
    expect(verdict([])).toBe("none");
    expect(verdict(null)).toBe("ERR_SPIFFE_BINDING form");
  });

  it("takes a binding for this guard and refuses one for another", async () => {
    const here = await bindX509(me, own, { now: NOW, audience: URL });
    const there = await bindX509(me, own, { now: NOW, audience: "did:other" });
    expect(scene().verdict(here.value)).toBe(`${ID} mutual`);
    expect(scene().verdict(there.value)).toBe("ERR_SPIFFE_BINDING audience");
  });

  it("A-SPIFFE-01 forgets a cached binding with its bundle, and at its own end", () => {
    const { verdict, store } = scene();
    expect([verdict(mutual), verdict(mutual)]).toEqual([`${ID} mutual`, `${ID} mutual`]);
    store.set("a.test", parseBundle('{"keys": []}'), NOW);
    expect(verdict(mutual)).toBe("ERR_SVID_INVALID untrusted");
    store.set("a.test", full, NOW);
    expect(verdict(mutual)).toBe(`${ID} mutual`);
    expect(verdict(mutual, { now: new Date(own.expiresAt * 1000) })).toBe("ERR_SPIFFE_BINDING expired");
    store.withdraw("a.test");
    expect(verdict(mutual)).toBe("ERR_SVID_INVALID td-unknown");
  });

  it("A-SPIFFE-05 verifies WIT and WPT of the headers, which bind to no DID", () => {
    const holder = newKey();
    const cnf = { jwk: { ...holder.publicKey.export({ format: "jwk" }), alg: "ES256" } };
    const wit = signJws({ alg: "ES256", kid: "w", typ: "wit+jwt" }, { sub: ID, exp: seconds + 300, cnf }, issuer.privateKey); // prettier-ignore
    const possession = {
      wit,
      key: holder.privateKey,
      algorithm: algorithmFor(holder.privateKey),
      audience: URL,
      now: NOW,
    };
    const spent = new Set<string>();
    const spend = ({ jti }: { jti: string }): void => {
      if (spent.has(jti)) throw new Error("replayed");
      spent.add(jti);
    };
    const { verdict } = scene({ spend });
    const headers = (wpt: string, more = {}): { headers: Record<string, string> } => ({
      headers: { "workload-identity-token": wit, "workload-proof-token": wpt, ...more },
    });
    const covering = signWpt({ ...possession, call: myProof.token, authorization: "t" });
    expect(verdict(undefined, headers(covering, { authorization: "Bearer t" }))).toBe(`unbound ${ID}`);
    expect(() => verdict(undefined, headers(covering, { authorization: "Bearer t" }))).toThrow("replayed");
    expect(verdict(undefined, headers(signWpt(possession), { authorization: "Bearer t" }))).toBe(
      "ERR_SVID_INVALID ath",
    );
    const byHost = signWpt({ ...possession, audience: "https://host.example/mcp" });
    expect(verdict(undefined, headers(byHost, { host: "host.example" }))).toBe("ERR_SVID_INVALID audience");
    expect(verdict(undefined, { headers: { "workload-identity-token": wit } })).toBe("ERR_SVID_INVALID wpt");
    expect(scene().verdict(undefined, headers(signWpt(possession)))).toBe("ERR_SVID_INVALID wpt");
  });
});

describe("SPIFFE IDs of signers of a history", () => {
  const checker = generateIdentity();
  const CHECKER = "spiffe://a.test/fraud" as const;
  const sign = async (signer: Identity, binding: unknown, at = NOW): Promise<Entry> =>
    parseEntry(
      await signEntry(signer, {
        run: generateRun(),
        prev: [],
        step: "fraud_check",
        result: "passed",
        sub: { binding: binding as string },
        now: at,
      }),
    );

  it("hold for entries that name a binding of their own signer, valid when they were signed", async () => {
    const theirs = await bindX509(checker, identityOf(await leaf(root, CHECKER)), { now: NOW, lifetimeSeconds: 600 });
    const digest = parseEntry(theirs.value["did"]).digest;
    const { signerOf } = scene().verify([mutual, theirs.value]);
    expect(signerOf(await sign(checker, digest))).toBe(CHECKER);
    expect(signerOf(await sign(me, digest))).toBeUndefined();
    expect(signerOf(await sign(checker, "sha256:00"))).toBeUndefined();
    expect(signerOf(await sign(checker, digest, new Date(NOW.getTime() - 60_000)))).toBeUndefined();
    expect(signerOf(await sign(checker, digest, new Date(NOW.getTime() + 600_000)))).toBeUndefined();
    expect(signerOf(await sign(me, parseEntry(mutual["did"]).digest))).toBe(ID);
    expect(
      scene()
        .verify(mutual)
        .signerOf(await sign(checker, digest)),
    ).toBeUndefined();
  });

  it("A-SPIFFE-04 hold after the binding's end only for entries that this guard saw in time", async () => {
    const theirs = await bindX509(checker, identityOf(await leaf(root, CHECKER)), { now: NOW, lifetimeSeconds: 60 });
    const digest = parseEntry(theirs.value["did"]).digest;
    const [seen, unseen] = [await sign(checker, digest), await sign(checker, digest)];
    const { verify, store } = scene();
    expect(verify([theirs.value]).signerOf(seen)).toBe(CHECKER);
    const later = { now: new Date(NOW.getTime() + 120_000) };
    const { signerOf } = verify([theirs.value], later);
    expect(signerOf(seen)).toBe(CHECKER);
    expect(signerOf(unseen)).toBeUndefined();
    store.set("a.test", parseBundle('{"keys": []}'), NOW);
    expect(() => verify([theirs.value], later).signerOf(seen)).toThrow("untrusted");
  });
});
