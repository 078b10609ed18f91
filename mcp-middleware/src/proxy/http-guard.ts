import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Server as NetServer } from "node:net";
import { canonicalAudience, type ErrorCode, isJsonObject, type JsonValue, PeerageError } from "@peerage/core";
import { MAX_BODY_BYTES } from "../guard/guard.ts";
import type { Admission, Context, Guard } from "../guard/types.ts";
import { header, readBody, sendJson, sendProblem } from "./http-io.ts";
import { streamSubject } from "../sign/sign-fetch.ts";
import { FailedProofs } from "./failed-proofs.ts";
import type { HttpGuardOptions } from "./http-guard-options.ts";
import { duplicatedHeader, hiddenHeader, isLoopbackHost } from "./http-headers.ts";
import { Exchanges, HttpSessions } from "./http-sessions.ts";
import { Upstream } from "./http-upstream.ts";
import { errorReply, methodOf, rpcCodes } from "./json-rpc.ts";
import { acceptsEvents, EarlyStream } from "./opened-stream.ts";

export type { HttpGuardOptions };

/** A guard that listens in front of an HTTP server. */
export interface HttpGuard extends AsyncDisposable {
  /** The endpoint on the address that it listens on. */
  readonly url: string;
  /**
   * Stops listening, ends streams, and gives running calls `graceMs` to be answered. Then each that still waits gets an
   * error for its id, so that no half answer is left to be taken for a whole one.
   */
  close(): Promise<void>;
}

const DRAIN_MS = 2_000;

/**
 * Listens in front of one Streamable HTTP endpoint: every POST, GET and DELETE is decided on its own; responses stream
 * through, with receipts put into answers.
 * @throws {PeerageError} ERR_CONFIG_INVALID for an address beyond loopback without `secure` or `behindProxy`
 */
export async function startHttpGuard(options: HttpGuardOptions): Promise<HttpGuard> {
  const host = options.listen?.host ?? "127.0.0.1";
  const { secure } = options;
  if (!isLoopbackHost(host) && options.behindProxy !== true && !secure) {
    throw new PeerageError(
      "ERR_CONFIG_INVALID",
      "beyond loopback the guard listens only behind a TLS proxy (--behind-proxy)",
    );
  }
  const proxy = new GuardProxy(options);
  const http = createServer({ maxHeaderSize: 65_536 }, (request, response) => proxy.handle(request, response));
  const server = secure?.(http) ?? http;
  // It never listens itself, and would not look after slow requests otherwise.
  if (server !== http) http.emit("listening");
  await listen(server, host, options.listen?.port ?? 0);
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const url = `${secure ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}${proxy.path}`;
  if (isLoopbackHost(host)) options.guard.addAudience(url);
  if (options.publicUrl !== undefined) options.guard.addAudience(canonicalAudience(options.publicUrl));
  const stop = async (): Promise<void> => {
    const stopped = new Promise((resolve) => server.close(resolve));
    if (server !== http) http.close(() => undefined);
    http.closeIdleConnections();
    await proxy.drain(options.graceMs ?? DRAIN_MS);
    http.closeAllConnections();
    await stopped;
    proxy.close();
  };
  let stopping: Promise<void> | undefined;
  const close = (): Promise<void> => (stopping ??= stop());
  return { url, close, [Symbol.asyncDispose]: close };
}

function listen(server: NetServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

class GuardProxy {
  readonly path: string;
  readonly #guard: Guard;
  readonly #upstream: Upstream;
  readonly #hosts: ReadonlySet<string>;
  readonly #sessions = new HttpSessions();
  readonly #failed: FailedProofs;
  readonly #log: (line: string) => void;
  #isStopping = false;

  constructor(options: HttpGuardOptions) {
    const { pathname } = new URL(options.upstream);
    this.#guard = options.guard;
    this.#log = options.log ?? ((line) => void process.stderr.write(`peerage guard: ${line}\n`));
    this.#upstream = new Upstream(options, this.#log);
    const publicUrl = options.publicUrl === undefined ? undefined : new URL(options.publicUrl);
    this.path = publicUrl?.pathname ?? pathname;
    this.#hosts = new Set(publicUrl ? [publicUrl.host] : []);
    this.#failed = new FailedProofs(options.failedProofsPerMinute ?? 120);
  }

  /** See {@link Upstream.drain}. */
  async drain(graceMs: number): Promise<void> {
    this.#isStopping = true;
    await this.#upstream.drain(graceMs);
  }

  close(): void {
    this.#upstream.close();
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    response.on("error", () => undefined);
    this.#handle(request, response).catch((error: unknown) => {
      this.#log(error instanceof Error ? error.message : "a request failed");
      if (response.headersSent) response.destroy();
      else sendProblem(response, 500, "ERR_GUARD_FAULT", "the guard failed.");
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#isStopping) response.setHeader("connection", "close");
    const refused = this.#defect(request);
    if (refused) {
      response.setHeader("connection", "close");
      if (refused.status === 405) response.setHeader("allow", "GET, POST, DELETE");
      sendProblem(response, refused.status, refused.code, refused.detail);
      return;
    }
    const wait = this.#failed.retryAfterSeconds(request.socket);
    if (wait !== undefined) {
      response.setHeader("retry-after", String(wait));
      sendProblem(response, 429, "ERR_RATE_LIMITED", "too many failed proofs: retry later.");
      return;
    }
    if (request.method === "POST") await this.#post(request, response);
    else await this.#stream(request, response, request.method === "GET" ? "GET" : "DELETE");
  }

  /** What is wrong with a request before its body is looked at. */
  #defect(request: IncomingMessage): { status: number; code: ErrorCode; detail: string } | undefined {
    const { host } = request.headers;
    // A page in a browser that was led here by a DNS answer names its own host.
    if (!isLoopbackHost(host) && !this.#hosts.has(host ?? "")) {
      return { status: 403, code: "ERR_REQUEST_INVALID", detail: "this host name is not served here." };
    }
    // The proof covers the path and no query, so another query or another form of the path is another endpoint.
    if (request.url !== this.path) return { status: 404, code: "ERR_NOT_FOUND", detail: "there is nothing here." };
    if (request.method !== "POST" && request.method !== "GET" && request.method !== "DELETE") {
      return { status: 405, code: "ERR_REQUEST_INVALID", detail: "an MCP endpoint takes POST, GET and DELETE." };
    }
    const twice = duplicatedHeader(request.rawHeaders);
    if (twice !== undefined) {
      return { status: 400, code: "ERR_MESSAGE_INVALID", detail: `the header ${twice} came more than once.` };
    }
    const hidden = hiddenHeader(request.rawHeaders);
    if (hidden !== undefined) {
      return { status: 400, code: "ERR_MESSAGE_INVALID", detail: `the header ${hidden} is named in Connection.` };
    }
    const encoding = request.headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
    if (encoding !== "identity") {
      return { status: 415, code: "ERR_MESSAGE_INVALID", detail: "a request body must not be encoded." };
    }
    return undefined;
  }

  async #post(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request, MAX_BODY_BYTES);
    if (body === undefined) {
      // What still comes is read and thrown away, or the client would see a reset before the answer.
      request.resume();
      response.setHeader("connection", "close");
      sendJson(response, 413, errorReply(null, rpcCodes.invalid, "ERR_MESSAGE_TOO_LARGE", "the message is too large."));
      return;
    }
    const session = header(request, "mcp-session-id");
    const known = session === undefined ? undefined : this.#sessions.get(session);
    const exchanges = known ?? new Exchanges();
    // Who names a session that is none is judged, but binds nothing: otherwise made-up ids would fill the guard.
    const early = acceptsEvents(request) ? new EarlyStream(response) : undefined;
    const context: Context = {
      ...this.#context(request, response, exchanges, known && session),
      // A person is asked on the call's own stream, in a session whose client said that it can be asked.
      ...(early && known ? { send: (message) => early.send(message) } : {}),
    };
    const verdict = this.#guard.admitText(body, context);
    const admission = verdict instanceof Promise ? await verdict : verdict;
    const answer = early?.answerTo(admission.decision?.requestId) ?? response;
    if (!admission.admitted) {
      this.#refuse(request, answer, admission);
      return;
    }
    const { decision, caller } = admission;
    if (session !== undefined && !known) {
      this.#guard.abandon(decision, "unsent");
      // Its owner is not known here, for example after a restart: whoever knows the id must not become it.
      const id = decision.requestId ?? null;
      sendJson(response, 404, errorReply(id, -32001, "ERR_NOT_FOUND", "there is no such session."));
      return;
    }
    if (answer.destroyed) {
      this.#guard.abandon(decision, "unsent");
      return;
    }
    this.#own(session, caller?.did);
    const isRequest = decision.requestId !== undefined;
    if (isRequest) exchanges.add(decision);
    this.#endCancelled(admission.message, exchanges);
    this.#upstream.forward(request, answer, {
      body: JSON.stringify(admission.message),
      exchanges,
      decision: isRequest ? decision : undefined,
      did: caller?.did,
      onResponse: (upstream) => {
        const opened = upstream.headers["mcp-session-id"];
        if (decision.method !== "initialize" || typeof opened !== "string") return;
        this.#guard.openSession(opened, context, caller);
        for (const lost of this.#sessions.open(opened, exchanges, caller?.did)) this.#guard.abandon(lost, "abandoned");
      },
    });
  }

  /** Who signs in a session first has it from then on. */
  #own(session: string | undefined, did: string | undefined): void {
    if (session === undefined || did === undefined) return;
    for (const lost of this.#sessions.own(session, did)) this.#guard.abandon(lost, "abandoned");
  }

  /** A cancelled request gets no answer, so its place is given back at once. */
  #endCancelled(message: JsonValue, exchanges: Exchanges): void {
    if (!isJsonObject(message) || methodOf(message) !== "notifications/cancelled") return;
    const params = message["params"];
    const id = isJsonObject(params) ? params["requestId"] : undefined;
    const decision = typeof id === "string" || typeof id === "number" ? exchanges.take(id) : undefined;
    if (decision) this.#guard.abandon(decision, "cancelled");
  }

  async #stream(request: IncomingMessage, response: ServerResponse, method: "GET" | "DELETE"): Promise<void> {
    request.resume();
    const session = header(request, "mcp-session-id");
    const known = session === undefined ? undefined : this.#sessions.get(session);
    const exchanges = known ?? new Exchanges();
    const context = this.#context(request, response, exchanges, known && session);
    const subject = streamSubject(method, (name) => header(request, name));
    const admission = await this.#guard.admitSynthetic(subject, context);
    if (!admission.admitted) {
      this.#refuse(request, response, admission);
      return;
    }
    this.#guard.abandon(admission.decision, "abandoned");
    if (session !== undefined && !known) {
      sendProblem(response, 404, "ERR_NOT_FOUND", "there is no such session.");
      return;
    }
    this.#own(session, admission.caller?.did);
    this.#upstream.forward(request, response, {
      body: undefined,
      exchanges,
      decision: undefined,
      did: admission.caller?.did,
      onResponse: (upstream) => {
        const status = upstream.statusCode ?? 500;
        const isGone = status === 404 || (method === "DELETE" && status < 300);
        if (session === undefined || !isGone) return;
        for (const lost of this.#sessions.close(session)) this.#guard.abandon(lost, "cancelled");
      },
    });
  }

  #context(
    request: IncomingMessage,
    response: ServerResponse,
    exchanges: Exchanges,
    session: string | undefined,
  ): Context {
    const abort = new AbortController();
    response.once("close", () => {
      if (!response.writableFinished) abort.abort();
    });
    return {
      transport: "http",
      connection: exchanges.connection,
      ...(session === undefined ? {} : { session }),
      header: (name) => header(request, name),
      socket: request.socket,
      signal: abort.signal,
    };
  }

  #refuse(request: IncomingMessage, response: ServerResponse, refusal: Admission & { admitted: false }): void {
    if (
      refusal.step === "proof" ||
      refusal.step === "audience" ||
      refusal.step === "replay" ||
      refusal.step === "spiffe"
    ) {
      this.#failed.add(request.socket);
    }
    const problem = request.method === "POST" ? "application/json" : "application/problem+json";
    if (refusal.reply) sendJson(response, refusal.status, refusal.reply, problem);
    else response.writeHead(refusal.status).end();
  }
}
