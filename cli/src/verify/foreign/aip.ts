import { fromBase64, type JsonObject, sha256Hex, utf8, verifySignature } from "@peerage/core";
import { visible } from "../../ui/visible.ts";
import { notChecked, type Verdict } from "../check.ts";
import { keyOfText, textAt } from "./keys.ts";
import { foreignVerdict, hold, look, secondsOf, timeCheck } from "./report.ts";

/** True for a portable vouch certificate of AIP, the Agent Identity Protocol of `did:aip`. */
export function isAipCertificate(json: JsonObject): boolean {
  const { voucher_did: voucher, voucher_public_key: key, vouch_id: id } = json;
  return typeof voucher === "string" && typeof key === "string" && typeof id === "string";
}

/** A vouch with the key of who made it. AIP signs four of its eleven members, and that is said. */
export function verifyAipCertificate(json: JsonObject, now: Date): Verdict {
  const statement = json["statement"] ?? "";
  const expires = json["expires_at"] ?? undefined;
  const checks = [
    look("signature", () => {
      hold(json["version"] === "1.0", "it is of a version that is not known");
      const [voucher, target, scope] = ["voucher_did", "target_did", "scope"].map((name) => textAt(json, name));
      if (typeof statement !== "string") throw new TypeError("the statement is no text");
      // What is signed are the four with bars between them, so a bar in any but the last would move what they say.
      hold(![voucher, target, scope].some((text) => text?.includes("|")), "a bar makes unclear what was signed");
      const covered = utf8(`${voucher ?? ""}|${target ?? ""}|${scope ?? ""}|${statement}`);
      const key = keyOfText(textAt(json, "voucher_public_key"));
      hold(verifySignature(key, covered, fromBase64(textAt(json, "signature"))), "the signature does not hold");
      return "voucher, target, scope and statement are signed by the key in the certificate";
    }),
    look("voucher", () => {
      const key = keyOfText(textAt(json, "voucher_public_key"));
      const made = `did:aip:${sha256Hex(key.bytes).slice(0, 32)}`;
      hold(json["voucher_did"] === made, "the key is not the one that the DID is made of");
      return `${visible(made, 60)}, made of this key`;
    }),
    timeCheck(
      now,
      undefined,
      expires === undefined ? undefined : secondsOf(typeof expires === "string" ? zoned(expires) : ""),
    ),
    notChecked("unsigned", "vouch_id, created_at, expires_at and certificate_issued_at are signed by nobody"),
    notChecked("revocation", "only AIP's own service knows whether it was withdrawn"),
  ];
  return foreignVerdict("AIP vouch certificate", checks, json);
}

/** AIP writes times of UTC, some of them without saying so. */
function zoned(time: string): string {
  return /(Z|[+-]\d{2}:\d{2})$/.test(time) ? time : `${time}Z`;
}
