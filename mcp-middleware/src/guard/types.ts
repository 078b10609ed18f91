import type {
  CallBinding as Binding,
  CallProof,
  Did,
  Digest,
  Entry,
  ErrorCode,
  GuardStep as Step,
  JsonObject,
  JsonValue,
  SpiffeId,
  Verified,
} from "@peerage/core";

export type { Binding, Step };

/** A JSON-RPC request, notification or response, exactly as parsed; never a batch. */
export type JsonRpcMessage = JsonObject;

/** What is known of the way a message came, beside its bytes. */
export interface Context {
  readonly transport: "stdio" | "http";
  /** One object per connection (a pipe, or an HTTP session); ids in flight and session bindings belong to it. */
  readonly connection: object;
  /** `Mcp-Session-Id` of the request, if any. */
  readonly session?: string;
  /** Reads a request header by lower-case name; undefined on stdio. A duplicated header is refused before this. */
  readonly header?: (name: string) => string | undefined;
  /** The TLS socket, by which an X.509-SVID is found that mutual TLS verified. */
  readonly socket?: object;
  /** Aborted when the client goes away. */
  readonly signal?: AbortSignal;
  /**
   * Sends a message of the guard's own to the client ahead of the answer, where the way it came allows that: a question
   * of a legacy session, progress.
   */
  readonly send?: (message: JsonRpcMessage) => void;
}

/** A caller whose proof was checked. */
export interface Caller {
  readonly did: Did;
  readonly kid: string;
  readonly binding: Binding;
  /** The score from this guard's roots in the policy's scope; a stranger is `"unknown"`, which is not 0. */
  readonly score: number | "unknown";
  /** The presented history, verified whole; empty if none was presented. */
  readonly history: readonly Verified<Entry>[];
  /** The SPIFFE ID that is bound to the DID; only a guard that verifies SPIFFE IDs knows one. */
  readonly spiffeId?: SpiffeId;
}

/** Everything that `settle` needs to answer for one admitted or refused message; opaque to adapters. */
export interface DecisionRecord {
  readonly id: string;
  readonly at: Date;
  readonly method: string;
  readonly tool?: string;
  /** JSON-RPC id, undefined for notifications. */
  readonly requestId?: string | number;
  readonly caller?: Caller;
  readonly proof?: Verified<CallProof>;
  readonly tips: readonly Digest[];
  readonly run?: string;
  /** Digest of the policy that decided. */
  readonly policy: Digest;
  /** The policy rule that admitted, if a rule did. */
  readonly rule?: string;
  /** The entries that counted for it. */
  readonly evidence: readonly Digest[];
  /** It was refused and went on all the same, because the guard only watches. */
  readonly isShadow?: true;
}

/** The verdict on one message. */
export type Admission =
  | {
      readonly admitted: true;
      /** The message to execute or forward: the verified object without any `dev.peerage/*` member of `_meta`. */
      readonly message: JsonRpcMessage;
      /** Absent only for the unsigned lifecycle set and for server-to-client replies on stdio. */
      readonly caller?: Caller;
      readonly decision: DecisionRecord;
    }
  | {
      readonly admitted: false;
      readonly step: Step;
      readonly reason: ErrorCode;
      /** The JSON-RPC answer, in the form of mcp.md section 4; absent for a notification on stdio. */
      readonly reply?: JsonRpcMessage;
      /** HTTP status for that answer. */
      readonly status: number;
      readonly decision?: DecisionRecord;
    };

/** What was decided, beside the record of what it was decided on. */
export type Verdict =
  | { readonly admitted: true }
  | {
      readonly admitted: false;
      readonly step: Step;
      readonly reason: ErrorCode;
      /** A finer word for the operator; never sent. */
      readonly detail?: string;
      /** It goes on all the same, because the guard only watches. */
      readonly isShadow?: true;
    };

/** Admits or refuses MCP messages; free of any SDK and transport. */
export interface Guard extends AsyncDisposable {
  readonly did: Did;
  /** The guard's DID and its configured URLs. */
  readonly audiences: ReadonlySet<string>;
  /** Adds an audience, e.g. the loopback URL once the port is known. */
  addAudience(url: string): void;
  /**
   * Parses raw text strictly and decides. Synchronous unless something must be awaited.
   * Never throws: an exception inside is a refusal with `ERR_GUARD_FAULT`.
   */
  admitText(text: string | Uint8Array, context: Context): Admission | Promise<Admission>;
  /** As `admitText` for an already parsed message (in process, where the object verified is the object executed). */
  admit(message: unknown, context: Context): Admission | Promise<Admission>;
  /**
   * Decides a message that has no `params`: legacy GET and DELETE, or a JSON-RPC response by POST. The proof is in the
   * header `Peerage-Call` over the synthetic message.
   */
  admitSynthetic(
    synthetic: { method: "http/get" | "http/delete" | "http/response"; params: JsonValue },
    context: Context,
  ): Admission | Promise<Admission>;
  /** Records a session id that the upstream gave, so that it can be bound to its first verified caller. */
  openSession(session: string, context: Context, caller: Caller | undefined): void;
  /**
   * Turns the upstream's response to an admitted request into the response to send: the same response with a receipt in
   * `result._meta` or `error.data`, and with filtered lists and the advertisement where they apply.
   */
  settle(decision: DecisionRecord, response: JsonRpcMessage): Promise<JsonRpcMessage>;
  /**
   * Called when an admitted request will get no response: abandoned, cancelled or failed upstream. `unsent`: not a byte
   * reached the server, so approval and budget are given back.
   */
  abandon(decision: DecisionRecord, outcome: "abandoned" | "cancelled" | "errored" | "unsent"): void;
}
