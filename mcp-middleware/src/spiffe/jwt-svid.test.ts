import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import { jwtVerify, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "@peerage/core";
import { detailOf, newKey, NOW } from "../../../test/_spiffe.ts";
import { createBundle } from "./bundle.ts";
import { signJws, svidAlgorithms } from "./jws.ts";
import { verifyJwtSvid } from "./jwt-svid.ts";

const AUDIENCE = "peerage/did-binding/did:key:z6Mk";
const ID = "spiffe://a.test/agent";
const seconds = NOW.getTime() / 1000;

function jwkOf(key: KeyObject, kid: string): JsonObject {
  return { ...(key.export({ format: "jwk" }) as JsonObject), kid };
}

const ec = newKey("P-256");
const keys = {
  ES256: ec,
  ES384: newKey("P-384"),
  ES512: newKey("P-521"),
  RSA: newKey("RSA"),
  small: newKey("RSA-1024"),
  EdDSA: newKey("Ed25519"),
};
const bundle = createBundle({
  jwt: new Map(Object.entries(keys).map(([kid, { publicKey }]) => [kid, jwkOf(publicKey, kid)])),
});
const bundles = new Map([["a.test", bundle]]);
const keyOf = (alg: string): keyof typeof keys => (alg.startsWith("ES") ? (alg as "ES256") : "RSA");

function token(header: JsonObject = {}, claims: JsonObject = {}, key: KeyObject = ec.privateKey): string {
  const whole = { sub: ID, aud: [AUDIENCE], exp: seconds + 300, iat: seconds, ...claims };
  const defined = Object.fromEntries(Object.entries(whole).filter(([, value]) => (value as unknown) !== undefined));
  return signJws({ alg: "ES256", kid: "ES256", typ: "JWT", ...header } as never, defined, key);
}

const verdict = (text: unknown, audience = AUDIENCE, now = NOW): string =>
  detailOf(() => verifyJwtSvid(text, { bundles, audience, now }));

/** Header and claims by hand, where no honest signer would make such a token. */
function raw(header: object, claims: object, sign: (input: string) => string): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${input}.${sign(input)}`;
}

describe("JWT-SVID", () => {
  it("takes what jose signs, under each of the nine algorithms", async () => {
    for (const alg of svidAlgorithms) {
      const kid = keyOf(alg);
      const jwt = await new SignJWT({ sub: ID })
        .setProtectedHeader({ alg, kid, typ: "JWT" })
        .setAudience(AUDIENCE)
        .setIssuedAt(seconds)
        .setExpirationTime(seconds + 300)
        .sign(keys[kid].privateKey);
      expect(verifyJwtSvid(jwt, { bundles, audience: AUDIENCE, now: NOW })).toMatchObject({
        spiffeId: ID,
        trustDomain: "a.test",
        expiresAt: seconds + 300,
      });
      expect(`${alg} ${verdict(`${jwt.slice(0, -6)}AAAAAA`)}`).toBe(`${alg} signature`);
    }
  });

  it("signs what jose takes, under each of the nine algorithms and EdDSA", async () => {
    for (const alg of [...svidAlgorithms, "EdDSA"] as const) {
      const key = alg === "EdDSA" ? keys.EdDSA : keys[keyOf(alg)];
      const jwt = token({ alg }, {}, key.privateKey);
      const { payload } = await jwtVerify(jwt, key.publicKey, { currentDate: NOW, audience: AUDIENCE });
      expect(payload.sub).toBe(ID);
    }
  });

  it("A-SPIFFE-03 refuses none, HMAC, EdDSA and an algorithm that does not fit the key", () => {
    expect(verdict(token())).toBe("accept");
    const claims = { sub: ID, aud: AUDIENCE, exp: seconds + 300 };
    expect(verdict(raw({ alg: "none", kid: "ES256" }, claims, () => ""))).toBe("alg");
    const spki = ec.publicKey.export({ format: "pem", type: "spki" });
    const mac = (input: string): string => createHmac("sha256", spki).update(input).digest("base64url");
    expect(verdict(raw({ alg: "HS256", kid: "ES256" }, claims, mac))).toBe("alg");
    expect(verdict(token({ alg: "EdDSA", kid: "EdDSA" }, {}, keys.EdDSA.privateKey))).toBe("alg");
    expect(verdict(token({ kid: "ES384" }))).toBe("alg");
    expect(verdict(token({ alg: "ES384", kid: "RSA" }, {}, keys.ES384.privateKey))).toBe("alg");
    const weak = raw({ alg: "RS256", kid: "small" }, claims, () => "AAAA");
    expect(verdict(weak)).toBe("alg");
  });

  it("A-SPIFFE-03 refuses a foreign, a missing and a second audience", () => {
    expect(verdict(token({}, { aud: AUDIENCE }))).toBe("accept");
    for (const aud of ["other", ["other"], [AUDIENCE, "other"], [AUDIENCE, AUDIENCE], [], undefined, 7, [[AUDIENCE]]]) {
      expect(verdict(token({}, { aud } as JsonObject))).toBe("audience");
    }
  });

  it("A-SPIFFE-03 never follows jku, x5u, jwk or x5c, and refuses crit", () => {
    const mine = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = jwkOf(mine.publicKey, "ES256");
    for (const header of [
      { jwk },
      { jku: "https://evil.test/keys" },
      { x5u: "https://evil.test/x" },
      { x5c: ["AAAA"] },
    ]) {
      expect(verdict(token(header as JsonObject, {}, mine.privateKey))).toBe("signature");
      expect(verdict(token(header as JsonObject))).toBe("accept");
    }
    expect(verdict(token({ crit: ["x"], x: 1 }))).toBe("crit");
  });

  it("A-SPIFFE-03 wants a kid of this trust domain's bundle and the typ of a JWT", () => {
    expect(verdict(raw({ alg: "ES256" }, {}, () => ""))).toBe("kid");
    expect(verdict(token({ kid: "unknown" }))).toBe("untrusted");
    expect(verdict(token({}, { sub: "spiffe://b.test/agent" }))).toBe("td-unknown");
    expect(verdict(token({}, { sub: "spiffe://a.test" }))).toBe("spiffe-id");
    expect(verdict(token({}, { sub: "spiffe://A.test/agent" }))).toBe("spiffe-id");
    for (const typ of ["peerage-call+jwt", "wit+jwt", "jwt", ""]) expect(verdict(token({ typ }))).toBe("typ");
    expect(verdict(token({ typ: "JOSE" }))).toBe("accept");
  });

  it("holds exp, nbf and iat to 30 s, and to 24 h ahead", () => {
    const at = (offset: number): Date => new Date((seconds + offset) * 1000);
    expect(verdict(token(), AUDIENCE, at(330))).toBe("accept");
    expect(verdict(token(), AUDIENCE, at(331))).toBe("expired");
    expect(verdict(token(), AUDIENCE, at(-30))).toBe("accept");
    expect(verdict(token(), AUDIENCE, at(-31))).toBe("not-yet-valid");
    expect(verdict(token({}, { nbf: seconds + 31 }))).toBe("not-yet-valid");
    expect(verdict(token({}, { exp: seconds + 86_400 }))).toBe("accept");
    expect(verdict(token({}, { exp: seconds + 86_500 }))).toBe("lifetime");
    for (const exp of [undefined, "1", -1, 1e12]) expect(verdict(token({}, { exp } as JsonObject))).toBe("time");
  });

  it("refuses other serialisations, repeated members, loose base64url and more than 16 KiB", () => {
    const [header = "", claims = "", signature = ""] = token().split(".");
    expect(verdict(`${header}.${claims}`)).toBe("token");
    expect(verdict(`${header}.${claims}.${signature}=`)).toBe("token");
    expect(verdict(`${header}.${claims}.${signature}.`)).toBe("token");
    expect(verdict({ header, claims, signature })).toBe("token");
    const twice = Buffer.from('{"alg":"ES256","alg":"none","kid":"ES256"}').toString("base64url");
    expect(verdict(`${twice}.${claims}.${signature}`)).toBe("token");
    expect(verdict(token({ pad: "x".repeat(16_400) }))).toBe("size");
  });
});
