import {
  type CallProof,
  checkCallMessage,
  type Did,
  type Digest,
  type Entry,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type KeyOptions,
  member,
  parseCallProof,
  parseEntry,
  PeerageError,
  SKEW_SECONDS,
  verifyHistory,
  verifyReceipt,
  type View,
} from "@peerage/core";
import { fingerprint } from "../ui/agent.ts";
import { rfc3339, span } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import { type Check, check, failed, notChecked, passed, thrown, type Verdict, verdictOf } from "./check.ts";
import { keyCheck, keyIn } from "./later-keys.ts";

/** What a user gives beside the thing to verify. */
export interface Given {
  readonly now: Date;
  readonly audience?: string | undefined;
  readonly server?: Did | undefined;
  readonly call?: CallProof | undefined;
  readonly message?: JsonObject | undefined;
  readonly result?: JsonValue | undefined;
  /** The followed log, where a key signed that is not its DID's first. */
  readonly view?: View | undefined;
}

function keysOf({ view }: Given): KeyOptions {
  return view ? { keysOf: (did) => view.keysOf(did) } : {};
}

function keyCheckOf(
  { issuer, kid, issuedAt }: Pick<Entry, "issuer" | "kid" | "issuedAt">,
  { view, now }: Given,
): Check {
  return keyCheck({ issuer, key: keyIn(kid) }, issuedAt, view, now);
}

/** A call proof: signature, audience, time, and the message it covers. */
export async function verifyCallProof(token: string, given: Given): Promise<Verdict> {
  let proof: CallProof;
  try {
    proof = parseCallProof(token, keysOf(given));
  } catch (error) {
    return broken("call proof", thrown("signature", error));
  }
  const seconds = given.now.getTime() / 1000;
  const checks = [
    passed("signature", `${fingerprint(proof.issuer)} signed these bytes`),
    keyCheckOf(proof, given),
    given.audience === undefined
      ? notChecked("audience", `it is for ${visible(proof.audience, 200)}; --audience says whether that is right`)
      : proof.audience === given.audience
        ? passed("audience", `for ${visible(proof.audience, 200)}`)
        : failed("audience", `for ${visible(proof.audience, 200)}, not for ${given.audience}`, "ERR_PROOF_AUDIENCE"),
    proofTime(proof, seconds),
    given.message === undefined
      ? notChecked("message", "no message at hand: --message <file>")
      : await check("message", `${what(proof)} with exactly these arguments`, () =>
          checkCallMessage(proof, subjectOf(given.message)),
        ),
    notChecked("replay", "only the guard it is for knows whether it was used"),
  ];
  const verdict = verdictOf(checks, ["audience", "time"]);
  const data = { ...proof, token: undefined };
  return { type: "call proof", checks, verdict, summary: summaryOf(verdict), signer: proof.issuer, data };
}

/** One entry of a history: a receipt if a server wrote it, else a step or an approval. */
export async function verifyEntry(token: string, given: Given): Promise<Verdict> {
  let entry: Entry;
  try {
    entry = parseEntry(token, keysOf(given));
  } catch (error) {
    return broken("history entry", thrown("signature", error));
  }
  const type = entry.step === "tool_call" ? "receipt" : entry.step === "human_approval" ? "approval" : "history entry";
  const checks: Check[] = [
    passed("signature", `${fingerprint(entry.issuer)} signed these bytes at ${rfc3339(entry.issuedAt)}`),
    keyCheckOf(entry, given),
    passed(
      "says",
      `${visible(entry.step)} ${visible(entry.result)}${entry.tool === undefined ? "" : `, tool ${visible(entry.tool)}`}`,
    ),
  ];
  if (type === "receipt") checks.push(...(await receiptChecks(entry, given)));
  if (entry.expiresAt !== undefined) {
    const left = entry.expiresAt - given.now.getTime() / 1000;
    checks.push(
      left > 0
        ? passed("time", `relied on for another ${span(left)}`)
        : failed("time", `expired ${span(-left)} ago`, "ERR_APPROVAL_EXPIRED"),
    );
  }
  const verdict = verdictOf(checks, ["time"]);
  const data = { ...entry, token: undefined };
  return { type, checks, verdict, summary: summaryOf(verdict), signer: entry.issuer, data };
}

async function receiptChecks(entry: Entry, given: Given): Promise<Check[]> {
  const { call, server } = given;
  const checks = [
    server === undefined
      ? notChecked("server", "nobody said who the server is: --server <did>")
      : entry.issuer === server
        ? passed("server", `written by ${fingerprint(server)}`)
        : failed("server", `written by ${entry.issuer}, not by ${server}`, "ERR_RECEIPT_INVALID"),
  ];
  if (!call) return [...checks, notChecked("call", "no call proof at hand: --call <file>")];
  const attested = member(entry.sub, "res");
  const context = { server: entry.issuer, call, prev: call.head ?? [], ...keysOf(given) };
  // Without the result at hand its digest cannot be compared, so everything else is judged on its own.
  const judged = attested === undefined || given.result !== undefined ? entry : undefined;
  checks.push(
    await check("call", `answers exactly this call, ${what(call)}`, () => {
      if (judged) verifyReceipt(entry.token, { ...context, result: given.result });
      else compareCall(entry, call);
    }),
  );
  checks.push(
    given.result === undefined
      ? notChecked(
          "result",
          attested === undefined ? "the receipt covers no result" : "no result at hand: --result <file>",
        )
      : attested === undefined
        ? notChecked("result", "the receipt covers no result")
        : passed("result", "exactly this result"),
  );
  const late = entry.issuedAt - call.expiresAt;
  const early = call.issuedAt - entry.issuedAt;
  checks.push(
    early > SKEW_SECONDS
      ? failed("order", "it was written before the call was signed", "ERR_RECEIPT_INVALID")
      : passed(
          "order",
          late > SKEW_SECONDS
            ? `written ${span(entry.issuedAt - call.issuedAt)} after the call`
            : "written while the call was fresh",
        ),
  );
  return checks;
}

function compareCall(entry: Entry, call: CallProof): void {
  const same = entry.call === call.jti && entry.req === call.req && entry.tool === call.tool;
  if (!same) throw new Error("the receipt does not belong to this call");
}

/** A whole history: every signature, one run, each entry after those before. */
export async function verifyWholeHistory(tokens: readonly JsonValue[], given: Given): Promise<Verdict> {
  const names = new Set<string>();
  let tips: readonly Digest[] = [];
  const whole = await check("history", "", () => {
    const history = verifyHistory(tokens, tipsOf(tokens, given), { now: given.now, ...keysOf(given) });
    if (!history) throw new Error("an empty list is no history");
    for (const entry of history.entries) {
      names.add(fingerprint(entry.issuer));
      const key = keyCheckOf(entry, given);
      if (key.state === "no")
        throw new PeerageError("ERR_KEY_SUPERSEDED", `entry ${entry.digest}: its key ${key.text}`);
    }
    tips = history.tips;
  });
  const checks: Check[] = [
    whole.state === "ok" ? { ...whole, text: `${tokens.length} steps, each signed, each over the one before` } : whole,
    ...(whole.state === "ok" ? [passed("signers", [...names].join(" "))] : []),
    given.call === undefined
      ? notChecked("head", "no call proof at hand: --call <file>")
      : sameSet(given.call.head ?? [], tips)
        ? passed("head", "the call proof names exactly its tips")
        : failed("head", "the call proof names other tips", "ERR_HISTORY_INVALID"),
  ];
  const verdict = verdictOf(checks);
  return { type: "history", checks, verdict, summary: summaryOf(verdict), data: { entries: tokens.length, tips } };
}

/** The tips of a list of tokens as they stand: those to which no other refers. */
function tipsOf(tokens: readonly JsonValue[], given: Given): Digest[] {
  const entries = tokens.map((token) => parseEntry(token, keysOf(given)));
  const referred = new Set(entries.flatMap(({ prev }) => prev));
  return entries.map(({ digest }) => digest).filter((digest) => !referred.has(digest));
}

/** What `peerage call --receipt` and the demo keep: a call, its result and its receipt, complete for checking offline. */
export async function verifyCallRecord(record: JsonObject, given: Given): Promise<Verdict> {
  const { proof: token, request, result, receipt, server } = record;
  if (
    typeof token !== "string" ||
    typeof receipt !== "string" ||
    typeof server !== "string" ||
    !isJsonObject(request)
  ) {
    return broken(
      "call record",
      failed("form", "a call record has proof, request, server, receipt and result", "ERR_REQUEST_INVALID"),
    );
  }
  let call: CallProof;
  try {
    call = parseCallProof(token, keysOf(given));
  } catch (error) {
    return broken("call record", thrown("signature", error));
  }
  // Over stdio the caller signed for the server's DID, so the proof itself says who had to answer.
  const expected = given.server ?? (call.audience.startsWith("did:") ? (call.audience as Did) : undefined);
  const answer = await verifyEntry(receipt, { ...given, call, server: expected, result: result ?? undefined });
  const key = keyCheckOf(call, given);
  const checks = [
    key.state === "no"
      ? { ...key, name: "caller", text: `its key ${key.text}` }
      : passed("caller", `${fingerprint(call.issuer)} signed the call at ${rfc3339(call.issuedAt)}`),
    await check("request", `${what(call)} with exactly these arguments`, () =>
      checkCallMessage(call, subjectOf(request)),
    ),
    expected === undefined || call.audience === expected || call.audience.startsWith("http")
      ? passed("audience", `for ${visible(call.audience, 200)}`)
      : failed("audience", `for ${visible(call.audience, 200)}, not for ${expected}`, "ERR_PROOF_AUDIENCE"),
    ...answer.checks.map((one) => (one.name === "signature" ? { ...one, name: "receipt" } : one)),
  ];
  const verdict = verdictOf(checks);
  const data = {
    caller: call.issuer,
    server: expected,
    method: call.method,
    tool: call.tool,
    req: call.req,
    jti: call.jti,
  };
  return { type: "call record", checks, verdict, summary: summaryOf(verdict), data };
}

function proofTime(proof: CallProof, seconds: number): Check {
  if (seconds > proof.expiresAt + SKEW_SECONDS)
    return failed("time", `expired ${span(seconds - proof.expiresAt)} ago`, "ERR_PROOF_EXPIRED");
  if (proof.issuedAt > seconds + SKEW_SECONDS)
    return failed("time", `signed ${span(proof.issuedAt - seconds)} in the future`, "ERR_PROOF_NOT_YET_VALID");
  return passed("time", `signed ${rfc3339(proof.issuedAt)}, good until ${rfc3339(proof.expiresAt)}`);
}

function subjectOf(message: JsonObject | undefined): { method: string; params?: JsonValue } {
  const { method, params } = message ?? {};
  return { method: typeof method === "string" ? method : "", ...(params === undefined ? {} : { params }) };
}

function what({ method, tool }: Pick<CallProof, "method" | "tool">): string {
  return tool === undefined ? visible(method) : `${visible(method)} ${visible(tool)}`;
}

function broken(type: string, bad: Check): Verdict {
  return { type, checks: [bad], verdict: "invalid", summary: summaryOf("invalid") };
}

function summaryOf(verdict: Verdict["verdict"]): string {
  if (verdict === "valid") return "Authentic.";
  return verdict === "not-now" ? "Authentic, but not good here and now." : "Not authentic.";
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}
