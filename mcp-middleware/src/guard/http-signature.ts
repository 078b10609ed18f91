import {
  type Did,
  type HttpCaller,
  isPeerageError,
  isPeerageSignature,
  jwkThumbprint,
  type KeyId,
  keyIdOf,
  PeerageError,
  type Policy,
  publicKeyOf,
  readHttpSignatures,
  type SignedMessage,
  utf8,
  type Verified,
  verifyForeignHttpSignature,
  verifyHttpSignature,
} from "@peerage/core";
import type { Subject } from "./subject.ts";
import type { TrustSource } from "./trust.ts";
import type { Binding, Context } from "./types.ts";

/** Who calls, and by what that was proven. */
export interface Proven {
  readonly issuer: Did;
  readonly kid: KeyId;
  readonly binding: Binding;
  readonly scheme: HttpCaller["scheme"] | "peerage-call";
}

interface Parts {
  readonly audiences: ReadonlySet<string>;
  readonly trust: TrustSource | undefined;
  readonly policy: Policy | undefined;
  readonly now: Date;
  /** The bytes of the body as they came; undefined where somebody parsed them before. */
  readonly body: Uint8Array | string | undefined;
}

/**
 * Who signed the HTTP request around a message that carries no call proof: by our profile, by Web Bot Auth, or by AAuth
 * with the key in the header. Undefined where nobody did, or where no rule of the policy takes less than a call proof: then
 * the caller should hear that a proof is missing.
 * @throws {PeerageError} what is wrong with a signature that is there
 */
export function readHttpSignature(
  subject: Subject,
  { header, transport }: Context,
  parts: Parts,
): Verified<HttpCaller> | undefined {
  const { policy, body } = parts;
  if (transport !== "http" || !header || !policy || !takesLess(policy)) return undefined;
  const isOurs = readHttpSignatures({ header }).some(isPeerageSignature);
  const verify = isOurs ? verifyHttpSignature : verifyForeignHttpSignature;
  const options = {
    now: parts.now,
    keyOf: (thumbprint: string) => keysNamedBy(policy).get(thumbprint),
    keysOf: (did: Did) => parts.trust?.keysOf?.(did) ?? [],
  };
  const message = {
    method: httpMethods.get(subject.method) ?? "POST",
    header,
    body: httpMethods.has(subject.method) ? new Uint8Array() : typeof body === "string" ? utf8(body) : body,
  };
  const caller = firstThatHolds(parts.audiences, (targetUri) => verify({ ...message, targetUri }, options));
  // No rule is asked about an answer, or about a session's stream and its end. Ours covers what they are about.
  if (caller?.scheme !== "peerage-http" && subject.method.startsWith("http/")) return undefined;
  return caller;
}

const httpMethods: ReadonlyMap<string, string> = new Map([
  ["http/get", "GET"],
  ["http/delete", "DELETE"],
]);

/**
 * The target is one of the URLs that this guard was told it has, never what `Host` says.
 * @throws {PeerageError} what was wrong at the first of them, if it holds at none
 */
function firstThatHolds(
  audiences: ReadonlySet<string>,
  verify: (targetUri: SignedMessage["targetUri"]) => Verified<HttpCaller>,
): Verified<HttpCaller> | undefined {
  let first: unknown;
  for (const url of audiences) {
    if (!url.startsWith("http")) continue;
    try {
      return verify(url);
    } catch (error) {
      if (isPeerageError(error, "ERR_PROOF_MISSING")) return undefined;
      if (!isPeerageError(error)) throw error;
      // That the equation does not hold says least: it does so at every URL but the right one.
      if (first === undefined || error.detail !== "equation") first = error;
    }
  }
  if (first instanceof PeerageError) throw first;
  return undefined;
}

/** Whether any rule of a policy can be met by less than a call proof. */
function takesLess(policy: Policy): boolean {
  let takes = lesser.get(policy);
  if (takes === undefined) {
    takes = policy.document.allow.some(({ binding = "message" }) => binding !== "message");
    lesser.set(policy, takes);
  }
  return takes;
}

/** The keys of the DIDs that a policy names, by thumbprint: a thumbprint alone says nobody's name. */
function keysNamedBy(policy: Policy): ReadonlyMap<string, KeyId> {
  let keys = named.get(policy);
  if (!keys) {
    const dids = JSON.stringify(policy.document).match(/did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}/g) ?? [];
    keys = new Map([...new Set(dids)].map((did) => [jwkThumbprint(publicKeyOf(did)), keyIdOf(did as Did)]));
    named.set(policy, keys);
  }
  return keys;
}

const lesser = new WeakMap<Policy, boolean>();
const named = new WeakMap<Policy, ReadonlyMap<string, KeyId>>();
