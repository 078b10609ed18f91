import {
  BINDING_META,
  CALL_META,
  type CallSubject,
  canonicalAudience,
  type Did,
  type Digest,
  type Entry,
  HISTORY_META,
  isJsonObject,
  isPeerageError,
  type JsonObject,
  type JsonValue,
  member,
  type MultibaseKey,
  parseDid,
  PeerageError,
  RECEIPT_META,
  signCall,
  type Signer,
  toolOf,
  type Verified,
  verifyReceipt,
} from "@peerage/core";
import { VOUCHES_META } from "../guard/presented.ts";
import { AgentRun } from "./agent-run.ts";
import { HistoryChain, type PresentedHistory } from "./chain.ts";
import { commandEndpoint, MemoryPinStore, type PinStore } from "./pins.ts";
import { MemoryReceiptStore, type ReceiptStore } from "./receipts.ts";

/** The server that is called: by URL over HTTP, or by the command that starts it. */
export type Endpoint = { readonly url: string | URL } | { readonly command: string; readonly args: readonly string[] };

/** Who signs, for which server, and what becomes of its receipts. */
export interface CallSignerOptions {
  readonly signer: Signer;
  readonly endpoint: Endpoint;
  /** The server's DID where it is known beforehand; otherwise it is learned at first contact and pinned. */
  readonly server?: Did;
  readonly pins?: PinStore;
  readonly receipts?: ReceiptStore;
  /**
   * `chain`: receipts become the history of the next calls. A run: it is presented with each call, by every signer that
   * shares it, and takes in receipts and the entries that a server returns. By default calls carry none.
   */
  readonly history?: "none" | "chain" | AgentRun;
  /** Entries to present from the first call on, for example an approval; with `history: "chain"`. */
  readonly entries?: readonly string[];
  /** What binds the signer's DID to a SPIFFE ID, beside every proof: `Binder.current`. Without one calls go without. */
  readonly binding?: (() => Promise<JsonObject | undefined>) | undefined;
  /** Vouches to present beside every proof, for a server that takes them: signed documents, at most 16. */
  readonly vouches?: readonly JsonObject[] | undefined;
  /**
   * The keys that have stood behind a server, as a followed log tells (`View.keysOf`). Asked when a receipt names another
   * key than the first of its DID, at most once a minute; without it the receipts of a server that rotated its key are
   * reported as invalid.
   */
  readonly keysOf?: ((did: Did) => Promise<readonly MultibaseKey[]>) | undefined;
  /** 1 to 300; 60 by default. */
  readonly lifetimeSeconds?: number;
  readonly now?: () => Date;
  /** ERR_RECEIPT_INVALID, ERR_AUDIENCE_CHANGED, ERR_HISTORY_TOO_LONG, or what could not be kept: what a user should hear of. */
  readonly onReport?: (error: PeerageError) => void;
}

/** Signs the messages of one client to one server, and keeps what the server answers for. */
export interface CallSigner {
  readonly did: Did;
  /** What the next proof is made for; undefined before the first contact with a stdio server. */
  readonly audience: string | undefined;
  /** True if what the server answers becomes the history of the next calls. */
  readonly presentsHistory: boolean;
  /**
   * The message with a fresh proof in `params._meta`. Left as it is: a response, a message that carries a proof already,
   * and what is sent before a stdio server has named itself.
   * @throws {PeerageError} ERR_AUDIENCE_CHANGED; nothing is signed from then on
   */
  sign(message: JsonObject): Promise<JsonObject>;
  /**
   * A proof for the header `Peerage-Call`, for what has no `params`: GET, DELETE and JSON-RPC responses by POST.
   * @throws {PeerageError} ERR_AUDIENCE_CHANGED
   */
  signHeader(subject: CallSubject): Promise<string | undefined>;
  /**
   * Looks at a message of the server: learns whom it is from, verifies and keeps its receipt. Changes nothing in it and
   * never throws: a done call is not turned into an error by what could not be kept, which is reported.
   */
  received(message: JsonValue): void;
  /** Settles when everything received so far was kept or reported: a receipt by a rotated key waits for `keysOf`. */
  settled(): Promise<void>;
}

interface Sent {
  readonly method: string;
  readonly tool?: string;
  readonly proof?: { readonly jti: string; readonly req: Digest };
  readonly prev: readonly Digest[];
}

const LIFECYCLE = new Set(["initialize", "server/discover"]);
const REMEMBERED_REQUESTS = 4_096;
/** A server that invents keys must not make its callers read the log at every answer. */
const KEYS_ASKED_EVERY_MS = 60_000;

/**
 * Makes the signer for one server.
 * @throws {TypeError} if a URL is not http(s)
 * @throws {PeerageError} ERR_DID_INVALID if the server's DID, given or pinned, is not acceptable
 */
export function createCallSigner(options: CallSignerOptions): CallSigner {
  return new EndpointSigner(options);
}

class EndpointSigner implements CallSigner {
  readonly #options: CallSignerOptions;
  readonly #endpoint: string;
  readonly #url: string | undefined;
  readonly #pins: PinStore;
  readonly #receipts: ReceiptStore;
  readonly #now: () => Date;
  readonly #sent = new Map<string, Sent>();
  readonly #run: AgentRun | undefined;
  #chain: HistoryChain | undefined;
  #server: Did | undefined;
  #stopped: PeerageError | undefined;
  #serverKeys: readonly MultibaseKey[] = [];
  #keysAskedAt = -Infinity;
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: CallSignerOptions) {
    const { endpoint } = options;
    this.#options = options;
    this.#url = "url" in endpoint ? canonicalAudience(endpoint.url) : undefined;
    this.#endpoint =
      "url" in endpoint ? canonicalAudience(endpoint.url) : commandEndpoint(endpoint.command, endpoint.args);
    this.#pins = options.pins ?? new MemoryPinStore();
    this.#receipts = options.receipts ?? new MemoryReceiptStore();
    this.#now = options.now ?? (() => new Date());
    const server = options.server ?? this.#pins.get(this.#endpoint)?.did;
    this.#server = server === undefined ? undefined : parseDid(server);
    if (options.history instanceof AgentRun) {
      if (options.history.did !== options.signer.did) throw new TypeError("the run is carried by another identity");
      if (options.entries) throw new TypeError("the entries of a run are in it already");
      this.#run = options.history;
    }
    if (options.history === "chain") this.#chain = new HistoryChain(options.entries);
  }

  get did(): Did {
    return this.#options.signer.did;
  }

  /** Over HTTP the URL that was dialled, never one that a server names. */
  get audience(): string | undefined {
    return this.#url ?? this.#server;
  }

  get presentsHistory(): boolean {
    return this.#chain !== undefined || this.#run !== undefined;
  }

  async sign(message: JsonObject): Promise<JsonObject> {
    if (this.#stopped) throw this.#stopped;
    const { method, id } = message;
    const params = message["params"] ?? {};
    if (typeof method !== "string" || !isJsonObject(params)) return message;
    const meta = member(params, "_meta") ?? {};
    if (!isJsonObject(meta) || Object.hasOwn(meta, CALL_META)) return message;
    const tool = toolOf(method, params);
    const { audience } = this;
    if (audience === undefined) {
      this.#remember(id, { method, prev: [] });
      return message;
    }
    const history = await this.#history(method);
    const binding = await this.#options.binding?.();
    const token = await this.#prove({ method, params }, audience, history?.tips);
    this.#remember(id, {
      method,
      ...(tool === undefined ? {} : { tool }),
      proof: claimsOf(token),
      prev: history?.tips ?? [],
    });
    const added = {
      [CALL_META]: token,
      ...(history ? { [HISTORY_META]: history.tokens } : {}),
      ...(binding ? { [BINDING_META]: binding } : {}),
      ...(this.#options.vouches?.length ? { [VOUCHES_META]: this.#options.vouches } : {}),
    };
    return { ...message, params: { ...params, _meta: { ...meta, ...added } } };
  }

  async signHeader(subject: CallSubject): Promise<string | undefined> {
    if (this.#stopped) throw this.#stopped;
    return this.audience === undefined ? undefined : await this.#prove(subject, this.audience);
  }

  received(message: JsonValue): void {
    if (!isJsonObject(message) || Object.hasOwn(message, "method")) return;
    const id = message["id"];
    if (typeof id !== "string" && typeof id !== "number") return;
    const key = keyOf(id);
    const sent = this.#sent.get(key);
    if (!sent) return;
    this.#sent.delete(key);
    try {
      if (LIFECYCLE.has(sent.method)) this.#meet(message);
      this.#keepReceipt(sent, message);
    } catch (cause) {
      if (this.#mayBeRotated(cause)) this.#keeping = this.#keeping.then(() => this.#keepByOtherKey(sent, message));
      else this.#notKept(cause);
    }
  }

  settled(): Promise<void> {
    return this.#keeping;
  }

  #notKept(cause: unknown): void {
    const why = cause instanceof Error ? cause.message : "unknown";
    this.#report(
      isPeerageError(cause) ? cause : new PeerageError("ERR_INTERNAL", `an answer was not kept: ${why}`, { cause }),
    );
  }

  #mayBeRotated(cause: unknown): boolean {
    return this.#options.keysOf !== undefined && isPeerageError(cause, "ERR_RECEIPT_INVALID") && cause.detail === "kid";
  }

  /** Once more, with the keys that the log knows by now. */
  async #keepByOtherKey(sent: Sent, message: JsonObject): Promise<void> {
    try {
      const now = this.#now().getTime();
      if (this.#server !== undefined && now - this.#keysAskedAt >= KEYS_ASKED_EVERY_MS) {
        this.#keysAskedAt = now;
        this.#serverKeys = await this.#keysOf(this.#server);
      }
      this.#keepReceipt(sent, message);
    } catch (cause) {
      this.#notKept(cause);
    }
  }

  /** A receipt that cannot be checked is no valid one, whatever keeps it from being so. */
  async #keysOf(server: Did): Promise<readonly MultibaseKey[]> {
    try {
      return (await this.#options.keysOf?.(server)) ?? [];
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : "unknown";
      throw new PeerageError(
        "ERR_RECEIPT_INVALID",
        `the receipt's key is not the first of its server, and what others there are cannot be read: ${why}`,
        { detail: "kid", cause },
      );
    }
  }

  #prove(message: CallSubject, audience: string, head?: readonly Digest[]): Promise<string> {
    const { signer, lifetimeSeconds } = this.#options;
    return signCall(signer, {
      audience,
      message,
      now: this.#now(),
      ...(head === undefined ? {} : { head }),
      ...(lifetimeSeconds === undefined ? {} : { lifetimeSeconds }),
    });
  }

  #remember(id: JsonValue | undefined, sent: Sent): void {
    if (typeof id !== "string" && typeof id !== "number") return;
    this.#sent.set(keyOf(id), sent);
    // Cancelled requests are never answered; the oldest go first.
    const [oldest] = this.#sent.keys();
    if (this.#sent.size > REMEMBERED_REQUESTS && oldest !== undefined) this.#sent.delete(oldest);
  }

  async #history(method: string): Promise<PresentedHistory | undefined> {
    // To say hello, or to ask what there is, is no step of a run. Without a history no receipt is waited for.
    if (!this.presentsHistory || (this.#run && !isStep(method))) return undefined;
    await this.#keeping;
    if (this.#run) return await this.#run.present();
    if (this.#chain?.full) {
      this.#report(
        new PeerageError("ERR_HISTORY_TOO_LONG", "the history is full: a new run begins with the next call"),
      );
      this.#chain = new HistoryChain();
    }
    return await this.#chain?.present(this.#options.signer, this.#now());
  }

  /** Reads who the server says it is. Only the answer to `initialize` or `server/discover` can tell: no refusal can. */
  #meet(message: JsonObject): void {
    const extensions = member(member(member(message, "result"), "capabilities"), "extensions");
    const did = advertisedDid(member(member(extensions, CALL_META), "aud"));
    if (did === undefined || did === this.#server) return;
    if (this.#server !== undefined) {
      this.#stop(`it says to be ${did}, but ${this.#endpoint} was known as ${this.#server}`);
      return;
    }
    const elsewhere = this.#pins.endpointsOf(did).find((endpoint) => endpoint !== this.#endpoint);
    // Over HTTP the URL is signed, so a server that names another's DID gains nothing by it. Over a pipe it could pass
    // our calls on.
    if (this.#url === undefined && elsewhere !== undefined) {
      this.#stop(`it says to be ${did}, which is known as ${elsewhere}`);
      return;
    }
    this.#server = did;
    this.#pins.put({ endpoint: this.#endpoint, did, at: this.#now().toISOString() });
  }

  #stop(why: string): void {
    this.#stopped = new PeerageError(
      "ERR_AUDIENCE_CHANGED",
      `the server's identity is not the expected one: ${why}. Nothing is signed until you accept it.`,
    );
    this.#report(this.#stopped);
  }

  #keepReceipt(sent: Sent, message: JsonObject): void {
    const result = member(message, "result");
    const token =
      member(member(result, "_meta"), RECEIPT_META) ?? member(member(member(message, "error"), "data"), "receipt");
    if (token === undefined || !sent.proof) return;
    if (this.#server === undefined) {
      throw new PeerageError("ERR_RECEIPT_INVALID", "the receipt's server is not known", { detail: "issuer" });
    }
    const { jti, req } = sent.proof;
    const call = { jti, req, ...(sent.tool === undefined ? {} : { tool: sent.tool }) };
    const keysOf = (): readonly MultibaseKey[] => this.#serverKeys;
    const receipt = verifyReceipt(token, { server: this.#server, call, prev: sent.prev, result, keysOf });
    this.#chain?.add(receipt);
    this.#receipts.append({
      token: receipt.token,
      endpoint: this.#endpoint,
      method: sent.method,
      ...(sent.tool === undefined ? {} : { tool: sent.tool }),
      receivedAt: this.#now().toISOString(),
    });
    if (this.#run && isStep(sent.method)) this.#goOn(this.#run, receipt, member(member(result, "_meta"), HISTORY_META));
  }

  /** Takes the receipt into the run, and what the server's agent and those behind it signed meanwhile. */
  #goOn(run: AgentRun, receipt: Verified<Entry>, returned: JsonValue | undefined): void {
    if (!run.addReceipt(receipt)) {
      throw new PeerageError("ERR_RECEIPT_INVALID", "the receipt does not fit into the run", { detail: "run" });
    }
    if (Array.isArray(returned)) run.merge(returned.filter((token: JsonValue) => typeof token === "string"));
  }

  #report(error: PeerageError): void {
    this.#options.onReport?.(error);
  }
}

function isStep(method: string): boolean {
  return method === "tools/call" || method === "prompts/get" || method === "resources/read";
}

function keyOf(id: string | number): string {
  return typeof id === "string" ? `s${id}` : `n${id}`;
}

/** The one DID in an advertised list of audiences; a list with two is no identity. */
function advertisedDid(audiences: JsonValue | undefined): Did | undefined {
  if (!Array.isArray(audiences)) return undefined;
  const dids = audiences.filter((audience: JsonValue) => typeof audience === "string" && audience.startsWith("did:"));
  if (dids.length !== 1) return undefined;
  try {
    return parseDid(dids[0]);
  } catch {
    return undefined;
  }
}

/** `jti` and `req` of a token that was just made here. */
function claimsOf(token: string): { readonly jti: string; readonly req: Digest } {
  const part = token.split(".")[1] ?? "";
  return JSON.parse(Buffer.from(part, "base64url").toString()) as { readonly jti: string; readonly req: Digest };
}
