import type { KeyObject } from "node:crypto";
import {
  equalBytes,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type MultibaseKey,
  parseDid,
  parseMultibaseKey,
  verifySecuredDocument,
  type View,
} from "@peerage/core";
import { visible } from "../../ui/visible.ts";
import { type Check, check, failed, notChecked, passed, type Verdict, verdictOf } from "../check.ts";
import { keyDefect } from "../later-keys.ts";
import { ed25519Keys } from "./keys.ts";
import { hold, instant, look, secondsOf } from "./report.ts";

/** What a user has beside a credential. */
export interface CredentialGiven {
  readonly now: Date;
  /** The issuer's key, where its name does not say it. */
  readonly keys: readonly KeyObject[];
  readonly view?: View | undefined;
}

/** A W3C credential, or another document, with an eddsa-jcs-2022 proof by a did:key. */
export async function verifyCredential(document: JsonObject, given: CredentialGiven): Promise<Verdict> {
  let method = "";
  const signature = await check("signature", "", async () => {
    method = await verifySecuredDocument(document);
  });
  const checks: Check[] = [
    signature.state === "ok" ? { ...signature, text: `${visible(method, 120)} signed it` } : signature,
  ];
  let isUnknown = false;
  if (signature.state === "ok") {
    const issuer = issuerOf(document["issuer"]);
    const one = issuerCheck(issuer, method, timeAt(document, "validFrom", "issuanceDate"), given);
    isUnknown = one.state === "no" && given.keys.length === 0 && issuer !== undefined && !issuer.startsWith("did:key:");
    checks.push(one);
  }
  const types: readonly JsonValue[] = Array.isArray(document["type"]) ? document["type"] : [];
  const isCredential = types.includes("VerifiableCredential");
  if (isCredential) checks.push(timeCheckOf(document, given.now), statusCheck(document["credentialStatus"]));
  checks.push(notChecked("content", "not a statement of ours: nothing that it says was looked at"));
  // Whose key it is, where nobody here can tell, takes nothing from the signature.
  const verdict = verdictOf(checks, isUnknown ? ["time", "issuer"] : ["time"]);
  const summary = {
    valid: "Authentic.",
    "not-now": "Its signature holds, but not all of it is known or good now.",
    invalid: "Not authentic.",
  }[verdict];
  return { type: isCredential ? "W3C credential" : "signed document", checks, verdict, summary };
}

/** Whether the key that signed is the issuer's: by the issuer's name, by the log, or by the key that the user gave. */
function issuerCheck(issuer: string | undefined, method: string, issuedAt: number, given: CredentialGiven): Check {
  const [did = "", fragment = did.slice("did:key:".length)] = method.split("#");
  const key = fragment as MultibaseKey;
  const known = ed25519Keys(given.keys);
  if (known.length > 0)
    return known.some(({ bytes }) => equalBytes(bytes, parseMultibaseKey(key).bytes))
      ? passed("issuer", "signed it by the key given")
      : failed("issuer", "it is signed by another key than the one given", "ERR_PROOF_INVALID");
  if (issuer === undefined) return notChecked("issuer", "it names no issuer");
  if (issuer !== did && issuer.startsWith("did:key:"))
    return failed("issuer", `it names ${visible(issuer, 80)} as issuer`, "ERR_STATEMENT_INVALID");
  if (issuer !== did)
    return failed(
      "issuer",
      `whether this key is that of ${visible(issuer, 80)} is not in it: --key <file>`,
      "ERR_DID_INVALID",
    );
  const defect = keyDefect({ issuer: parseDid(did), key }, issuedAt, given.view);
  return defect === undefined
    ? passed("issuer", "the issuer signed it itself")
    : failed("issuer", `the key that signed is ${defect}`, "ERR_KEY_SUPERSEDED");
}

function issuerOf(issuer: JsonValue | undefined): string | undefined {
  const named = isJsonObject(issuer) ? issuer["id"] : issuer;
  return typeof named === "string" ? named : undefined;
}

/** From when until when it is valid: as version 2 of the data model names it, or version 1. */
function timeCheckOf(document: JsonObject, now: Date): Check {
  return look("time", () => {
    const seconds = now.getTime() / 1000;
    const from = timeAt(document, "validFrom", "issuanceDate");
    const until = timeAt(document, "validUntil", "expirationDate");
    hold(Number.isNaN(from) || from <= seconds, `it is not valid before ${instant(from)}`);
    hold(Number.isNaN(until) || seconds < until, `it expired at ${instant(until)}`);
    return Number.isNaN(until) ? "it names no end" : `good until ${instant(until)}`;
  });
}

/** Unix seconds of the first of two members that is there; not a number without. */
function timeAt(document: JsonObject, ...names: readonly string[]): number {
  const value = names.map((name) => document[name]).find((one) => one !== undefined);
  return typeof value === "string" ? secondsOf(value) : Number.NaN;
}

/** Revocation lists stand elsewhere, and whoever is asked for one learns who looks at which credential. */
function statusCheck(status: JsonValue | undefined): Check {
  if (status === undefined) return notChecked("status", "it names no place where it could have been withdrawn");
  return notChecked("status", "whether it was withdrawn stands where it says, which is not asked");
}
