import type { KeyObject } from "node:crypto";
import {
  type Did,
  equalBytes,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseDid,
  parseMultibaseKey,
  verifySecuredDocument,
  type View,
} from "@peerage/core";
import { visible } from "../../ui/visible.ts";
import { type Check, check, failed, notChecked, passed, type Verdict, verdictOf } from "../check.ts";
import { keyDefect, keyIn } from "../later-keys.ts";
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
  const types: readonly JsonValue[] = Array.isArray(document["type"]) ? document["type"] : [];
  const isCredential = types.includes("VerifiableCredential");
  const from = timeAt(document, "validFrom", "issuanceDate");
  let signer: Did | undefined;
  let isUnknown = false;
  if (signature.state === "ok") {
    const issuer = issuerOf(document["issuer"]);
    const own = look("key", () => {
      signer = signerOf(method, from, given);
      return "the signer's own";
    });
    if (own.state === "no" && (given.keys.length === 0 || given.view)) checks.push(own);
    const one =
      issuer === undefined && (isCredential || document["issuer"] !== undefined)
        ? failed("issuer", "it does not say who issued it", "ERR_STATEMENT_INVALID")
        : issuerCheck(issuer, method, given);
    isUnknown = one.state === "no" && given.keys.length === 0 && issuer !== undefined && !issuer.startsWith("did:key:");
    checks.push(one);
  }
  const until = timeAt(document, "validUntil", "expirationDate");
  const proofUntil = isJsonObject(document["proof"]) ? timeAt(document["proof"], "expires") : undefined;
  if (isCredential || proofUntil !== undefined) checks.push(timeCheckOf(given.now, from, [until, proofUntil]));
  if (isCredential) checks.push(statusCheck(document["credentialStatus"]));
  checks.push(notChecked("content", "not a statement of ours: nothing that it says was looked at"));
  // Whose key it is, where nobody here can tell, takes nothing from the signature.
  const verdict = verdictOf(checks, isUnknown ? ["time", "issuer"] : ["time"]);
  const summary = {
    valid: "Authentic.",
    "not-now": "Its signature holds, but not all of it is known or good now.",
    invalid: "Not authentic.",
  }[verdict];
  const type = isCredential ? "W3C credential" : "signed document";
  return { type, checks, verdict, summary, signer };
}

/** The DID of a verification method, if its key can speak for it. What names no time was signed, as far as is known, now. */
function signerOf(method: string, from: number | undefined, { now, view }: CredentialGiven): Did {
  const signer = parseDid(method.split("#")[0]);
  const defect = keyDefect({ issuer: signer, key: keyIn(method) }, from ?? now.getTime() / 1000, view);
  if (defect) throw defect;
  return signer;
}

/** Whether it is the issuer who signed: by the issuer's name, or by the key that the user gave. */
function issuerCheck(issuer: string | undefined, method: string, given: CredentialGiven): Check {
  const [did, key] = method.split("#");
  // A did:key says itself whose it is: no key that is given makes another one of it.
  if (issuer !== undefined && issuer !== did && issuer.startsWith("did:key:"))
    return failed("issuer", `it names ${visible(issuer, 80)} as issuer`, "ERR_STATEMENT_INVALID");
  const known = ed25519Keys(given.keys);
  if (known.length > 0)
    return known.some(({ bytes }) => equalBytes(bytes, parseMultibaseKey(key).bytes))
      ? passed("issuer", "signed it by the key given")
      : failed("issuer", "it is signed by another key than the one given", "ERR_PROOF_INVALID");
  if (issuer === undefined) return notChecked("issuer", "it names no issuer");
  return issuer === did
    ? passed("issuer", "the issuer signed it itself")
    : failed(
        "issuer",
        `whether this key is that of ${visible(issuer, 80)} is not in it: --key <file>`,
        "ERR_DID_INVALID",
      );
}

function issuerOf(issuer: JsonValue | undefined): string | undefined {
  const named = isJsonObject(issuer) ? issuer["id"] : issuer;
  return typeof named === "string" ? named : undefined;
}

/** From when until when it is valid: as version 2 of the data model names it, or version 1, and by its proof. */
function timeCheckOf(now: Date, from: number | undefined, ends: readonly (number | undefined)[]): Check {
  return look("time", () => {
    const seconds = now.getTime() / 1000;
    const until = Math.min(...ends.map((end) => end ?? Number.POSITIVE_INFINITY));
    hold(!Number.isNaN(until) && !Number.isNaN(from), "its time is no time");
    hold(from === undefined || from <= seconds, `it is not valid before ${instant(from ?? 0)}`);
    hold(seconds < until, `it expired at ${instant(until)}`);
    return Number.isFinite(until) ? `good until ${instant(until)}` : "it names no end";
  });
}

/** Unix seconds of the first of some members that is there, undefined without; not a number for what is no time. */
function timeAt(document: JsonObject, ...names: readonly string[]): number | undefined {
  const value = names.map((name) => document[name]).find((one) => one !== undefined);
  if (value === undefined) return undefined;
  return typeof value === "string" ? secondsOf(value) : Number.NaN;
}

/** Revocation lists stand elsewhere, and whoever is asked for one learns who looks at which credential. */
function statusCheck(status: JsonValue | undefined): Check {
  if (status === undefined) return notChecked("status", "it names no place where it could have been withdrawn");
  return notChecked("status", "whether it was withdrawn stands where it says, which is not asked");
}
