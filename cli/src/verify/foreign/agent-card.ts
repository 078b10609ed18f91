import type { KeyObject } from "node:crypto";
import {
  canonicalize,
  checkStatementTime,
  type Did,
  fromBase64url,
  fromUtf8,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type MultibaseKey,
  parseDid,
  parseJson,
  parseMultibaseKey,
  toBase64url,
  utf8,
  type Verified,
  verifySignature,
  verifyVouchNow,
  type View,
  type Vouch,
} from "@peerage/core";
import { isSilentOnSecurity, signedForms, vouchChainIn } from "../../bridges/agent-card.ts";
import { fingerprint } from "../../ui/agent.ts";
import { count } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";
import { type Check, failed, notChecked, passed, type Verdict, verdictOf } from "../check.ts";
import { keyDefect } from "../later-keys.ts";
import { holdsBy, isKeyFor, textAt } from "./keys.ts";
import { hold, look, secondsOf } from "./report.ts";

/** More signatures or vouches than these are not looked at: whoever wrote them means to keep a reader busy. */
const MAX_SIGNATURES = 8;
const MAX_VOUCHES = 64;

/** What a user has beside a card. */
export interface CardGiven {
  readonly now: Date;
  /** The keys of `--key`, for a card that is not signed by a did:key. */
  readonly keys: readonly KeyObject[];
  /** The followed log, where there is one. */
  readonly view?: View | undefined;
  /** From whom this user starts to trust. */
  readonly roots: readonly Did[];
}

/** Who signed a card: a did:key, or a key that the user gave. */
interface CardSigner {
  readonly did?: Did;
  readonly key?: MultibaseKey;
  /** The form of the card that was signed. */
  readonly form?: string;
}

/** An A2A agent card: its signature, and the chain of vouches that it carries for the agent. */
export function verifyAgentCard(card: JsonObject, given: CardGiven): Verdict {
  let signer: CardSigner = {};
  const checks: Check[] = [
    look("signature", () => {
      signer = cardSigner(card, given);
      return `${signer.did ? fingerprint(signer.did) : "the key given"} signed this card`;
    }),
  ];
  let params: JsonValue | undefined;
  const declared = look("vouches", () => {
    params = vouchChainIn(card);
    return "";
  });
  if (declared.state === "no") checks.push(declared);
  else if (params === undefined)
    checks.push(...ownKeyCheck(signer, given), notChecked("vouches", "it declares no vouch chain"));
  else checks.push(...chainChecks(params, signer, given));
  if (signer.form !== undefined && isSilentOnSecurity(card, signer.form))
    checks.push(notChecked("security", "what it demands of callers is signed by nobody: A2A's SDKs leave it out"));
  checks.push(notChecked("says", "what the card says of the agent's address and skills is its signer's own word"));
  const verdict = verdictOf(checks, ["time", "log"]);
  const summary = {
    valid: "Authentic, as far as a card goes.",
    "not-now": "Authentic, but not all of it is good now.",
    invalid: "Not authentic.",
  }[verdict];
  const data = { name: card["name"], signer: signer.did ?? null, vouchChain: isJsonObject(params) ? params : null };
  return { type: "A2A agent card", checks, verdict, summary, signer: signer.did, data };
}

/** The first of its signatures that holds (A2A 1.0, section 8.4.3). */
function cardSigner(card: JsonObject, given: CardGiven): CardSigner {
  const signatures = card["signatures"];
  hold(Array.isArray(signatures) && signatures.length > 0, "it carries no signature: anybody could have written it");
  const list = (signatures as JsonValue[]).slice(0, MAX_SIGNATURES);
  const forms = signedForms(card);
  let why: unknown;
  for (const one of list) {
    try {
      return signerOf(one, forms, given);
    } catch (error) {
      why ??= error;
    }
  }
  throw why;
}

function signerOf(signature: JsonValue, forms: readonly string[], { keys, view }: CardGiven): CardSigner {
  if (!isJsonObject(signature)) throw new TypeError("a signature is no object");
  const protectedPart = textAt(signature, "protected");
  const header = parseJson(fromUtf8(fromBase64url(protectedPart)));
  if (!isJsonObject(header)) throw new TypeError("a protected header is no object");
  hold(header["crit"] === undefined, "its signature has critical members that are not known here");
  const [alg, kid] = [textAt(header, "alg"), textAt(header, "kid")];
  const bytes = fromBase64url(textAt(signature, "signature"));
  const signedBy = (holds: (covered: Uint8Array) => boolean): string => {
    const form = forms.find((one) => holds(utf8(`${protectedPart}.${toBase64url(utf8(one))}`)));
    if (form === undefined) throw new TypeError("its signature does not hold");
    return form;
  };
  if (kid.startsWith("did:key:")) {
    hold(alg === "EdDSA" || alg === "Ed25519", "its algorithm does not fit its key");
    const [did = "", fragment = did.slice(8)] = kid.split("#");
    const key = fragment as MultibaseKey;
    const form = signedBy((covered) => verifySignature(parseMultibaseKey(key), covered, bytes));
    const signer = parseDid(did);
    hold(isKeyOf(signer, key, view), `the key that signed is not one of ${fingerprint(signer)}`);
    return { did: signer, key, form };
  }
  const fitting = keys.filter((key) => isKeyFor(alg, key));
  const from = typeof header["jku"] === "string" ? ` (${visible(header["jku"], 120)} has it, and is not fetched)` : "";
  hold(
    fitting.length > 0,
    `the key ${visible(kid, 60)} is not at hand: --key <file> with a key for ${visible(alg, 10)}${from}`,
  );
  return { form: signedBy((covered) => fitting.some((key) => holdsBy(alg, key, covered, bytes))) };
}

/** The vouches of the chain: each by itself, that they lead to the agent, and what became of them. */
function chainChecks(params: JsonValue, signer: CardSigner, given: CardGiven): Check[] {
  let subject: Did | undefined;
  let scope = "";
  let vouches: readonly Verified<Vouch>[] = [];
  const chain = look("vouches", () => {
    if (!isJsonObject(params)) throw new TypeError("its vouch chain is no object");
    subject = parseDid(params["subject"]);
    scope = textAt(params, "scope");
    vouches = readVouches(params["vouches"]);
    for (const vouch of vouches) checkKeys(vouch, given.view);
    checkLeads(vouches, subject, scope);
    const direct = vouches.filter((one) => one.subject === subject).length;
    if (vouches.length === 0) return `nobody is shown to vouch for it in ${visible(scope, 64)}`;
    return `${count(vouches.length, "vouch")} in ${visible(scope, 64)}, each signed, ${direct} of them for the agent itself`;
  });
  if (!subject || chain.state === "no") return [chain];
  return [
    signerCheck(subject, signer, params as JsonObject, given),
    chain,
    ...(vouches.length > 0 ? [timeOf(vouches, given.now), logCheck(vouches, given.view)] : []),
    rootsCheck(vouches, subject, given.roots),
  ];
}

function readVouches(list: JsonValue | undefined): Verified<Vouch>[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw new TypeError("its vouches are no list");
  hold(list.length <= MAX_VOUCHES, `it has more than ${MAX_VOUCHES} vouches`);
  return list.map((one: JsonValue, i) => {
    try {
      if (!isJsonObject(one)) throw new TypeError("it is no object");
      return verifyVouchNow(canonicalize(one));
    } catch (error) {
      throw new TypeError(`vouch ${i + 1} does not hold: ${error instanceof Error ? error.message : "unknown"}`);
    }
  });
}

/** Of a vouch that the log has, the log tells whether its key counts; of another, its date and its key must. */
function checkKeys({ id, issuer, keys, issuedAt }: Verified<Vouch>, view: View | undefined): void {
  const own = keys.every((key) => isKeyOf(issuer, key, view));
  hold(own, `a vouch of ${fingerprint(issuer)} is signed by a key that is not its own`);
  if (!view || view.vouch(id)) return;
  for (const key of keys) {
    const defect = keyDefect({ issuer, key }, issuedAt, view);
    hold(!defect, `a vouch of ${fingerprint(issuer)} is in no log, and its key ${defect?.message ?? ""}`);
  }
}

/** True if a key has ever stood behind a DID. Offline only the first one is known, of which the DID is made. */
function isKeyOf(did: Did, key: MultibaseKey, view: View | undefined): boolean {
  return (view?.keysOf(did) ?? [did.slice("did:key:".length)]).includes(key);
}

/** Every vouch is for the agent, or for somebody from whom others lead to it. */
function checkLeads(vouches: readonly Vouch[], subject: Did, scope: string): void {
  hold(
    vouches.every((one) => one.scope.includes(scope)),
    "a vouch is for another scope",
  );
  const reached = leadingTo(vouches, subject);
  hold(
    vouches.every((one) => reached.has(one.subject)),
    "a vouch does not lead to the agent",
  );
}

/** The agent, and all from whom some vouches lead to it. */
function leadingTo(vouches: readonly Vouch[], subject: Did): ReadonlySet<Did> {
  const reached = new Set<Did>([subject]);
  for (let before = 0; before < reached.size;) {
    before = reached.size;
    for (const { issuer, subject: to } of vouches) if (reached.has(to)) reached.add(issuer);
  }
  return reached;
}

function signerCheck(subject: Did, signer: CardSigner, params: JsonObject, given: CardGiven): Check {
  if (signer.did === undefined) return notChecked("signer", "is not known by a DID");
  const created = typeof params["created"] === "string" ? secondsOf(params["created"]) : Number.NaN;
  if (Number.isNaN(created))
    return failed("signer", "the chain does not say when it was put together", "ERR_PROOF_INVALID");
  const [defect] = ownKeyCheck(signer, given, created);
  if (defect) return defect;
  return signer.did === subject
    ? passed("signer", "is the agent itself")
    : notChecked("signer", `${fingerprint(signer.did)} speaks about another agent, ${fingerprint(subject)}`);
}

/** What is wrong with the key that signed; a card says nowhere when it was signed, and without a chain that is now. */
function ownKeyCheck({ did, key }: CardSigner, { view, now }: CardGiven, at = now.getTime() / 1000): Check[] {
  if (did === undefined || key === undefined) return [];
  const defect = keyDefect({ issuer: did, key }, at, view);
  return defect ? [failed("signer", `its key ${defect.message}`, defect.code)] : [];
}

function timeOf(vouches: readonly Verified<Vouch>[], now: Date): Check {
  const over = vouches.filter((vouch) => !isInTime(vouch, now)).length;
  if (over === 0) return passed("time", "every vouch is in force by its own dates");
  return failed(
    "time",
    `${over} of ${count(vouches.length, "vouch")} not in force by its own dates`,
    "ERR_VOUCH_EXPIRED",
  );
}

function logCheck(vouches: readonly Verified<Vouch>[], view: View | undefined): Check {
  if (!view) return notChecked("log", "no registry is named: whether one was withdrawn is not in a card");
  const known = vouches.map(({ id }) => view.vouch(id));
  const gone = known.filter((record) => record !== undefined && record.status !== "in-force");
  if (gone.length > 0)
    return failed(
      "log",
      `${count(gone.length, "vouch")} no longer good: ${gone[0]?.status ?? ""}`,
      "ERR_VOUCH_REVOKED",
    );
  const missing = known.filter((record) => record === undefined).length;
  return missing > 0
    ? notChecked("log", `${missing} of ${count(vouches.length, "vouch")} not in the log of ${visible(view.origin, 80)}`)
    : passed("log", `all in the log of ${visible(view.origin, 80)}, none withdrawn`);
}

/** A card never says how much to trust: that depends on from whom its reader starts. */
function rootsCheck(vouches: readonly Vouch[], subject: Did, roots: readonly Did[]): Check {
  const reached = leadingTo(vouches, subject);
  const mine = roots.filter((root) => root !== subject && reached.has(root)).length;
  return mine > 0
    ? passed("roots", `${count(mine, "root")} of yours ${mine > 1 ? "stand" : "stands"} behind it`)
    : notChecked(
        "roots",
        roots.length === 0
          ? "you have no roots: peerage roots add"
          : `none of yours stands behind it: peerage trust ${subject}`,
      );
}

function isInTime(vouch: Verified<Vouch>, now: Date): boolean {
  try {
    checkStatementTime(vouch, now);
    return true;
  } catch {
    return false;
  }
}
