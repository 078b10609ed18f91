import { setMaxListeners } from "node:events";
import type { IncomingMessage } from "node:http";
import { CALL_META, isJsonObject, type JsonObject, type JsonValue, member, networkReason } from "@peerage/core";
import { CALL_HEADER, responseSubject, streamSubject } from "../sign/sign-fetch.ts";
import type { HostSide, ServerUrl } from "./bridge.ts";
import { isSessionLost, oneLine, parse, proofHeader } from "./bridge-text.ts";
import { type ExitStatus, nextSignal } from "./child.ts";
import { mediaType } from "./http-headers.ts";
import { HttpEndpoint, readAll } from "./http-post.ts";
import { idKey, idOf, isResponse, methodOf, type RequestId, upstreamReply } from "./json-rpc.ts";
import { modernVersion, standardHeaders } from "./mcp-headers.ts";
import { pause } from "./pause.ts";
import { parseSseEvent, SseSplitter } from "./sse.ts";
import { ToolHeaders } from "./tool-headers.ts";

const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const MAX_RESUMES = 5;
/** A server may ask for more patience; a timer beyond 2^31 ms would fire at once. */
const MAX_RETRY_MS = 600_000;
const CLOSE_TIMEOUT_MS = 1_000;

/** Bridges a stdio host to a Streamable HTTP endpoint, of which it is the one HTTP client. */
export async function bridgeToUrl(
  host: HostSide,
  options: ServerUrl & { readonly signals?: boolean },
): Promise<ExitStatus> {
  const bridge = new UrlBridge(host, options);
  const stop = options.signals === false ? undefined : nextSignal();
  host.start((signed, original) => bridge.send(signed, original));
  const signal = await Promise.race([host.left.then(() => bridge.drained()), ...(stop ? [stop.signal] : [])]);
  stop?.[Symbol.dispose]();
  await bridge.close();
  await host.close((id) => upstreamReply(id, "the bridge has ended."));
  return signal === undefined ? { code: 0, signal: null } : { code: null, signal };
}

/** Where a stream stands, and how long to wait before it is resumed. */
interface Cursor {
  lastEventId?: string;
  retryMs: number;
}

class UrlBridge {
  readonly #host: HostSide;
  readonly #endpoint: HttpEndpoint;
  readonly #fixedHeaders: Readonly<Record<string, string>>;
  readonly #tools: ToolHeaders;
  readonly #stop = new AbortController();
  readonly #requests = new Map<string, { readonly abort: AbortController; readonly modern: boolean }>();
  readonly #responses = new Set<IncomingMessage>();
  /** Later messages wait for it: `initialize` until its answer is here, `initialized` until it is accepted. */
  #gate: Promise<void> = Promise.resolve();
  #session: string | undefined;
  #version: string | undefined;
  #initialize: JsonObject | undefined;
  #renewing: Promise<void> | undefined;
  /** A hop on the way strips `_meta`: proofs go into the header as well. */
  #proofInHeader = false;
  readonly #staysInMeta: boolean;

  constructor(host: HostSide, options: ServerUrl) {
    this.#host = host;
    // Any number of notifications may be on their way at once.
    setMaxListeners(0, this.#stop.signal);
    this.#endpoint = new HttpEndpoint(new URL(options.url), options.agent);
    this.#fixedHeaders = options.headers ?? {};
    this.#staysInMeta = options.keepProofInMeta === true;
    this.#tools = new ToolHeaders(host.log);
    host.onPressure((full) => {
      for (const response of this.#responses) {
        if (full) response.pause();
        else response.resume();
      }
    });
  }

  /** Takes one message of the host. Settles at once, except that nothing overtakes the handshake. */
  async send(signed: JsonObject, original: JsonObject): Promise<void> {
    await this.#gate;
    const method = methodOf(original);
    if (method === undefined) {
      void this.#answerServer(original);
      return;
    }
    if (method === "notifications/cancelled" && this.#cancel(original)) return;
    const done = this.#exchange(signed, original).catch((error: unknown) => this.#failed(original, error));
    if (method !== "initialize" && method !== "notifications/initialized") return;
    this.#gate = done;
    if (method === "initialize") this.#initialize = original;
    else void done.then(() => this.#listen());
  }

  /** Settles when the host waits for nothing, or nobody is left to wait. */
  async drained(): Promise<undefined> {
    const parent = process.ppid;
    await this.#host.signed();
    while (this.#host.busy && process.ppid === parent) await pause(10);
    return undefined;
  }

  /** Ends the session with DELETE and gives up what is running. */
  async close(): Promise<void> {
    this.#stop.abort();
    for (const { abort } of this.#requests.values()) abort.abort();
    if (this.#session !== undefined) {
      const subject = streamSubject("DELETE", (name) => (name === "mcp-session-id" ? this.#session : undefined));
      await this.#host.signer
        .signHeader(subject)
        .then((proof) =>
          this.#endpoint.request(
            "DELETE",
            { ...this.#headers(), ...(proof === undefined ? {} : { [CALL_HEADER]: proof }) },
            { signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) },
          ),
        )
        .then((response) => void response.resume())
        .catch(() => undefined);
    }
    this.#endpoint.close();
  }

  /** A modern request is cancelled by closing its stream; true if that was done and nothing is to be sent. */
  #cancel(notification: JsonObject): boolean {
    const id = member(notification["params"], "requestId");
    if (typeof id !== "string" && typeof id !== "number") return false;
    const running = this.#requests.get(idKey(id));
    this.#host.forget(id);
    if (!running?.modern) return false;
    running.abort.abort();
    return true;
  }

  #headers(): Record<string, string> {
    return {
      ...this.#fixedHeaders,
      ...(this.#session === undefined ? {} : { "mcp-session-id": this.#session }),
      ...(this.#version === undefined ? {} : { "mcp-protocol-version": this.#version }),
    };
  }

  #post(body: JsonObject, signal: AbortSignal, extra: Readonly<Record<string, string>> = {}): Promise<IncomingMessage> {
    const headers = {
      ...this.#headers(),
      ...standardHeaders(body),
      ...this.#tools.headersOf(body),
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(this.#proofInHeader ? proofHeader(body) : {}),
      ...extra,
    };
    return this.#endpoint.request("POST", headers, { body: JSON.stringify(body), signal });
  }

  /** Sends one request or notification and sees to its answer. */
  async #exchange(signed: JsonObject, original: JsonObject, isRetry = false): Promise<void> {
    const id = idOf(original);
    const abort = new AbortController();
    if (this.#stop.signal.aborted) abort.abort();
    const modern = modernVersion(original) !== undefined;
    const signal = id === undefined ? this.#stop.signal : abort.signal;
    if (id !== undefined) this.#requests.set(idKey(id), { abort, modern });
    try {
      const session = this.#session;
      const response = await this.#post(signed, signal);
      const status = response.statusCode ?? 0;
      if (status < 200 || status >= 300) {
        const text = (await readAll(response, MAX_ANSWER_BYTES).catch(() => Buffer.alloc(0))).toString();
        if (session === undefined || modern || isRetry || !isSessionLost(status, text)) {
          this.#refused(text, id, status);
          return;
        }
        await this.#renew(session);
        await this.#exchange(await this.#host.signer.sign(original), original, true);
        return;
      }
      if (methodOf(original) === "initialize") this.#opened(response);
      await this.#receive(response, original, signal);
    } finally {
      if (id !== undefined) this.#requests.delete(idKey(id));
    }
  }

  #opened(response: IncomingMessage): void {
    const session = response.headers["mcp-session-id"];
    this.#session = typeof session === "string" ? session : undefined;
  }

  /** The server has forgotten the session: the handshake is played again, for all who wait, once. */
  #renew(lost: string): Promise<void> {
    if (this.#session !== lost) return this.#renewing ?? Promise.resolve();
    this.#renewing ??= this.#replayHandshake().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #replayHandshake(): Promise<void> {
    if (!this.#initialize) throw new Error("the session is gone");
    this.#host.log("the server has forgotten the session; a new one is opened");
    this.#session = undefined;
    this.#version = undefined;
    const { signer } = this.#host;
    const response = await this.#post(await signer.sign(this.#initialize), this.#stop.signal);
    this.#opened(response);
    let answer: JsonObject | undefined;
    await this.#read(response, { retryMs: 0 }, (message) => {
      if (isJsonObject(message) && isResponse(message)) answer = message;
    });
    if (!answer || !Object.hasOwn(answer, "result")) throw new Error("no new session could be opened");
    this.#negotiated(answer);
    signer.received(answer);
    const initialized = await signer.sign({ jsonrpc: "2.0", method: "notifications/initialized" });
    (await this.#post(initialized, this.#stop.signal)).resume();
    void this.#listen();
  }

  /** Hands an HTTP response on to the host, and resumes it where it broke off. */
  async #receive(response: IncomingMessage, original: JsonObject, signal: AbortSignal): Promise<void> {
    const id = idOf(original);
    const cursor: Cursor = { retryMs: 1_000 };
    const stripped: JsonValue[] = [];
    const take = (message: JsonValue, line: string): void => {
      if (this.#isStripped(message)) stripped.push(message);
      else this.#toHost(message, line, original);
    };
    await this.#read(response, cursor, take).catch((error: unknown) => {
      if (cursor.lastEventId === undefined) throw error;
    });
    if (stripped.length > 0) {
      await this.#exchange(await this.#host.signer.sign(original), original, true);
      return;
    }
    for (let attempt = 0; id !== undefined && this.#host.waits(id) && cursor.lastEventId !== undefined; attempt++) {
      if (attempt >= MAX_RESUMES) break;
      await pause(cursor.retryMs, signal);
      const before = cursor.lastEventId;
      const resumed = await this.#open(cursor, signal).catch(() => undefined);
      if (resumed?.statusCode !== 200) {
        resumed?.resume();
        continue;
      }
      await this.#read(resumed, cursor, (message, line) => this.#toHost(message, line, original)).catch(
        () => undefined,
      );
      if (cursor.lastEventId !== before) attempt = 0;
    }
    if (id !== undefined && this.#host.waits(id) && !signal.aborted) {
      this.#host.reply(upstreamReply(id, "the server ended its answer early."));
    }
  }

  /** True for the first refusal that says that a signed call arrived without its proof. It was not executed. */
  #isStripped(message: JsonValue): boolean {
    if (this.#proofInHeader || this.#staysInMeta || this.#host.signer.audience === undefined) return false;
    const data = member(member(message, "error"), "data");
    const keys = member(data, "metaKeys");
    if (member(data, "reason") !== "ERR_PROOF_MISSING" || !Array.isArray(keys)) return false;
    if ((keys as readonly JsonValue[]).includes(CALL_META)) return false;
    this.#proofInHeader = true;
    this.#host.log("something on the way strips _meta (peerage doctor finds it): proofs go into the header as well");
    return true;
  }

  /** An HTTP error: a JSON-RPC error in its body is the answer, otherwise we make one. */
  #refused(text: string, id: RequestId | undefined, status: number): void {
    if (id === undefined) {
      this.#host.log(`a notification was answered with HTTP ${status}`);
      return;
    }
    const message = parse(text);
    if (isJsonObject(message) && isResponse(message) && idOf(message) === id)
      this.#host.forward(oneLine(text), message);
    else this.#host.reply(upstreamReply(id, `the server answered with HTTP ${status}.`));
  }

  #toHost(message: JsonValue, line: string, original: JsonObject | undefined): void {
    if (isJsonObject(message) && isResponse(message)) {
      if (original && methodOf(original) === "initialize") this.#negotiated(message);
      const id = idOf(message);
      if (id !== undefined && !this.#host.waits(id)) return;
    }
    const isModernList = original && methodOf(original) === "tools/list" && modernVersion(original) !== undefined;
    const filtered = isModernList ? this.#tools.learn(message, line) : line;
    this.#host.forward(filtered, message);
  }

  #negotiated(initialized: JsonObject): void {
    const version = member(initialized["result"], "protocolVersion");
    if (typeof version === "string" && /^[\x21-\x7e]+$/.test(version)) this.#version = version;
  }

  /** Reads all messages of a body, JSON or event stream. Settles at its end. @throws if it breaks off */
  async #read(
    response: IncomingMessage,
    cursor: Cursor,
    onMessage: (message: JsonValue, line: string) => void,
  ): Promise<void> {
    const take = (text: string): void => {
      const message = parse(text);
      if (Array.isArray(message)) for (const one of message as JsonValue[]) onMessage(one, JSON.stringify(one));
      else if (isJsonObject(message)) onMessage(message, oneLine(text));
      else this.#host.log("the server sent something that is not JSON-RPC");
    };
    this.#responses.add(response);
    try {
      if (mediaType(response.headers["content-type"]) !== "text/event-stream") {
        const text = (await readAll(response, MAX_ANSWER_BYTES)).toString();
        if (text.trim() !== "") take(text);
        return;
      }
      const splitter = new SseSplitter({
        onEvent: (raw) => {
          const event = parseSseEvent(raw);
          if (event?.id !== undefined) cursor.lastEventId = event.id;
          if (event?.retry !== undefined) cursor.retryMs = Math.min(event.retry, MAX_RETRY_MS);
          if (event?.data === undefined || event.data === "" || event.type !== "message") return;
          try {
            take(event.data);
          } catch (error) {
            // Such as nesting without a bottom. Whoever waits for it hears when the stream ends.
            this.#host.log(
              `a message of the server was dropped: ${error instanceof Error ? error.message : "unknown"}`,
            );
          }
        },
        onPiece: () => undefined,
      });
      await new Promise<void>((resolve, reject) => {
        response.on("data", (chunk: Buffer) => splitter.push(chunk));
        response.on("end", resolve);
        response.on("error", reject);
        response.on("close", () => reject(new Error("the stream broke off")));
      });
    } finally {
      this.#responses.delete(response);
    }
  }

  /** Opens a GET stream, from an event on if one is given. */
  async #open(cursor: Cursor, signal: AbortSignal): Promise<IncomingMessage> {
    const headers: Record<string, string> = {
      ...this.#headers(),
      accept: "text/event-stream",
      ...(cursor.lastEventId === undefined ? {} : { "last-event-id": cursor.lastEventId }),
    };
    const proof = await this.#host.signer.signHeader(streamSubject("GET", (name) => headers[name]));
    if (proof !== undefined) headers[CALL_HEADER] = proof;
    return await this.#endpoint.request("GET", headers, { signal });
  }

  /** The one stream for what the server sends unasked; a server that has none answers 405. */
  async #listen(): Promise<void> {
    const session = this.#session;
    const cursor: Cursor = { retryMs: 1_000 };
    for (let failures = 0; failures < MAX_RESUMES && this.#session === session && !this.#stop.signal.aborted;) {
      const response = await this.#open(cursor, this.#stop.signal).catch(() => undefined);
      if (response && response.statusCode !== 200) {
        response.resume();
        if (response.statusCode !== 405) this.#host.log(`the server's own stream: HTTP ${response.statusCode ?? 0}`);
        return;
      }
      failures++;
      if (response) {
        await this.#read(response, cursor, (message, line) => {
          failures = 0;
          this.#toHost(message, line, undefined);
        }).catch(() => undefined);
      }
      await pause(cursor.retryMs, this.#stop.signal);
    }
  }

  /** The host's answer to a request of the server. */
  async #answerServer(message: JsonObject): Promise<void> {
    try {
      const proof = await this.#host.signer.signHeader(responseSubject(message));
      const extra = proof === undefined ? {} : { [CALL_HEADER]: proof };
      const response = await this.#post(message, this.#stop.signal, extra);
      response.resume();
      if ((response.statusCode ?? 0) >= 300)
        this.#host.log(`an answer was refused with HTTP ${response.statusCode ?? 0}`);
    } catch (error) {
      this.#host.log(`an answer was not sent: ${networkReason(error)}`);
    }
  }

  #failed(original: JsonObject, error: unknown): void {
    const id = idOf(original);
    const why = networkReason(error);
    if (id === undefined) this.#host.log(`a notification was not sent: ${why}`);
    else if (this.#host.waits(id)) this.#host.reply(upstreamReply(id, `the server cannot be reached (${why}).`));
  }
}
