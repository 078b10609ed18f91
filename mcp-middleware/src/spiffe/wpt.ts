import { isJsonObject, type JsonObject, type Verified } from "@peerage/core";
import type { KeyObject } from "node:crypto";
import { algorithmOf, type JwsAlgorithm, readJws, sha256Base64url, signJws, verifyJws } from "./jws.ts";
import { sealed } from "./sealed.ts";
import { svidInvalid } from "./refuse.ts";
import { readTime } from "./token-time.ts";
import { type Wit, wimseAlgorithms } from "./wit-svid.ts";

/** Header that carries the WIT, and header that carries the proof of possession; one each. */
export const WIT_HEADER = "workload-identity-token";
export const WPT_HEADER = "workload-proof-token";
/** Entry of `oth` that ties a WPT to a Peerage call proof. */
const CALL_OTHER = "peerage-call";
/** A WPT ends at most this far ahead. */
export const MAX_WPT_SECONDS = 300;

/** A Workload Proof Token that holds: possession of the WIT's key, for one audience, beside these tokens, once. */
export interface Wpt {
  readonly jti: string;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** True if it covers the call proof: one request, two identities. */
  readonly coversCall: boolean;
}

/** What came with a WPT. An absent token is undefined, and then the WPT must not speak of one. */
export interface WptContext {
  readonly wit: Verified<Wit>;
  /** Configured URLs without query and fragment; never taken from `Host`. */
  readonly audiences: ReadonlySet<string>;
  readonly now: Date;
  /** The token of `Authorization`, without its scheme. */
  readonly authorization?: string | undefined;
  /** The token of `Txn-Token`. */
  readonly transaction?: string | undefined;
  /** The Peerage call proof. */
  readonly call?: string | undefined;
  /** Remembers a nonce and throws if it is known: the replay store of the guard. */
  readonly spend: (nonce: { readonly issuer: string; readonly jti: string; readonly expiresAt: number }) => void;
}

// The example of the draft has 21 characters, 126 bits.
const jtiForm = /^[\x21-\x7e]{21,255}$/;

/**
 * Verifies a WPT.
 * @throws {PeerageError} ERR_SVID_INVALID; detail `typ`, `alg`, `signature`, `audience`, `expired`, `lifetime`, `jti`,
 *   `wth`, `ath`, `tth`, `oth`; and what `spend` throws
 * @see draft-ietf-wimse-s2s-protocol section "Workload Proof Token"
 */
export function verifyWpt(token: unknown, context: WptContext): Verified<Wpt> {
  const { wit, audiences, now } = context;
  const jws = readJws(token);
  if (jws.header["typ"] !== "wpt+jwt") throw svidInvalid("typ");
  const algorithm = algorithmOf(jws.header["alg"], wimseAlgorithms);
  if (algorithm !== wit.confirmation.algorithm) throw svidInvalid("alg");
  verifyJws(jws, algorithm, wit.confirmation.key);
  const { aud, jti, wth, ath, tth, oth } = jws.claims;
  if (typeof aud !== "string" || !audiences.has(aud)) throw svidInvalid("audience");
  const expiresAt = checkLife(jws.claims, now);
  if (typeof jti !== "string" || !jtiForm.test(jti)) throw svidInvalid("jti");
  if (wth !== sha256Base64url(wit.token)) throw svidInvalid("wth");
  checkHash("ath", ath, context.authorization);
  checkHash("tth", tth, context.transaction);
  const coversCall = checkOthers(oth, context.call);
  context.spend({ issuer: wit.subject, jti, expiresAt });
  return sealed<Wpt>({ jti, expiresAt, coversCall });
}

// No allowance for clocks beyond `exp`: with one, the replay store would forget a nonce that still opens something.
function checkLife(claims: JsonObject, now: Date): number {
  const exp = readTime(claims["exp"]);
  const seconds = now.getTime() / 1000;
  if (exp === undefined) throw svidInvalid("time");
  if (seconds > exp) throw svidInvalid("expired");
  if (exp - seconds > MAX_WPT_SECONDS) throw svidInvalid("lifetime");
  return exp;
}

/** A token that is there must be covered, and one that is covered must be there. */
function checkHash(name: string, claim: unknown, token: string | undefined): void {
  if (claim !== (token === undefined ? undefined : sha256Base64url(token))) throw svidInvalid(name);
}

function checkOthers(oth: unknown, call: string | undefined): boolean {
  if (oth === undefined) return false;
  const names = isJsonObject(oth) ? Object.keys(oth) : undefined;
  // An entry that is not understood covers something that is not checked.
  if (!isJsonObject(oth) || names?.some((name) => name !== CALL_OTHER) !== false) throw svidInvalid("oth");
  if (names.length === 0) return false;
  if (call === undefined || oth[CALL_OTHER] !== sha256Base64url(call)) throw svidInvalid("oth");
  return true;
}

/** What a WPT is made of. */
export interface SignWptOptions {
  readonly wit: string;
  readonly key: KeyObject;
  readonly algorithm: JwsAlgorithm;
  /** The URL that is dialled, without query and fragment. */
  readonly audience: string;
  readonly authorization?: string;
  readonly transaction?: string;
  /** Only toward guards that advertise that they know it: others refuse an unknown `oth` entry. */
  readonly call?: string;
  readonly now?: Date;
  /** 1 to 300; 60 by default. */
  readonly lifetimeSeconds?: number;
}

/** Signs a WPT for one request, with a fresh `jti`. @throws {RangeError} for a lifetime outside 1…300 */
export function signWpt(options: SignWptOptions): string {
  const { lifetimeSeconds = 60, now = new Date(), authorization, transaction, call } = options;
  if (!(lifetimeSeconds >= 1 && lifetimeSeconds <= MAX_WPT_SECONDS)) throw new RangeError("a WPT lives 1 to 300 s");
  const jti = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64url");
  return signJws(
    { alg: options.algorithm, typ: "wpt+jwt" },
    {
      aud: options.audience,
      exp: Math.floor(now.getTime() / 1000) + lifetimeSeconds,
      jti,
      wth: sha256Base64url(options.wit),
      ...(authorization === undefined ? {} : { ath: sha256Base64url(authorization) }),
      ...(transaction === undefined ? {} : { tth: sha256Base64url(transaction) }),
      ...(call === undefined ? {} : { oth: { [CALL_OTHER]: sha256Base64url(call) } }),
    },
    options.key,
  );
}
