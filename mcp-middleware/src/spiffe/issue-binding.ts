import { createPublicKey, type KeyObject } from "node:crypto";
import { equalBytes, generateRun, type JsonObject, parseMultibaseKey, signEntry, type Signer, type SpiffeId, toBase64, tokenDigest, unixSeconds } from "@peerage/core"; // prettier-ignore
import { BINDING_RESULT, BINDING_STEP, BINDING_TYP, bindingAudience, MAX_BINDING_SECONDS } from "./binding-token.ts";
import { algorithmFor, type JwsAlgorithm, readJws, signJws } from "./jws.ts";
import type { X509Identity } from "./x509-svid.ts";

/** What a caller puts into `params._meta["dev.peerage/binding"]`, and until when. */
export interface Binding {
  readonly value: JsonObject;
  /** Unix seconds. */
  readonly expiresAt: number;
}

export interface BindOptions {
  /** The guard it is for; any guard if absent. */
  readonly audience?: string | undefined;
  /** At most 24 h; as long as the SVID by default. */
  readonly lifetimeSeconds?: number | undefined;
  readonly now?: Date | undefined;
}

/** True if the SVID's key is the DID's own, so that the call proof proves possession of both. */
export function isSameKey(identity: X509Identity, signer: Signer): boolean {
  const key = ed25519Bytes(createPublicKey(identity.privateKey));
  return key !== undefined && equalBytes(key, keyBytesOf(signer.kid));
}

/** The 32 bytes of the key that a `kid` names. */
export function keyBytesOf(kid: string): Uint8Array {
  return parseMultibaseKey(kid.slice(kid.indexOf("#") + 1)).bytes;
}

/** The 32 bytes of an Ed25519 public key; undefined for a key of another type. */
export function ed25519Bytes(key: KeyObject): Uint8Array | undefined {
  if (key.asymmetricKeyType !== "ed25519") return undefined;
  return key.export({ format: "der", type: "spki" }).subarray(-32);
}

/**
 * Binds by an X.509-SVID: presents its chain where its key is the DID's own, else both keys sign.
 * @throws {RangeError} if the SVID has expired
 */
export async function bindX509(signer: Signer, identity: X509Identity, options: BindOptions = {}): Promise<Binding> {
  const x5c = identity.chain.map((der) => toBase64(der));
  if (isSameKey(identity, signer)) return { value: { x5c }, expiresAt: identity.expiresAt };
  const { privateKey, spiffeId, expiresAt } = identity;
  const header = { alg: algorithmFor(privateKey), typ: BINDING_TYP, x5c };
  const times = timesOf(options, expiresAt);
  const svid = signJws(header, claimsOf(signer, spiffeId, times, options), privateKey);
  return { value: { svid, did: await countersign(signer, spiffeId, svid, times, options) }, expiresAt: times.exp };
}

/**
 * Binds by a JWT-SVID that was issued for {@link bindingAudience} of this DID and no other audience.
 * @throws {RangeError} if it was issued for another audience, or has expired
 */
export async function bindToken(signer: Signer, svid: string, options: BindOptions = {}): Promise<Binding> {
  const { sub, aud, exp } = readJws(svid).claims;
  const audience = bindingAudience(signer.did);
  if (aud !== audience && !(Array.isArray(aud) && aud.length === 1 && aud[0] === audience)) {
    throw new RangeError(`the JWT-SVID must be for the one audience ${audience}`);
  }
  const times = timesOf(options, typeof exp === "number" ? Math.floor(exp) : 0);
  return {
    value: { svid, did: await countersign(signer, sub as SpiffeId, svid, times, options) },
    expiresAt: times.exp,
  };
}

/** A WIT-SVID with the private key that its `cnf` names. */
export interface WitIdentity {
  readonly wit: string;
  readonly spiffeId: SpiffeId;
  readonly key: KeyObject;
  readonly algorithm: JwsAlgorithm;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** Binds by a WIT-SVID: its confirmation key and the DID's key sign. @throws {RangeError} if the WIT has expired */
export async function bindWit(signer: Signer, identity: WitIdentity, options: BindOptions = {}): Promise<Binding> {
  const { wit, spiffeId, key, algorithm, expiresAt } = identity;
  const times = timesOf(options, expiresAt);
  const svid = signJws({ alg: algorithm, typ: BINDING_TYP }, claimsOf(signer, spiffeId, times, options), key);
  return { value: { wit, svid, did: await countersign(signer, spiffeId, svid, times, options) }, expiresAt: times.exp };
}

interface Times {
  readonly iat: number;
  readonly exp: number;
}

function timesOf(
  { now = new Date(), lifetimeSeconds = MAX_BINDING_SECONDS }: BindOptions,
  svidExpiresAt: number,
): Times {
  const iat = unixSeconds(now);
  const exp = Math.min(iat + Math.min(lifetimeSeconds, MAX_BINDING_SECONDS), Math.floor(svidExpiresAt));
  if (exp <= iat) throw new RangeError("the SVID has expired");
  return { iat, exp };
}

function claimsOf(signer: Signer, sub: SpiffeId, { iat, exp }: Times, { audience }: BindOptions): JsonObject {
  return { sub, did: signer.did, ...(audience === undefined ? {} : { aud: audience }), iat, exp };
}

function countersign(
  signer: Signer,
  spiffe: SpiffeId,
  svid: string,
  times: Times,
  options: BindOptions,
): Promise<string> {
  return signEntry(signer, {
    run: generateRun(),
    prev: [],
    step: BINDING_STEP,
    result: BINDING_RESULT,
    aud: options.audience,
    sub: { spiffe, svid: tokenDigest(svid) },
    exp: times.exp,
    now: new Date(times.iat * 1000),
  });
}
