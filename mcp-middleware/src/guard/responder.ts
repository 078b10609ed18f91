import {
  type Digest,
  generateRun,
  isJsonObject,
  issueReceipt,
  MAX_CALL_LIFETIME_SECONDS,
  member,
  type Policy,
  type PolicyInput,
  resultDigest,
  type Signer,
} from "@peerage/core";
import { copyJson } from "./json-value.ts";
import { couldUse } from "./policy.ts";
import { advertise, filterList, isAdvertised, isErrored, isList } from "./results.ts";
import type { DecisionRecord, JsonRpcMessage } from "./types.ts";

/** What a decision was made on, as far as its response depends on it. */
export interface DecidedOn {
  readonly policy: Policy | undefined;
  readonly input: PolicyInput | undefined;
  readonly isModern: boolean;
}

export interface ResponderOptions {
  readonly identity: Signer;
  readonly audiences: ReadonlySet<string>;
  readonly receipts: boolean;
  readonly isShadow: () => boolean;
  readonly now: () => Date;
  readonly alarm: (problem: unknown) => void;
}

/** Makes of a server's response what its caller gets: advertisement and filtered lists; and signs the receipt of it. */
export class Responder {
  readonly #options: ResponderOptions;

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /** The receipt of a refusal: the one that there is, or one made now. */
  async refusal(
    decision: DecisionRecord,
    reply: JsonRpcMessage,
    made: string | undefined,
  ): Promise<string | undefined> {
    const known = this.#options.receipts ? made : undefined;
    return known ?? (await this.receipt(decision, reply, { result: "refused" }));
  }

  /** A done call is never turned into an error: a receipt that cannot be made is an alarm, and undefined. */
  async receipt(
    decision: DecisionRecord,
    response: JsonRpcMessage,
    options: { readonly result?: "refused"; readonly res?: Digest | undefined } = {},
  ): Promise<string | undefined> {
    const { proof, policy, tips, run, evidence } = decision;
    const { identity, receipts, now, alarm } = this.#options;
    const { result, res } = options;
    if (!proof || !receipts) return undefined;
    try {
      return await issueReceipt(identity, {
        call: proof,
        result: result ?? (isErrored(response) ? "errored" : "executed"),
        responseDigest: res ?? digestOf(response),
        used: evidence,
        policy,
        tips,
        run: run ?? generateRun(),
        now: now(),
      });
    } catch (problem) {
      alarm(problem);
      return undefined;
    }
  }

  /** Advertisement and filtered lists; other responses stay as they are. */
  shape(decision: DecisionRecord, on: DecidedOn | undefined, response: JsonRpcMessage): JsonRpcMessage {
    const { method, requestId } = decision;
    const { audiences, receipts, now, alarm } = this.#options;
    const isShadow = this.#options.isShadow();
    if (isAdvertised(method)) {
      const aud = [...audiences];
      const maxAgeSeconds = MAX_CALL_LIFETIME_SECONDS;
      return advertise(response, {
        v: 1,
        aud,
        required: !isShadow,
        maxAgeSeconds,
        history: true,
        receipts,
        mode: isShadow ? "shadow" : "enforce",
      });
    }
    if (!isList(method) || isShadow || decision.isShadow) return response;
    try {
      const { policy, input, isModern = false } = on ?? {};
      return filterList(method, response, isModern, (use, target) => {
        return policy !== undefined && input !== undefined && couldUse(policy, input, use, target);
      });
    } catch (error) {
      alarm(error);
      const message = "Refused (ERR_GUARD_FAULT): the server's list cannot be read and filtered.";
      const data = { reason: "ERR_GUARD_FAULT", retryable: false, now: now().toISOString() };
      return { jsonrpc: "2.0", id: requestId ?? null, error: { code: -31500, message, data } };
    }
  }
}

/**
 * The empty result of `ping`, `logging/setLevel` and the like, which stays `{}`: clients, the official conformance suite
 * among them, take any member of it for a mistake. A tool's result is receipted whatever it is.
 */
export function isEmptyResult(decision: DecisionRecord, response: JsonRpcMessage): boolean {
  const result = member(response, "result");
  return decision.method !== "tools/call" && isJsonObject(result) && Object.keys(result).length === 0;
}

/**
 * The digest of a result without its `_meta`; undefined for an error, and for a result that not every reader digests
 * alike, because a number in it does not survive a round trip.
 */
export function digestOf(response: JsonRpcMessage): Digest | undefined {
  try {
    const result = member(response, "result");
    return result === undefined ? undefined : resultDigest(copyJson(result));
  } catch {
    return undefined;
  }
}
