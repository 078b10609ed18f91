import { type JsonObject, type JsonValue, SKEW_SECONDS } from "@peerage/core";
import { svidInvalid } from "./refuse.ts";

/** An SVID in a token lives at most this long from now. */
const MAX_TOKEN_SECONDS = 86_400;

/**
 * `exp`, `nbf` and `iat` of a token, with 30 s for clocks that differ.
 * @returns `exp`, Unix seconds
 * @throws {PeerageError} ERR_SVID_INVALID, detail `time`, `expired`, `not-yet-valid`, `lifetime`
 */
export function checkTokenTime(claims: JsonObject, now: Date): number {
  const seconds = now.getTime() / 1000;
  const exp = readTime(claims["exp"]);
  const nbf = readTime(claims["nbf"]);
  const iat = readTime(claims["iat"]);
  if (exp === undefined) throw svidInvalid("time");
  if (seconds > exp + SKEW_SECONDS) throw svidInvalid("expired");
  if (Math.max(nbf ?? 0, iat ?? 0) > seconds + SKEW_SECONDS) throw svidInvalid("not-yet-valid");
  if (exp - seconds > MAX_TOKEN_SECONDS + SKEW_SECONDS) throw svidInvalid("lifetime");
  return exp;
}

/** A NumericDate (RFC 7519 section 2). @throws {PeerageError} ERR_SVID_INVALID, detail `time` */
export function readTime(value: JsonValue | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !(value >= 0 && value < 1e11)) throw svidInvalid("time");
  return value;
}
