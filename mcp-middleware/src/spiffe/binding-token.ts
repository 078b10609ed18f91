import { fromBase64, isPeerageError, type JsonValue, parseDid, SKEW_SECONDS } from "@peerage/core";
import { bindingInvalid, svidInvalid } from "./refuse.ts";
import type { Jws } from "./jws.ts";
import { readTime } from "./token-time.ts";

/** `typ` of the statement that an SVID's key signs about a DID. */
export const BINDING_TYP = "peerage-binding+jwt";
/** `step` and `result` of the entry that the DID's key signs about an SVID. */
export const BINDING_STEP = "spiffe_binding";
export const BINDING_RESULT = "bound";
/** A binding lives at most this long. */
export const MAX_BINDING_SECONDS = 86_400;

/** The one audience of a JWT-SVID that binds: no service takes it as login. */
export function bindingAudience(did: string): string {
  return `peerage/did-binding/${did}`;
}

/** The claims of the statement that an SVID's key signs. */
export interface BindingClaims {
  readonly sub: string;
  readonly did: string;
  readonly aud?: string;
  /** Unix seconds. */
  readonly iat: number;
  readonly exp: number;
}

const claimNames = new Set(["sub", "did", "aud", "iat", "exp"]);

/** Claims of a `peerage-binding+jwt`. @throws {PeerageError} ERR_SPIFFE_BINDING, detail `claims`, `did` */
export function readBindingClaims({ claims }: Jws): BindingClaims {
  const { sub, did, aud, iat, exp } = claims;
  if (Object.keys(claims).some((name) => !claimNames.has(name))) throw bindingInvalid("claims");
  if (typeof sub !== "string" || (aud !== undefined && typeof aud !== "string")) throw bindingInvalid("claims");
  try {
    const [from, until] = [readTime(iat), readTime(exp)];
    if (from === undefined || until === undefined) throw bindingInvalid("claims");
    return { sub, did: parseDid(did), ...(aud === undefined ? {} : { aud }), iat: from, exp: until };
  } catch (cause) {
    throw isPeerageError(cause) ? bindingInvalid("claims", cause) : cause;
  }
}

/**
 * A side of a binding: at most 24 h long, ending no later than the SVID, begun (30 s for clocks that differ) and not
 * ended at `now`.
 * @param at Unix seconds
 * @throws {PeerageError} ERR_SPIFFE_BINDING, detail `lifetime`, `expired`, `not-yet-valid`
 */
export function checkBindingTime(
  side: { readonly iat: number; readonly exp: number },
  at: number,
  svidExpiresAt: number,
): void {
  if (side.exp <= side.iat || side.exp - side.iat > MAX_BINDING_SECONDS) throw bindingInvalid("lifetime");
  if (side.exp > svidExpiresAt) throw bindingInvalid("lifetime");
  if (at >= side.exp) throw bindingInvalid("expired");
  if (at < side.iat - SKEW_SECONDS) throw bindingInvalid("not-yet-valid");
}

/**
 * Certificates as `x5c` holds them: base64 (not url) of DER, leaf first.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `x5c`
 */
export function readX5c(value: JsonValue | undefined): Uint8Array[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > 8) throw svidInvalid("x5c");
  return value.map((text: JsonValue) => {
    if (typeof text !== "string" || text.length > 65_536) throw svidInvalid("x5c");
    try {
      return fromBase64(text);
    } catch (cause) {
      throw svidInvalid("x5c", cause);
    }
  });
}
