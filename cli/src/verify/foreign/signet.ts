import {
  canonicalize,
  digest,
  fromBase64,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type PublicKey,
  sha256Hex,
  toBase64,
  utf8,
  verifySignature,
} from "@peerage/core";
import { visible } from "../../ui/visible.ts";
import { type Check, notChecked, type Verdict } from "../check.ts";
import { keyOfText, objectAt, onlyMembers, textAt } from "./keys.ts";
import { foreignVerdict, hold, look, secondsOf, timeCheck } from "./report.ts";

/** What each version signs, as RFC 8785; `id` is made of the signature, and `extensions` are signed by nobody. */
const signed: Readonly<Record<number, readonly string[]>> = {
  1: ["v", "action", "signer", "ts", "nonce", "policy", "exp"],
  2: ["v", "action", "response", "signer", "ts_request", "ts_response", "nonce"],
  3: ["v", "agent_receipt", "response", "server", "ts_response", "nonce"],
};

/** True for a receipt of Signet, version 1 to 3. */
export function isSignet(json: JsonObject): boolean {
  const { v, id, sig } = json;
  return (
    typeof v === "number" &&
    v in signed &&
    typeof id === "string" &&
    typeof sig === "string" &&
    sig.startsWith("ed25519:")
  );
}

/** Signet's receipts: v1 by the agent, v2 by the agent with the response, v3 by the server over the agent's. */
export function verifySignet(json: JsonObject, now: Date, known: readonly PublicKey[]): Verdict {
  const version = json["v"] as 1 | 2 | 3;
  const agent = version === 3 ? objectOr(json["agent_receipt"]) : json;
  const checks: Check[] = [];
  if (version === 3) {
    checks.push(
      look("server", () => `${holder(json, objectAt(json, "server"))} signed the answer`),
      look("order", () => {
        const asked = secondsOf(textAt(agent, "ts"));
        const answered = secondsOf(textAt(json, "ts_response"));
        hold(asked <= answered, "the answer is older than the request");
        hold(answered - asked <= 300, "the answer came more than 5 minutes after the request");
        return "the answer is after the request";
      }),
    );
  }
  checks.push(
    look("signature", () => {
      hold(version !== 3 || agent["v"] === 1, "what the server signed over is no receipt of version 1");
      return `${holder(agent, objectAt(agent, "signer"))} signed these bytes`;
    }),
    look("arguments", () => {
      const action = objectAt(agent, "action");
      const claimed = textAt(action, "params_hash");
      if (action["params"] === null && claimed !== "") return "only their digest is kept";
      hold(digest(action["params"] ?? {}) === claimed, "params_hash is not of these arguments");
      return "are those of the digest";
    }),
  );
  const ends = agent["exp"];
  checks.push(
    timeCheck(now, undefined, typeof ends === "string" ? secondsOf(ends) : undefined),
    keyCheck(version === 3 ? objectOr(json["server"]) : objectOr(agent["signer"]), known),
  );
  const isExtended = json["extensions"] !== undefined;
  if (isExtended) checks.push(notChecked("extensions", "are signed by nobody"));
  if (version > 1) checks.push(notChecked("response", "only its digest is kept"));
  return foreignVerdict(`Signet receipt v${version}`, checks, { action: objectOr(agent["action"]) });
}

/** Checks the signature and the id that is made of it; the name of who signed. */
function holder(receipt: JsonObject, who: JsonObject): string {
  const names = signed[receipt["v"] as number] ?? [];
  onlyMembers(receipt, [...names, "id", "sig", ...(receipt["v"] === 3 ? ["extensions"] : [])]);
  const body = Object.fromEntries(
    names.filter((name) => Object.hasOwn(receipt, name)).map((name) => [name, receipt[name]]),
  );
  const signature = fromBase64(textAt(receipt, "sig").replace(/^ed25519:/, ""));
  const key = keyOfText(textAt(who, "pubkey"));
  hold(verifySignature(key, utf8(canonicalize(body as JsonObject)), signature), "the signature does not hold");
  hold(receipt["id"] === `rec_${sha256Hex(signature).slice(0, 32)}`, "the id is not of this signature");
  return visible(textAt(who, "name"), 60);
}

function keyCheck(who: JsonObject, known: readonly PublicKey[]): Check {
  if (known.length === 0)
    return notChecked("key", "it names its own key: --key <file> says whether it is the one you know");
  return look("key", () => {
    hold(
      known.some(({ bytes }) => who["pubkey"] === `ed25519:${toBase64(bytes)}`),
      "another key than the one given",
    );
    return "the one given";
  });
}

function objectOr(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
