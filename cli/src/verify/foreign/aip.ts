import type { JsonObject } from "@peerage/core";
import { type AipVouch, aipFields, isVouchersOwnKey, readAipVouch, signedFieldsOf } from "../../bridges/aip/vouch.ts";
import { visible } from "../../ui/visible.ts";
import { notChecked, type Verdict } from "../check.ts";
import { onlyMembers } from "./keys.ts";
import { foreignVerdict, hold, look, secondsOf, timeCheck } from "./report.ts";

const types = {
  certificate: "AIP vouch certificate",
  vouch: "AIP vouch",
  credential: "AIP vouch credential",
  listed: "AIP vouch",
};

/** What AIP calls a member of a vouch, in its own certificates. */
const names = {
  voucher: "voucher_did",
  target: "target_did",
  scope: "scope",
  statement: "statement",
  level: "level",
  created: "created_at",
  expires: "expires_at",
  id: "vouch_id",
};

const shared = ["voucher_did", "target_did", "scope", "statement", "created_at", "expires_at", "signature"];
/** All members of its forms that are not credentials, whose members AIP leaves open. */
const members: Partial<Record<AipVouch["form"], readonly string[]>> = {
  certificate: [...shared, "version", "vouch_id", "voucher_public_key", "certificate_issued_at"],
  vouch: [...shared, "voucher_pubkey", "target_pubkey", "level"],
};

/** True for a vouch of AIP, the Agent Identity Protocol of `did:aip`, that carries its voucher's key. */
export function isAipVouch(json: JsonObject): boolean {
  const { type, voucher_did: voucher, voucher_public_key: key, voucher_pubkey: other } = json;
  if (Array.isArray(type)) return type.includes("AIPVouchCredential");
  return typeof voucher === "string" && (typeof key === "string" || typeof other === "string");
}

/** A vouch with the key of who made it. AIP signs four of its eleven members, or seven, and that is said. */
export function verifyAipVouch(json: JsonObject, now: Date): Verdict {
  let vouch: AipVouch | undefined;
  let signed: readonly string[] = [];
  const signature = look("signature", () => {
    vouch = readAipVouch(json);
    if (!vouch) throw new TypeError("it is no vouch of AIP");
    onlyMembers(json, members[vouch.form] ?? Object.keys(json));
    signed = signedFieldsOf(vouch);
    return `${signed.join(", ")} are signed by the key in it`;
  });
  const open = aipFields.filter((field) => vouch?.[field] !== undefined && !signed.includes(field));
  const unsigned = [
    ...open.map((field) => names[field]),
    ...("certificate_issued_at" in json ? ["certificate_issued_at"] : []),
    ...(vouch?.form === "credential" ? ["all else in it"] : []),
  ];
  const checks = [
    signature,
    look("voucher", () => {
      hold(vouch !== undefined && isVouchersOwnKey(vouch), "the key is not the one that the DID is made of");
      return `${visible(vouch?.voucher ?? "", 60)}, made of this key`;
    }),
    timeCheck(now, timeAt(vouch?.created), timeAt(vouch?.expires)),
    ...(vouch ? [notChecked("unsigned", told(unsigned))] : []),
    notChecked("revocation", "only AIP's own service knows whether it was withdrawn"),
  ];
  return foreignVerdict(vouch ? types[vouch.form] : "AIP vouch", checks, json);
}

function told(unsigned: readonly string[]): string {
  return unsigned.length === 0 ? "everything that it says is signed" : `${unsigned.join(", ")}: signed by nobody`;
}

/** AIP writes times of UTC, some of them without saying so. */
function timeAt(time: string | undefined): number | undefined {
  if (time === undefined) return undefined;
  return secondsOf(/(Z|[+-]\d{2}:\d{2})$/.test(time) ? time : `${time}Z`);
}
