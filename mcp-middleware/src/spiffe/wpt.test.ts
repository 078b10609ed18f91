import { createPublicKey, generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { parseJson, type JsonObject } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { detailOf, newKey, NOW } from "../../../test/_spiffe.ts";
import { vectorBytes, vectorJson, vectorsPresent } from "../../../test/_vectors.ts";
import { createBundle } from "./bundle.ts";
import { algorithmFor, sha256Base64url, signJws } from "./jws.ts";
import { verifyWimseWit, verifyWitSvid } from "./wit-svid.ts";
import { signWpt, verifyWpt, type WptContext } from "./wpt.ts";

const ID = "spiffe://a.test/agent";
const seconds = NOW.getTime() / 1000;
const issuer = newKey();
const holder = newKey();
const jwk = { ...(issuer.publicKey.export({ format: "jwk" }) as JsonObject), kid: "w" };
const bundles = new Map([["a.test", createBundle({ wit: new Map([["w", jwk]]) })]]);

function witToken(claims: JsonObject = {}, header: JsonObject = {}, key = holder): string {
  const cnf = {
    jwk: { ...(key.publicKey.export({ format: "jwk" }) as JsonObject), alg: algorithmFor(key.privateKey) },
  };
  const whole = { sub: ID, exp: seconds + 300, cnf, ...claims };
  return signJws({ alg: "ES256", kid: "w", typ: "wit+jwt", ...header } as never, whole, issuer.privateKey);
}

const witVerdict = (token: string): string => detailOf(() => verifyWitSvid(token, { bundles, now: NOW }));

describe("WIT-SVID", () => {
  it("says whose it is and which key must be possessed", () => {
    expect(verifyWitSvid(witToken(), { bundles, now: NOW })).toMatchObject({
      subject: ID,
      trustDomain: "a.test",
      confirmation: { algorithm: "ES256" },
      expiresAt: seconds + 300,
    });
  });

  it("refuses another typ, an audience, a missing or private cnf key, EdDSA, and other domains", () => {
    expect(witVerdict(witToken({ aud: "x" }))).toBe("aud");
    for (const typ of ["JWT", "wit+JWT", "application/wit+jwt"]) expect(witVerdict(witToken({}, { typ }))).toBe("typ");
    expect(witVerdict(witToken({ cnf: {} }))).toBe("cnf");
    const secret = { jwk: { ...(holder.privateKey.export({ format: "jwk" }) as JsonObject), alg: "ES256" } };
    expect(witVerdict(witToken({ cnf: secret }))).toBe("cnf");
    const silent = { jwk: holder.publicKey.export({ format: "jwk" }) as JsonObject };
    expect(witVerdict(witToken({ cnf: silent }))).toBe("alg");
    expect(witVerdict(witToken({}, {}, newKey("Ed25519")))).toBe("alg");
    expect(witVerdict(witToken({}, { kid: "x" }))).toBe("untrusted");
    expect(witVerdict(witToken({ sub: "spiffe://b.test/agent" }))).toBe("td-unknown");
    expect(witVerdict(witToken({ nbf: seconds + 60 }))).toBe("not-yet-valid");
    expect(witVerdict(witToken({ iat: seconds + 9_999 }))).toBe("accept");
  });
});

describe("WPT", () => {
  const audience = "https://guard.example/mcp";
  const base = { key: holder.privateKey, algorithm: "ES256", audience, now: NOW } as const;
  const wit = witToken();
  const seen = new Set<string>();
  const context = (more: Partial<WptContext> = {}): WptContext => ({
    wit: verifyWitSvid(wit, { bundles, now: NOW }),
    audiences: new Set([audience]),
    now: NOW,
    spend: ({ jti }) => {
      if (seen.has(jti)) throw new Error("replayed");
      seen.add(jti);
    },
    ...more,
  });
  const verdict = (token: string, more: Partial<WptContext> = {}): string =>
    detailOf(() => verifyWpt(token, context(more)));
  const custom = (claims: JsonObject, header: JsonObject = {}, key = holder): string =>
    signJws(
      { alg: "ES256", typ: "wpt+jwt", ...header } as never,
      { aud: audience, exp: seconds + 60, jti: "a".repeat(22), wth: sha256Base64url(wit), ...claims },
      key.privateKey,
    );

  it("proves possession once, and covers the call proof where asked to", () => {
    const token = signWpt({ ...base, wit, call: "call-proof" });
    expect(verifyWpt(token, context({ call: "call-proof" }))).toMatchObject({ coversCall: true });
    expect(verdict(token, { call: "call-proof" })).toContain("replayed");
    expect(verifyWpt(signWpt({ ...base, wit }), context())).toMatchObject({ coversCall: false });
  });

  it("A-SPIFFE-05 refuses an unknown oth entry, a wrong wth, and another audience than the configured one", () => {
    expect(verdict(custom({ jti: "b".repeat(22) }))).toBe("accept");
    expect(verdict(custom({ oth: { "x-other": "AAAA" } }))).toBe("oth");
    expect(verdict(custom({ oth: { "peerage-call": sha256Base64url("p"), "x-other": "AAAA" } }), { call: "p" })).toBe(
      "oth",
    );
    expect(verdict(custom({ oth: { "peerage-call": sha256Base64url("p") } }), { call: "q" })).toBe("oth");
    expect(verdict(custom({ oth: { "peerage-call": sha256Base64url("p") } }))).toBe("oth");
    expect(verdict(custom({ oth: ["x"] }))).toBe("oth");
    expect(verdict(custom({ wth: sha256Base64url("another") }))).toBe("wth");
    for (const aud of ["https://guard.example/", "https://GUARD.example/mcp", `${audience}?x`, [audience]]) {
      expect(verdict(custom({ aud }))).toBe("audience");
    }
  });

  it("A-SPIFFE-05 refuses tokens that it does not cover, and covered tokens that are not there", () => {
    const token = (more: object): string => signWpt({ ...base, wit, ...more });
    expect(verdict(token({ authorization: "t" }), { authorization: "t" })).toBe("accept");
    expect(verdict(token({ authorization: "t" }), { authorization: "u" })).toBe("ath");
    expect(verdict(token({ authorization: "t" }))).toBe("ath");
    expect(verdict(token({}), { authorization: "t" })).toBe("ath");
    expect(verdict(token({ transaction: "t" }), { transaction: "t" })).toBe("accept");
    expect(verdict(token({}), { transaction: "t" })).toBe("tth");
  });

  it("A-SPIFFE-05 refuses another key, another alg or typ, short nonces and long lives", () => {
    expect(verdict(custom({}, {}, newKey()))).toBe("signature");
    expect(verdict(custom({}, { alg: "ES384" }, newKey("P-384")))).toBe("alg");
    expect(verdict(custom({}, { typ: "JWT" }))).toBe("typ");
    expect(verdict(custom({ jti: "a".repeat(20) }))).toBe("jti");
    expect(verdict(custom({ exp: seconds + 301 }))).toBe("lifetime");
    expect(verdict(custom({ exp: seconds - 1 }))).toBe("expired");
  });
});

describe.skipIf(!vectorsPresent)("WIMSE vectors", () => {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is each suite's own
  const cases: readonly any[] = vectorsPresent ? vectorJson("wimse/expected.json").cases : [];
  const text = (file: string): string => vectorBytes(`wimse/upstream/includes/${file}`).toString("utf8");
  const issuerKey = (): ReturnType<typeof createPublicKey> =>
    createPublicKey({ key: cases[0].issuerKey as JsonWebKey, format: "jwk" });
  const headerOf = (file: string, name: string): string =>
    new RegExp(`^${name}: (.*)$`, "m").exec(text(file))![1]!.trim();

  it("gives each WIT its stated verdict", () => {
    const wits = cases.filter(({ id }) => id.startsWith("wit"));
    expect(wits).toHaveLength(4);
    for (const { id, now, verdict, reason, expect: stated, issuerKey: key } of wits) {
      const at = new Date(now * 1000);
      const token = text("wit.txt").trim();
      const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey;
      const by = typeof key === "string" ? other : issuerKey();
      const run = (): unknown =>
        id === "wit-as-svid"
          ? verifyWitSvid(token, { bundles, now: at, edDsa: true })
          : verifyWimseWit(token, { issuer: by, now: at });
      expect(`${String(id)} ${detailOf(run)}`).toBe(
        `${String(id)} ${verdict === "accept" ? "accept" : String(reason)}`,
      );
      if (verdict === "accept") expect(run()).toMatchObject({ subject: stated.sub, expiresAt: stated.exp });
    }
  });

  it("A-SPIFFE-05 gives each WPT its stated verdict", () => {
    const wpts = cases.filter(({ id }) => id.startsWith("wpt"));
    expect(wpts).toHaveLength(6);
    const token = text("wpt.txt").trim();
    const at = new Date(1_745_509_900_000);
    const known = verifyWimseWit(text("wit.txt").trim(), { issuer: issuerKey(), now: at });
    for (const { id, now, verdict, reason, audience, authorization, files } of wpts) {
      // The issuer's key of the WIT in sigs-request.txt is not published: its text alone is used.
      const other = files.includes("sigs-request.txt")
        ? headerOf("sigs-request.txt", "Workload-Identity-Token")
        : undefined;
      const wit = other === undefined ? known : { ...known, token: other };
      const spent: string[] = [];
      const context = {
        wit,
        audiences: new Set([audience as string]),
        now: new Date(now * 1000),
        authorization: (authorization ?? undefined) as string | undefined,
        spend: ({ jti }: { jti: string }) => void spent.push(jti),
      };
      const detail = detailOf(() => verifyWpt(token, context));
      expect(`${String(id)} ${detail}`).toBe(`${String(id)} ${verdict === "accept" ? "accept" : String(reason)}`);
      expect(spent).toHaveLength(verdict === "accept" ? 1 : 0);
    }
    expect(headerOf("wpt-request.txt", "Workload-Proof-Token")).toBe(token);
    expect(parseJson(Buffer.from(token.split(".")[1]!, "base64url"))).toMatchObject(cases.find(({ id }) => id === "wpt").expect); // prettier-ignore
  });
});
