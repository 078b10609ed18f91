import { fromBase64, type JsonObject, sha256 } from "@peerage/core";
import { visible } from "../../ui/visible.ts";
import { notChecked, type Verdict } from "../check.ts";
import { parseForeignJws } from "./jws.ts";
import { keyOfDer, textAt } from "./keys.ts";
import { foreignVerdict, hold, look, timeCheck } from "./report.ts";

const kinds: Readonly<Record<string, string>> = {
  "vch:attest": "an attestation",
  "vch:vouch": "a vouch",
  "vch:revoke": "a revocation",
  "vch:burn": "the end of its issuer's name",
};
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const urn = /^urn:vouchsafe:[\w%+-]{3,32}\.([a-z2-7]{52})$/;

/** True for a token whose claims say that it is one of Vouchsafe. Nothing of it is believed by that. */
export function isVouchsafe(token: string): boolean {
  try {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8")) as {
      kind?: unknown;
    };
    return typeof claims.kind === "string" && claims.kind.startsWith("vch:");
  } catch {
    return false;
  }
}

/** A Vouchsafe token (version 2): attestation, vouch, revocation or burn, by the key that its issuer's name is made of. */
export function verifyVouchsafe(token: string, now: Date): Verdict {
  let claims: JsonObject = {};
  const signature = look("signature", () => {
    const { payload, check } = parseForeignJws(token);
    claims = payload;
    check(keyOfDer(fromBase64(textAt(payload, "iss_key"))));
    return "holds, by the key in the token";
  });
  const checks = [
    signature,
    look("issuer", () => {
      const [, hash] = urn.exec(textAt(claims, "iss")) ?? [];
      hold(hash !== undefined, "the issuer's name is not of Vouchsafe's form");
      const key = keyOfDer(fromBase64(textAt(claims, "iss_key")));
      hold(base32(sha256(key.bytes)) === hash, "the issuer's name is not made of this key");
      return `${visible(textAt(claims, "iss"), 120)}, made of this key`;
    }),
    look("form", () => checkKind(claims)),
    timeCheck(now, latest(claims["iat"], claims["nbf"]), end(claims["exp"])),
    notChecked("chain", "whether it was revoked, its issuer burned, or its subject is there, is not in this token"),
  ];
  return foreignVerdict("Vouchsafe token", checks, claims);
}

/** @see Vouchsafe token format, sections 5 and 6 */
function checkKind(claims: JsonObject): string {
  const kind = textAt(claims, "kind");
  hold(Object.hasOwn(kinds, kind), "it is of a kind that is not known");
  hold(uuid.test(textAt(claims, "jti")), "jti is not a UUID");
  hold(typeof claims["iat"] === "number", "iat is missing");
  const refersToOther = kind === "vch:vouch" || kind === "vch:revoke";
  hold(refersToOther === (claims["vch_iss"] !== undefined), "vch_iss belongs to vouches and revocations");
  hold(refersToOther === (claims["vch_sum"] !== undefined), "vch_sum belongs to vouches and revocations");
  hold((kind === "vch:revoke") === (claims["revokes"] !== undefined), "revokes belongs to revocations");
  hold((kind === "vch:burn") === (claims["burns"] !== undefined), "burns belongs to burns");
  if (refersToOther) {
    hold(urn.test(textAt(claims, "vch_iss")), "vch_iss names no identity");
    hold(/^[0-9a-f]{64}$/.test(textAt(claims, "vch_sum")), "vch_sum is no digest");
    hold(uuid.test(textAt(claims, "sub")), "sub is not the id of a token");
  } else {
    hold(claims["sub"] === claims["jti"], "sub must be the token's own id");
  }
  if (kind === "vch:revoke") {
    hold(claims["revokes"] === "all" || uuid.test(textAt(claims, "revokes")), "revokes names no token");
  }
  if (kind === "vch:burn") hold(claims["burns"] === claims["iss"], "only the identity itself can be burned");
  if (kind === "vch:revoke" || kind === "vch:burn") hold(claims["exp"] === undefined, "it must not expire");
  const purpose = claims["purpose"];
  return `${kinds[kind] ?? ""}${typeof purpose === "string" ? ` for ${visible(purpose, 80)}` : ""}`;
}

function latest(...times: readonly unknown[]): number | undefined {
  const known = times
    .filter((time) => time !== undefined)
    .map((time) => (typeof time === "number" ? time : Number.NaN));
  return known.length === 0 ? undefined : Math.max(...known);
}

function end(time: unknown): number | undefined {
  if (time === undefined) return undefined;
  return typeof time === "number" ? time : Number.NaN;
}

/** Lower-case base32 without padding (RFC 4648 section 6). */
function base32(bytes: Uint8Array): string {
  let bits = "";
  for (const byte of bytes) bits += byte.toString(2).padStart(8, "0");
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => "abcdefghijklmnopqrstuvwxyz234567".charAt(parseInt(group.padEnd(5, "0"), 2))).join("");
}
