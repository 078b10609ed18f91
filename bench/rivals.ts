/** What others check a caller with, as their documentation shows it; each does less than a call proof, and says what. */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { type Identity, identityFromSeed, generateSeed, publicKeyOf, toBase64url, utf8 } from "@peerage/core";
import { compactVerify, importJWK, jwtVerify, SignJWT } from "jose";

/** A way to sign and to check. */
export interface Rival {
  readonly name: string;
  readonly label: string;
  readonly sign: () => unknown;
  readonly verify: () => unknown;
}

/** JSON Web Tokens by jose, over the claims of a call proof: nothing binds them to the message. */
export async function joseRivals(audience: string): Promise<Rival[]> {
  const seed = generateSeed();
  const identity: Identity = identityFromSeed(seed);
  const jwk = { kty: "OKP", crv: "Ed25519", x: toBase64url(publicKeyOf(identity.did).bytes) };
  const [open, secret, shared] = [
    await importJWK(jwk, "EdDSA"),
    await importJWK({ ...jwk, d: toBase64url(seed) }, "EdDSA"),
    randomBytes(32),
  ];
  const make = (alg: string, key: Parameters<SignJWT["sign"]>[0]): Promise<string> =>
    new SignJWT({ jti: crypto.randomUUID() })
      .setProtectedHeader({ alg, typ: "JWT" })
      .setIssuer(identity.did)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime("1h")
      .sign(key);
  const [eddsa, hs256] = [await make("EdDSA", secret), await make("HS256", shared)];
  return [
    {
      name: "jose-compact",
      label: "jose: EdDSA JWS, signature only",
      sign: () => make("EdDSA", secret),
      verify: () => compactVerify(eddsa, open),
    },
    {
      name: "jose-jwt",
      label: "jose: EdDSA JWT with issuer, audience and time",
      sign: () => make("EdDSA", secret),
      verify: () => jwtVerify(eddsa, open, { audience, issuer: identity.did }),
    },
    {
      name: "jose-hs256",
      label: "jose: HS256 JWT, one secret for both sides",
      sign: () => make("HS256", shared),
      verify: () => jwtVerify(hs256, shared, { audience, issuer: identity.did }),
    },
  ];
}

/** A shared secret over the body, as webhooks are signed: whoever can check it can forge it. */
export function hmacRival(body: string): Rival {
  const [secret, bytes] = [randomBytes(32), utf8(body)];
  const sign = (): Buffer => createHmac("sha256", secret).update(bytes).digest();
  const known = sign();
  return {
    name: "hmac",
    label: "shared-secret HMAC-SHA-256 over the body",
    sign,
    verify: () => {
      if (!timingSafeEqual(sign(), known)) throw new Error("the code does not hold");
    },
  };
}
