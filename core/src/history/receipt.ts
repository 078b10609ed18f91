import type { CallProof } from "../call/proof.ts";
import { resultDigest } from "../call/request.ts";
import type { Did } from "../did/did-key.ts";
import type { Signer } from "../did/identity.ts";
import { isPeerageError, PeerageError } from "../errors.ts";
import type { Digest } from "../json/digest.ts";
import { type JsonValue, member } from "../json/types.ts";
import type { KeyOptions } from "../jws/compact.ts";
import type { Verified } from "../verified.ts";
import { type Entry, generateRun, parseEntryOnce, signEntry } from "./entry.ts";

/** How a call ended; `pending`: it was refused until a person has approved it. */
export type ReceiptResult = "executed" | "errored" | "refused" | "pending";

/** What a receipt attests. */
export interface IssueReceiptOptions {
  /** The verified proof of the call that is answered. */
  readonly call: CallProof;
  readonly result: ReceiptResult;
  /** The JSON-RPC result, of which the digest without `_meta` is attested; absent for a refusal or a JSON-RPC error. */
  readonly response?: JsonValue | undefined;
  /** The digest of the result, where it is known already; instead of `response`. */
  readonly responseDigest?: Digest | undefined;
  /** The entries that counted for the decision; a receipt names at most 16 of them. */
  readonly used?: readonly Digest[] | undefined;
  /** Unix seconds; of `pending`: until when it may be approved. */
  readonly exp?: number | undefined;
  /** Digest of the policy that decided. */
  readonly policy: Digest;
  /** Tips of the presented history. */
  readonly tips: readonly Digest[];
  /** The run of the presented history; a receipt without one begins a run. */
  readonly run?: string | undefined;
  readonly now?: Date;
}

/** Signs the receipt of one call: the entry that a tool server adds to its caller's history. */
export function issueReceipt(signer: Signer, options: IssueReceiptOptions): Promise<string> {
  const { call, response, used = [] } = options;
  const res = options.responseDigest ?? (response === undefined ? undefined : resultDigest(response));
  return signEntry(signer, {
    run: options.run ?? generateRun(),
    prev: options.tips,
    step: stepOf(options.result),
    result: options.result,
    req: call.req,
    call: call.jti,
    tool: call.tool,
    aud: call.issuer,
    sub: {
      policy: options.policy,
      ...(res === undefined ? {} : { res }),
      ...(used.length === 0 ? {} : { used: used.slice(0, MAX_USED) }),
    },
    exp: options.exp,
    now: options.now,
  });
}

/** What a receipt has room for beside its other facts. */
const MAX_USED = 16;

function stepOf(result: string): "tool_call" | "approval_request" {
  return result === "pending" ? "approval_request" : "tool_call";
}

/** The call that a receipt has to answer, as its caller knows it. */
export interface VerifyReceiptContext extends KeyOptions {
  /** The server that was called: its pinned DID, never one that the receipt names. */
  readonly server: Did;
  readonly call: Pick<CallProof, "jti" | "req"> & { readonly tool?: string | undefined };
  /** Tips of the history that was presented with the call. */
  readonly prev: readonly Digest[];
  /** The result that arrived; undefined or null for an error. */
  readonly result?: JsonValue | undefined;
}

/**
 * Checks that a receipt is this server's word on this very call, request, tool, history and result.
 * @throws {PeerageError} ERR_RECEIPT_INVALID
 */
export function verifyReceipt(token: unknown, context: VerifyReceiptContext): Verified<Entry> {
  const receipt = readReceipt(token, context);
  const invalid = (detail: string): PeerageError =>
    new PeerageError("ERR_RECEIPT_INVALID", `the receipt does not belong to this call: ${detail}`, { detail });
  if (receipt.issuer !== context.server) throw invalid("issuer");
  if (receipt.step !== stepOf(receipt.result)) throw invalid("step");
  if (receipt.call !== context.call.jti) throw invalid("call");
  if (receipt.req !== context.call.req) throw invalid("req");
  if (receipt.tool !== context.call.tool) throw invalid("tool");
  if (receipt.prev.length !== context.prev.length || !context.prev.every((tip) => receipt.prev.includes(tip))) {
    throw invalid("prev");
  }
  const attested = member(receipt.sub, "res");
  if (attested !== undefined && (context.result == null || attested !== digestOf(context.result))) {
    throw invalid("result");
  }
  return receipt;
}

/** A server may send what has no digest (a lone surrogate, 1e400, bottomless nesting); then no digest is its digest. */
function digestOf(result: JsonValue): Digest | undefined {
  try {
    return resultDigest(result);
  } catch {
    return undefined;
  }
}

function readReceipt(token: unknown, options: KeyOptions): Verified<Entry> {
  try {
    return parseEntryOnce(token, options);
  } catch (cause) {
    if (!isPeerageError(cause)) throw cause;
    throw new PeerageError("ERR_RECEIPT_INVALID", `the receipt does not verify: ${cause.message}`, {
      detail: cause.detail ?? cause.code,
      cause,
    });
  }
}
