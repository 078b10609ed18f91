import {
  APPROVAL_STEP,
  type ApprovalAnswer as Answer,
  type ApprovalFacts as ItemFacts,
  type ApprovalItem,
  type ApprovalState as ItemState,
  type Did,
  type KeyOptions,
  MAX_APPROVAL_SECONDS,
  member,
  parseEntry,
  PeerageError,
  signEntry,
  type Signer,
  SKEW_SECONDS,
  unixSeconds,
  type Entry,
  type Verified,
} from "@peerage/core";

/** An approval may be relied on for this long, unless its signer says otherwise. */
const DEFAULT_APPROVAL_SECONDS = 900;

export type { Answer, ApprovalItem, ItemFacts, ItemState };

/**
 * Signs an answer to an item: an entry over the digest of the exact request, for this guard, this caller and this policy.
 * Show the request to a person first, and check that `requestDigest(request.method, request.params)` is `req`.
 * @param options.lifetimeSeconds - of an approval: 1 to 86,400, 900 by default
 * @throws {RangeError} for another lifetime
 */
export async function signAnswer(
  signer: Signer,
  item: Pick<ApprovalItem, "guard" | "caller" | "req" | "run" | "prev" | "policy">,
  result: "approved" | "denied",
  options: { readonly now?: Date; readonly lifetimeSeconds?: number } = {},
): Promise<string> {
  const now = options.now ?? new Date();
  const lifetime = options.lifetimeSeconds ?? DEFAULT_APPROVAL_SECONDS;
  if (!(lifetime >= 1 && lifetime <= MAX_APPROVAL_SECONDS))
    throw new RangeError("an approval lives 1 to 86,400 seconds");
  return signEntry(signer, {
    run: item.run,
    prev: item.prev,
    step: APPROVAL_STEP,
    result,
    req: item.req,
    aud: item.guard,
    sub: { caller: item.caller, policy: item.policy },
    ...(result === "approved" ? { exp: unixSeconds(now) + lifetime } : {}),
    now,
  });
}

/**
 * Checks that a token is an answer to an item: its signature, that it speaks of exactly this request, caller, guard and
 * policy, that it builds on what it must, its times, and its signer as far as the item says who may answer. Whether it
 * admits the call is for the policy to say, when the call is repeated.
 * @throws {PeerageError} ERR_APPROVAL_INVALID, ERR_APPROVAL_EXPIRED
 */
export function checkAnswer(token: unknown, item: ApprovalItem, now: Date, keys: KeyOptions = {}): Verified<Entry> {
  const entry = readAnswer(token, keys);
  const { issuer, issuedAt, expiresAt, result } = entry;
  if (entry.step !== APPROVAL_STEP || (result !== "approved" && result !== "denied")) throw invalid("step");
  if (entry.audience !== item.guard) throw invalid("guard");
  if (entry.req !== item.req) throw invalid("request");
  if (member(entry.sub, "caller") !== item.caller) throw invalid("caller");
  if (member(entry.sub, "policy") !== item.policy) throw invalid("policy");
  if (entry.run !== item.run || !item.prev.every((digest) => entry.prev.includes(digest))) throw invalid("order");
  if (!mayAnswer(item, issuer)) throw invalid("approver");
  const seconds = now.getTime() / 1000;
  if (issuedAt > seconds + SKEW_SECONDS || issuedAt < item.filedAt.getTime() / 1000 - SKEW_SECONDS)
    throw invalid("time");
  if (result === "approved") {
    if (expiresAt === undefined || expiresAt - issuedAt > MAX_APPROVAL_SECONDS) throw invalid("lifetime");
    if (seconds >= expiresAt)
      throw new PeerageError("ERR_APPROVAL_EXPIRED", "the approval has expired", { detail: "expired" });
  }
  return entry;
}

/** True if an identity may answer an item, as far as a DID tells; a SPIFFE ID is judged when the call is repeated. */
export function mayAnswer({ approvers, self, caller }: ApprovalItem, did: Did): boolean {
  if (did === caller && !self) return false;
  return approvers.some((word) => word === "*" || word === did || word.startsWith("spiffe://"));
}

function readAnswer(token: unknown, keys: KeyOptions): Verified<Entry> {
  try {
    return parseEntry(token, keys);
  } catch (cause) {
    throw invalid("signature", cause);
  }
}

function invalid(detail: string, cause?: unknown): PeerageError {
  return new PeerageError("ERR_APPROVAL_INVALID", `the answer does not fit the request: ${detail}`, { detail, cause });
}
