import { createHmac, timingSafeEqual } from "node:crypto";
import {
  type Did,
  type Digest,
  fromBase64url,
  fromUtf8,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  member,
  parseJson,
  PeerageError,
  requestDigest,
  toBase64url,
  unixSeconds,
  without,
} from "@peerage/core";

/** The name of our question among an answer's `inputRequests` and `inputResponses`. */
export const APPROVAL_INPUT = "peerage.approval";
const PREFIX = "peerage1.";
/** A state beyond this goes on no round trip. */
const MAX_STATE_BYTES = 16_384;

/** What a caller carries from the question to the retry; the guard keeps nothing of it but the key. */
export interface RequestState {
  readonly guard: Did;
  readonly caller: Did;
  readonly req: Digest;
  /** The item. */
  readonly item: string;
  /** Unix seconds. */
  readonly exp: number;
  /** How often it was asked. */
  readonly round: number;
  /** What the server behind the guard had asked before, to be put back. */
  readonly upstream?: { readonly requestState?: JsonValue; readonly inputResponses?: JsonValue };
}

/** A request as it was before it was asked about, and what our state said of it. */
export interface Unwrapped {
  readonly params: JsonObject;
  readonly state?: RequestState;
}

/** Seals states with an HMAC, so that a caller can carry and not change them. Replicas share the key. */
export class RequestStates {
  readonly #key: Uint8Array;

  /** @param key 32 random bytes */
  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new RangeError("the key of a request state has 32 bytes");
    this.#key = key;
  }

  /** The text of a state; undefined if what the server had asked is too long to carry. */
  seal(state: RequestState): string | undefined {
    const body = toBase64url(Buffer.from(JSON.stringify(state)));
    const text = `${PREFIX}${body}.${toBase64url(this.#mac(body))}`;
    return text.length > MAX_STATE_BYTES ? undefined : text;
  }

  /**
   * Takes our own members out of a retry and puts back what the server behind the guard had asked. A message without any
   * of ours stays as it is.
   * @throws {PeerageError} ERR_APPROVAL_INVALID for a state that is altered, expired, another guard's or caller's, for
   *   another request, or missing beside an answer to our question
   */
  unwrap(method: string, params: JsonObject, expected: { guard: Did; caller: Did; now: Date }): Unwrapped {
    const text = member(params, "requestState");
    const responses = member(params, "inputResponses");
    const isAnswered = isJsonObject(responses) && Object.hasOwn(responses, APPROVAL_INPUT);
    if (typeof text !== "string" || !text.startsWith(PREFIX)) {
      if (isAnswered) throw invalid("no-state");
      return { params };
    }
    const state = this.#open(text);
    if (state.guard !== expected.guard) throw invalid("guard");
    if (state.caller !== expected.caller) throw invalid("caller");
    if (unixSeconds(expected.now) >= state.exp) throw invalid("expired");
    const original = restore(params, state.upstream);
    if (requestDigest(method, original) !== state.req) throw invalid("request");
    return { params: original, state };
  }

  #open(text: string): RequestState {
    const [body = "", mac = "", ...rest] = text.slice(PREFIX.length).split(".");
    try {
      const given = fromBase64url(mac);
      const wanted = this.#mac(body);
      if (rest.length > 0 || given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw invalid("mac");
      // What the HMAC covers, this guard or a replica wrote.
      return parseJson(fromUtf8(fromBase64url(body))) as unknown as RequestState;
    } catch (cause) {
      throw cause instanceof PeerageError && cause.code === "ERR_APPROVAL_INVALID" ? cause : invalid("form");
    }
  }

  #mac(body: string): Uint8Array {
    return createHmac("sha256", this.#key).update(`peerage-request-state\n${body}`).digest();
  }
}

function restore(params: JsonObject, upstream: RequestState["upstream"]): JsonObject {
  const responses = member(params, "inputResponses");
  const others = isJsonObject(responses) ? without(responses, APPROVAL_INPUT) : undefined;
  const kept = others !== undefined && Object.keys(others).length > 0 ? others : upstream?.inputResponses;
  return {
    ...without(without(params, "requestState"), "inputResponses"),
    ...(upstream?.requestState === undefined ? {} : { requestState: upstream.requestState }),
    ...(kept === undefined ? {} : { inputResponses: kept }),
  };
}

function invalid(detail: string): PeerageError {
  return new PeerageError("ERR_APPROVAL_INVALID", "the request state is not one that this guard gave for this call", {
    detail,
  });
}
