import { digest, isJsonObject, type JsonObject, type JsonValue, type PublicKey, publicKeyOf } from "@peerage/core";
import { visible } from "../../ui/visible.ts";
import { type Check, notChecked, type Verdict } from "../check.ts";
import { parseForeignJws } from "./jws.ts";
import { objectAt, onlyMembers, textAt } from "./keys.ts";
import { foreignVerdict, hold, look, timeCheck } from "./report.ts";

/** Members of `meta`, each with the claim that repeats it. */
const claims: Readonly<Record<string, string>> = {
  did: "iss",
  audience: "aud",
  ts: "ts",
  nonce: "nonce",
  sessionId: "sessionId",
  requestHash: "requestHash",
  responseHash: "responseHash",
  scopeId: "scopeId",
  delegationRef: "delegationRef",
  clientDid: "clientDid",
};
const optional = ["scopeId", "delegationRef", "clientDid"];

/** What a user has beside the proof. */
export interface McpIGiven {
  readonly now: Date;
  readonly audience?: string | undefined;
  readonly message?: JsonObject | undefined;
  readonly result?: JsonValue | undefined;
  readonly keys: readonly PublicKey[];
}

/** The detached proof of MCP-I in a document: itself, or in `_meta.proof` of a result. */
export function mcpIProofIn(json: JsonObject): JsonObject | undefined {
  const meta = json["_meta"];
  const result = json["result"];
  const inMeta = isJsonObject(meta) ? meta["proof"] : undefined;
  for (const candidate of [
    json,
    inMeta,
    isJsonObject(result) && isJsonObject(result["_meta"]) ? result["_meta"]["proof"] : undefined,
  ]) {
    if (isJsonObject(candidate) && typeof candidate["jws"] === "string" && isJsonObject(candidate["meta"]))
      return candidate;
  }
  return undefined;
}

/** A server's proof that it answered this request with this response (MCP-I section 7). */
export function verifyMcpI(proof: JsonObject, given: McpIGiven): Verdict {
  const meta = objectAt(proof, "meta");
  const audience = typeof meta["audience"] === "string" ? meta["audience"] : "";
  const did = typeof meta["did"] === "string" ? meta["did"] : "";
  const checks: Check[] = [
    look("signature", () => {
      const { header, payload, check } = parseForeignJws(textAt(proof, "jws"));
      onlyMembers(proof, ["jws", "meta"]);
      onlyMembers(meta, [...Object.keys(claims), "kid"]);
      hold(header["kid"] === meta["kid"], "meta names another key than the signature");
      hold(textAt(meta, "kid").startsWith(`${textAt(meta, "did")}#`), "the key is not of the DID");
      hold(payload["sub"] === payload["iss"], "subject and issuer differ");
      for (const [name, claim] of Object.entries(claims)) {
        hold(meta[name] === payload[claim], `meta says another ${name} than was signed`);
        hold(optional.includes(name) || meta[name] !== undefined, `${name} is missing`);
      }
      const keys = did.startsWith("did:key:") ? [publicKeyOf(did)] : given.keys;
      hold(keys.length > 0, `the key of ${did} is not at hand: --key <file>`);
      const holds = keys.some((key) => !thrown(() => check(key)));
      hold(holds, "the signature does not hold");
      return `${visible(did, 80)} signed it`;
    }),
    timeCheck(given.now, typeof meta["ts"] === "number" ? meta["ts"] : Number.NaN, undefined),
    given.audience === undefined
      ? notChecked("audience", `it is for ${visible(audience, 120)}; --audience says whether that is right`)
      : look("audience", () => {
          hold(audience === given.audience, `it is for ${audience}`);
          return "as expected";
        }),
    hashCheck("message", "requestHash", meta, given.message && requestOf(given.message), "--message <file>"),
    hashCheck("result", "responseHash", meta, given.result, "--result <file>"),
    notChecked("replay", "the nonce is of a session that is not at hand"),
  ];
  return foreignVerdict("MCP-I proof", checks, meta);
}

function requestOf({ method, params }: JsonObject): JsonValue {
  return { method: method ?? null, ...(params === undefined ? {} : { params }) };
}

function hashCheck(name: string, member: string, meta: JsonObject, value: JsonValue | undefined, flag: string): Check {
  if (value === undefined) return notChecked(name, `not at hand: ${flag}`);
  return look(name, () => {
    hold(digest(value) === meta[member], "it speaks of another");
    return "exactly this one";
  });
}

function thrown(act: () => void): boolean {
  try {
    act();
    return false;
  } catch {
    return true;
  }
}
