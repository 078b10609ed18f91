import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
  type RequestOptions,
  type ServerResponse,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { canonicalAudience, type JsonObject, networkReason } from "@peerage/core";
import type { DecisionRecord, Guard } from "../guard/types.ts";
import type { HttpGuardOptions } from "./http-guard-options.ts";
import { CALLER_HEADER, forwardedRequestHeaders, isLoopbackHost } from "./http-headers.ts";
import { header, sendJson, sendProblem } from "./http-io.ts";
import { targetOf } from "./http-post.ts";
import { eventOf, relayResponse } from "./http-relay.ts";
import type { Exchanges } from "./http-sessions.ts";
import { upstreamReply } from "./json-rpc.ts";

const CONNECT_TIMEOUT_MS = 10_000;

/** One admitted request on its way to the server. */
export interface Forwarded {
  readonly body: string | undefined;
  readonly exchanges: Exchanges;
  /** The request that wants an answer; undefined for a notification, a response, GET and DELETE. */
  readonly decision: DecisionRecord | undefined;
  /** The verified caller. */
  readonly did: string | undefined;
  readonly onResponse: (upstream: IncomingMessage) => void;
}

/** What is running: the answer that is owed, and how to give up on it. */
interface Running {
  readonly isStream: boolean;
  readonly giveUp: (why: string) => void;
}

/** The one endpoint behind an HTTP guard. */
export class Upstream {
  readonly #options: HttpGuardOptions;
  readonly #guard: Guard;
  readonly #url: URL;
  readonly #target: RequestOptions;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #log: (line: string) => void;
  readonly #running = new Map<ServerResponse, Running>();
  #drained: (() => void) | undefined;

  constructor(options: HttpGuardOptions, log: (line: string) => void) {
    const { upstreamAgent, connect } = options;
    this.#url = new URL(options.upstream);
    canonicalAudience(this.#url);
    this.#options = options;
    this.#guard = options.guard;
    this.#target = targetOf(this.#url);
    this.#log = log;
    const agent = { keepAlive: true, maxSockets: Infinity };
    if (this.#url.protocol === "https:") this.#agent = upstreamAgent ?? new HttpsAgent(agent);
    else this.#agent = new HttpAgent(connect ? { maxSockets: Infinity } : agent);
    if (connect) this.#agent.createConnection = connect;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Ends streams, waits for running calls, and gives up on those that are not answered in time. */
  async drain(graceMs: number): Promise<void> {
    for (const { isStream, giveUp } of this.#running.values()) if (isStream) giveUp("the guard is stopping.");
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
        setTimeout(resolve, graceMs).unref();
      });
    }
    const left = [...this.#running].map(([response, { giveUp }]) => {
      giveUp("the guard is stopping.");
      return new Promise<void>((resolve) => {
        if (response.writableFinished || response.destroyed) resolve();
        response.once("close", resolve);
        response.once("finish", resolve);
      });
    });
    // A client that reads nothing any more is not waited for.
    await Promise.race([Promise.all(left), new Promise((resolve) => setTimeout(resolve, graceMs).unref())]);
  }

  forward(request: IncomingMessage, response: ServerResponse, exchange: Forwarded): void {
    const { body, exchanges, decision, did } = exchange;
    let isConnected = false;
    let isOver = false;
    const failed = (why: string): void => {
      if (isOver) return;
      if (decision && exchanges.waits(decision)) {
        exchanges.take(decision.requestId ?? "");
        // Without a connection not a byte was sent, so what the call used up is given back.
        this.#guard.abandon(decision, !isConnected ? "unsent" : response.destroyed ? "cancelled" : "errored");
      }
      if (response.destroyed || response.headersSent) response.destroy();
      else if (decision) sendJson(response, 200, upstreamReply(decision.requestId ?? null, why));
      else sendProblem(response, 502, "ERR_UPSTREAM_UNAVAILABLE", why);
    };
    let outgoing: ClientRequest;
    try {
      outgoing = this.#request(request, body, did);
    } catch (error) {
      this.#log(
        `nothing can be sent to the server behind the guard: ${error instanceof Error ? error.message : "unknown"}`,
      );
      failed("the guard has no identity to show to the server behind it.");
      return;
    }
    const giveUp = (why: string): void => {
      if (isOver || response.writableEnded) return;
      isOver = true;
      const owed = decision !== undefined && exchanges.waits(decision) ? decision : undefined;
      if (owed) {
        exchanges.take(owed.requestId ?? "");
        this.#guard.abandon(owed, isConnected ? "errored" : "unsent");
        this.#cancel(request, owed, did);
      }
      outgoing.destroy();
      endWith(
        response,
        owed && owed.method !== "subscriptions/listen" ? upstreamReply(owed.requestId ?? null, why) : undefined,
      );
    };
    this.#watch(response, decision, giveUp);
    outgoing.on("socket", (socket) => {
      if (!socket.connecting) isConnected = true;
      else socket.once("connect", () => (isConnected = true));
    });
    outgoing.on("error", (error) => {
      if (!response.destroyed && !isOver)
        this.#log(`the server behind the guard cannot be reached: ${networkReason(error)}`);
      failed("the server behind the guard did not answer.");
    });
    outgoing.on("response", (upstream) => {
      const status = upstream.statusCode ?? 502;
      if (isOver) {
        upstream.resume();
        return;
      }
      if (status < 200) {
        upstream.resume();
        failed("the server behind the guard answered with a status that HTTP does not have.");
        return;
      }
      if (status >= 300 && status < 400) {
        // Neither followed nor shown: proof, token and body are for this server and no other.
        upstream.resume();
        failed("the server behind the guard answered with a redirect.");
        return;
      }
      exchange.onResponse(upstream);
      relayResponse(upstream, response, {
        guard: this.#guard,
        exchanges,
        decision,
        keepAliveMs: this.#options.keepAliveMs ?? 20_000,
        log: this.#log,
      });
    });
    // A client that goes away ends the request upstream too: so modern clients cancel.
    response.once("close", () => {
      if (!response.writableFinished) outgoing.destroy();
    });
    outgoing.end(body);
  }

  /** Keeps what runs for {@link drain}, and sees to the time that a call may take. */
  #watch(response: ServerResponse, decision: DecisionRecord | undefined, giveUp: (why: string) => void): void {
    const isStream = decision === undefined || decision.method === "subscriptions/listen";
    this.#running.set(response, { isStream, giveUp });
    const { callTimeoutSeconds: seconds } = this.#options;
    const timer =
      seconds === undefined || isStream
        ? undefined
        : setTimeout(() => giveUp(`there was no answer within ${seconds} s.`), seconds * 1_000).unref();
    response.once("close", () => {
      clearTimeout(timer);
      this.#running.delete(response);
      if (this.#running.size === 0) this.#drained?.();
    });
  }

  /** In a legacy session a call is cancelled by a message; without one, by closing its stream. */
  #cancel(request: IncomingMessage, decision: DecisionRecord, did: string | undefined): void {
    if (header(request, "mcp-session-id") === undefined || decision.method === "initialize") return;
    const params = { requestId: decision.requestId ?? null, reason: "the guard gave up" };
    const message = JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params });
    try {
      const cancel = this.#request(request, message, did);
      cancel.on("error", () => undefined);
      cancel.on("response", (response) => void response.resume());
      cancel.end(message);
    } catch {
      // The call is given up all the same.
    }
  }

  #request(request: IncomingMessage, body: string | undefined, did: string | undefined): ClientRequest {
    const headers = forwardedRequestHeaders(request.rawHeaders);
    const keepHost = isLoopbackHost(this.#url.hostname) && isLoopbackHost(request.headers.host);
    headers["host"] = keepHost ? request.headers.host : this.#url.host;
    if (body !== undefined) headers["content-length"] = Buffer.byteLength(body);
    if (this.#options.injectIdentity === true && did !== undefined) headers[CALLER_HEADER] = did;
    Object.assign(headers, this.#options.upstreamHeaders?.(headers));
    const method = request.method ?? "POST";
    const options: RequestOptions = { ...this.#target, method, headers, agent: this.#agent };
    const secure = this.#url.protocol === "https:";
    const outgoing = (secure ? httpsRequest : httpRequest)(options);
    outgoing.on("socket", (socket) => {
      if (!socket.connecting) return;
      const timer = setTimeout(() => outgoing.destroy(new Error("connect timeout")), CONNECT_TIMEOUT_MS);
      for (const event of [secure ? "secureConnect" : "connect", "close"])
        socket.once(event, () => clearTimeout(timer));
    });
    return outgoing;
  }
}

/** Ends a response with an error for its id, in the form in which it was begun; without one, just ends it. */
function endWith(response: ServerResponse, reply: JsonObject | undefined): void {
  if (response.destroyed) return;
  if (!response.headersSent) {
    response.setHeader("connection", "close");
    if (reply) sendJson(response, 200, reply);
    else sendProblem(response, 503, "ERR_UPSTREAM_UNAVAILABLE", "the guard is stopping.");
  } else if (String(response.getHeader("content-type")).startsWith("text/event-stream")) {
    response.end(reply && eventOf(reply, undefined));
  } else {
    // Half of a JSON text is out: that it broke off must be seen.
    response.destroy();
  }
}
