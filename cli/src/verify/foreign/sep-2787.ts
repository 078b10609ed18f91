import type { KeyObject } from "node:crypto";
import { canonicalize, digest, isJsonObject, type JsonObject, type JsonValue, sha256Hex, utf8 } from "@peerage/core";
import { visible } from "../../ui/visible.ts";
import { type Check, notChecked, type Verdict } from "../check.ts";
import { holdsBy, isKeyFor, objectAt, onlyMembers, textAt } from "./keys.ts";
import { foreignVerdict, hold, look, secondsOf, timeCheck } from "./report.ts";

const blocks = ["version", "alg", "plannerDeclared", "issuerAsserted", "payloadDerived"];

/** True for a tool call attestation of SEP-2787. */
export function isToolCallAttestation(json: JsonObject): boolean {
  return (
    isJsonObject(json["issuerAsserted"]) &&
    isJsonObject(json["payloadDerived"]) &&
    typeof json["signature"] === "string"
  );
}

/**
 * An attestation (envelope version 1) by a key that the user gives: the format carries none. `HS256` is not taken: whoever
 * can check it can make it.
 */
export function verifyToolCallAttestation(
  json: JsonObject,
  given: { readonly now: Date; readonly keys: readonly KeyObject[]; readonly message?: JsonObject | undefined },
): Verdict {
  const asserted = objectAt(json, "issuerAsserted");
  const lifetime = asserted["expSeconds"];
  const issued = typeof asserted["iat"] === "string" ? secondsOf(asserted["iat"]) : Number.NaN;
  const checks: Check[] = [
    look("signature", () => {
      onlyMembers(json, [...blocks, "signature"]);
      hold(json["version"] === 1, "it is of a version that is not known");
      hold(json["alg"] === asserted["alg"], "two algorithms are named");
      const body = Object.fromEntries(blocks.map((name) => [name, json[name] ?? null]));
      checkSignature(json, utf8(canonicalize(body)), given.keys);
      return `${visible(textAt(asserted, "iss"), 120)} signed it, by the key given`;
    }),
    ...callChecks(objectAt(json, "payloadDerived"), given.message),
    timeCheck(given.now, issued, typeof lifetime === "number" ? issued + lifetime : Number.NaN),
    notChecked("declared", "what the planner declared is its own word"),
  ];
  return foreignVerdict("SEP-2787 attestation", checks, { issuer: asserted, calls: objectAt(json, "payloadDerived") });
}

function checkSignature(json: JsonObject, covered: Uint8Array, keys: readonly KeyObject[]): void {
  const alg = textAt(json, "alg");
  hold(alg !== "HS256", "HS256 proves nothing to a third: whoever can check it can make it");
  hold(alg === "ES256" || alg === "RS256", "its algorithm is not ES256 or RS256");
  const fitting = keys.filter((key) => isKeyFor(alg, key));
  hold(fitting.length > 0, `an attestation carries no key: --key <file> with the issuer's key for ${alg}`);
  const hex = textAt(json, "signature");
  hold(/^([0-9a-f]{2})+$/.test(hex), "the signature is not hexadecimal");
  const bytes = Buffer.from(hex, "hex");
  hold(
    fitting.some((key) => holdsBy(alg, key, covered, bytes)),
    "the signature does not hold",
  );
}

/** Whether what is committed to is consistent in itself, and is the call at hand. */
function callChecks(derived: JsonObject, message: JsonObject | undefined): Check[] {
  const calls: readonly JsonValue[] = Array.isArray(derived["toolCalls"]) ? derived["toolCalls"] : [];
  const checks = [
    look("calls", () => {
      hold(calls.length > 0, "it names no call");
      for (const call of calls) checkProjection(call);
      return calls.map((call) => visible(textAt(call as JsonObject, "name"), 60)).join(", ");
    }),
  ];
  if (message === undefined) return [...checks, notChecked("message", "no call at hand: --message <file>")];
  return [
    ...checks,
    look("message", () => {
      const { name, arguments: args = {} } = objectAt(message, "params");
      const isOne = calls.some((call) => isJsonObject(call) && call["name"] === name && commitsTo(call["args"], args));
      hold(isOne, "it speaks of other calls");
      return "exactly this call";
    }),
  ];
}

function checkProjection(call: JsonValue): void {
  if (!isJsonObject(call)) throw new TypeError("a call is no object");
  const args = objectAt(call, "args");
  if (args["projection"] === undefined) return;
  const holds = `sha256:${sha256Hex(utf8(textAt(args, "projection")))}` === args["projectionDigest"];
  hold(holds, "projectionDigest is not of the projection");
}

/** The arguments themselves, or only their digest. What is redacted cannot be compared. */
function commitsTo(commitment: JsonValue | undefined, args: JsonValue): boolean {
  const projection = isJsonObject(commitment) ? commitment["projection"] : undefined;
  if (typeof projection !== "string") return false;
  return projection === canonicalize(args) || projection === canonicalize({ digest: digest(args) });
}
