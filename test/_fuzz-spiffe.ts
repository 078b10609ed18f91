import {
  fromUtf8,
  identityFromSeed,
  type JsonObject,
  parseJson,
  signCall,
  parseCallProof,
  toBase64,
} from "@peerage/core";
import { parseCertificate } from "../mcp-middleware/src/spiffe/certificate.ts";
import { parseBundle, parseBundleMap, parseJwks } from "../mcp-middleware/src/spiffe/bundle.ts";
import { verifyBinding } from "../mcp-middleware/src/spiffe/binding.ts";
import { bindX509 } from "../mcp-middleware/src/spiffe/issue-binding.ts";
import { signJws } from "../mcp-middleware/src/spiffe/jws.ts";
import { verifyJwtSvid } from "../mcp-middleware/src/spiffe/jwt-svid.ts";
import { parsePemCertificates, parsePemPrivateKey } from "../mcp-middleware/src/spiffe/pem.ts";
import { parseSignature, parseSignatureInput } from "../mcp-middleware/src/spiffe/signature-input.ts";
import { verifyWitSvid } from "../mcp-middleware/src/spiffe/wit-svid.ts";
import { verifyX509Svid } from "../mcp-middleware/src/spiffe/x509-svid.ts";
import { splitCertificates } from "../mcp-middleware/src/spiffe/workload-api.ts";
import { workloadApiTarget } from "../mcp-middleware/src/spiffe/workload-api-address.ts";
import { createBundle } from "../mcp-middleware/src/spiffe/bundle.ts";
import type { Target } from "./_fuzz.ts";
import { mutateClaims, mutate } from "./_fuzz-mutations.ts";
import type { Random } from "./_fuzz-random.ts";
import { authority, bundleOf, identityOf, leaf, lookup, newKey, NOW, pem } from "./_spiffe.ts";

const ID = "spiffe://a.test/agent";
const at = NOW.getTime() / 1_000;
const root = await authority("a.test");
const middle = await authority("a.test", { issuer: root });
const end = await leaf(middle, ID);
const rsa = await leaf(await authority("a.test", { key: newKey("RSA", "ca") }), ID, { key: newKey("P-384", "leaf") });
const ed = await leaf(root, ID, { key: newKey("Ed25519") });
const jwtKey = newKey("P-256");
const jwk = { ...jwtKey.publicKey.export({ format: "jwk" }), kid: "k1" } as unknown as JsonObject;
const bundle = createBundle({
  x509: [parseCertificate(root.der)],
  jwt: new Map([["k1", jwk]]),
  wit: new Map([["k1", jwk]]),
});
const bundles = lookup({ "a.test": bundle });
const alice = identityFromSeed(new Uint8Array(32).fill(3));
const audience = "spiffe://b.test/server";
const claims: JsonObject = { sub: ID, aud: audience, iat: at, exp: at + 60 };
const header = { alg: "ES256", kid: "k1", typ: "JWT" } as const;
const jwt = signJws(header, claims, jwtKey.privateKey);
const confirmed = { ...jwtKey.publicKey.export({ format: "jwk" }), alg: "ES256" } as unknown as JsonObject;
const witClaims: JsonObject = { sub: ID, iat: at, exp: at + 60, cnf: { jwk: confirmed } };
const wit = signJws({ alg: "ES256", kid: "k1", typ: "wit+jwt" }, witClaims, jwtKey.privateKey);
const proof = parseCallProof(await signCall(alice, { audience, message: { method: "tools/list" }, now: NOW }));
const binding = (await bindX509(alice, identityOf(end, middle), { now: NOW })).value;
const jwks = {
  keys: [
    { ...jwk, use: "jwt-svid" },
    { kty: "EC", use: "x509-svid", x5c: [toBase64(root.der)], crv: jwk["crv"], x: jwk["x"], y: jwk["y"] },
  ],
  spiffe_sequence: 7,
  spiffe_refresh_hint: 300,
};

const chainOf = (bytes: Uint8Array): Uint8Array[] => splitCertificates(bytes).map(({ der }) => der);
const joined = (...ders: readonly Uint8Array[]): Uint8Array => Uint8Array.from(ders.flatMap((der) => [...der]));

/** Header and claims changed, signed again by the key that the bundle names. */
function signedAgain(of: JsonObject, head: JsonObject): (random: Random) => string {
  return (random) => {
    const mixed = random.oneIn(3) ? mutateClaims(head, random) : head;
    return signJws({ ...mixed, alg: "ES256" }, mutateClaims(of, random), jwtKey.privateKey);
  };
}

/** A binding of which a token, a certificate or a member is another. */
function otherBinding(random: Random): string {
  const text = JSON.stringify(binding);
  if (random.oneIn(2)) return fromUtf8(mutate(Buffer.from(text), ["jws"], random, [Buffer.from(text)]));
  return JSON.stringify(mutateClaims(binding, random));
}

/** SPIFFE: certificates, chains, tokens, bundles, bindings. */
export const spiffeTargets: readonly Target[] = [
  {
    name: "a certificate",
    samples: [end.der, root.der, rsa.der, ed.der],
    shapes: ["der"],
    read: (x) => parseCertificate(x),
    weight: 3,
  },
  {
    name: "an X.509-SVID with its chain",
    samples: [joined(end.der, middle.der)],
    shapes: ["der"],
    read: (x) => verifyX509Svid(chainOf(x), lookup({ "a.test": bundleOf(root) }), NOW),
    weight: 3,
  },
  {
    name: "certificates in PEM",
    samples: [pem(end, middle)],
    shapes: ["lines"],
    read: (x) => parsePemCertificates(fromUtf8(x)),
  },
  {
    name: "a private key in PEM",
    samples: [end.key.privateKey.export({ format: "pem", type: "pkcs8" })],
    shapes: ["lines"],
    read: (x) => parsePemPrivateKey(fromUtf8(x)),
  },
  {
    name: "a JWT-SVID",
    samples: [jwt],
    shapes: ["jws"],
    read: (x) => verifyJwtSvid(fromUtf8(x), { bundles, audience, now: NOW }),
    forge: signedAgain(claims, header),
    weight: 2,
  },
  {
    name: "a WIT-SVID",
    samples: [wit],
    shapes: ["jws"],
    read: (x) => verifyWitSvid(fromUtf8(x), { bundles, now: NOW }),
    forge: signedAgain(witClaims, { alg: "ES256", kid: "k1", typ: "wit+jwt" }),
    weight: 2,
  },
  {
    name: "a SPIFFE bundle",
    samples: [JSON.stringify(jwks)],
    shapes: ["json"],
    read: (x) => parseBundle(x),
    weight: 2,
  },
  {
    name: "SPIFFE bundles by trust domain",
    samples: [JSON.stringify({ trust_domains: { "a.test": jwks } })],
    shapes: ["json"],
    read: (x) => parseBundleMap(x),
  },
  { name: "a JWK set", samples: [JSON.stringify({ keys: [jwk] })], shapes: ["json"], read: (x) => parseJwks(x) },
  {
    name: "a binding of a DID and an SVID",
    samples: [JSON.stringify(binding)],
    shapes: ["json", "jws"],
    read: (x) => verifyBinding(parseJson(x), { bundles, proof, now: NOW }),
    forge: otherBinding,
    weight: 2,
  },
  {
    name: "WIMSE's signature headers",
    samples: [
      'wimse=("@method" "@request-target");created=1795200000;nonce="abc";tag="wimse-workload-to-workload"\nwimse=:AAEC:',
    ],
    read: (x) => {
      const [input = "", signature = ""] = fromUtf8(x).split("\n");
      parseSignature(signature, parseSignatureInput(input).label);
    },
  },
  {
    name: "the address of a Workload API",
    samples: ["unix:///run/spire/agent.sock", "tcp://127.0.0.1:8081"],
    read: (x) => workloadApiTarget(fromUtf8(x)),
  },
];
