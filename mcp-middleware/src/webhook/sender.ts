import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { isLoopbackHost } from "../proxy/http-headers.ts";
import { webhookInvalid } from "./invalid.ts";
import { MIN_SECRET_BYTES, signWebhook } from "./signature.ts";

/** Where deliveries go, and how hard it is tried. */
export interface WebhookEndpoint {
  /** https, or http on loopback. It may hold a token, so it is never repeated in a message. */
  readonly url: string | URL;
  /** The key of the signature, at least 24 bytes: see `parseWebhookSecret`. */
  readonly secret: Uint8Array;
  /** How often one delivery is tried: 5 times by default, with pauses of 1, 2, 4 and 8 s between. */
  readonly attempts?: number;
  /** Milliseconds before the second try, doubled before each later one; 1,000 by default. */
  readonly firstPauseMs?: number;
  /** How long one attempt may take: 5 s by default. */
  readonly timeoutMs?: number;
  readonly now?: (() => Date) | undefined;
}

/** How a delivery ended: `stopped`, its time was over or the sender was told to end. */
export type Delivered =
  | { readonly state: "arrived" | "stopped" }
  | {
      readonly state: "failed";
      readonly why: string;
      /** The receiver will not take it later either. */
      readonly final: boolean;
    };

/** What a receiver may ask for by `Retry-After`, at most. */
const MAX_PAUSE_MS = 30_000;

/**
 * Posts JSON to a web address, signed as Standard Webhooks 1.0 says: `webhook-id`, `webhook-timestamp`,
 * `webhook-signature: v1,…`. A delivery keeps its id through every attempt, so that a receiver can take it once.
 */
export class WebhookSender {
  readonly #url: URL;
  readonly #endpoint: WebhookEndpoint;

  /** @throws {PeerageError} ERR_CONFIG_INVALID for an address without TLS beyond loopback, or a short key */
  constructor(endpoint: WebhookEndpoint) {
    const url = URL.canParse(String(endpoint.url)) ? new URL(endpoint.url) : undefined;
    const isLocal = url?.protocol === "http:" && isLoopbackHost(url.host);
    if (!url || (url.protocol !== "https:" && !isLocal))
      throw webhookInvalid("its address is https, or http on loopback");
    if (endpoint.secret.length < MIN_SECRET_BYTES)
      throw webhookInvalid(`its key has at least ${MIN_SECRET_BYTES} bytes`);
    this.#url = url;
    this.#endpoint = endpoint;
  }

  /** Delivers a body, however often it takes within the limits. Never throws for what a receiver does. */
  async send(
    id: string,
    body: string,
    { signal, until }: { readonly signal: AbortSignal; readonly until?: Date },
  ): Promise<Delivered> {
    const { attempts = 5, firstPauseMs = 1_000, now = () => new Date() } = this.#endpoint;
    let failure: Delivered = { state: "stopped" };
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (signal.aborted || (until !== undefined && now() >= until)) return { state: "stopped" };
      const answer = await this.#post(id, body, signal);
      if (answer.status >= 200 && answer.status < 300) return { state: "arrived" };
      const why = answer.status === 0 ? "it cannot be reached" : `it answers ${answer.status}`;
      failure = { state: "failed", why, final: !isWorthAnother(answer.status) };
      if (failure.final) break;
      const pause = Math.min(MAX_PAUSE_MS, Math.max(answer.retryAfterMs, firstPauseMs * 2 ** attempt));
      if (attempt < attempts - 1) await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
    return signal.aborted ? { state: "stopped" } : failure;
  }

  /** One attempt; status 0 if there was no answer. A redirect is not followed: what is signed is for this address. */
  #post(
    id: string,
    body: string,
    end: AbortSignal,
  ): Promise<{ readonly status: number; readonly retryAfterMs: number }> {
    const { secret, timeoutMs = 5_000, now = () => new Date() } = this.#endpoint;
    const timestamp = String(Math.floor(now().getTime() / 1000));
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "user-agent": "peerage",
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": signWebhook(secret, id, timestamp, body),
    };
    const send = this.#url.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve) => {
      const nothing = { status: 0, retryAfterMs: 0 };
      const signal = AbortSignal.any([end, AbortSignal.timeout(timeoutMs)]);
      const outgoing = send(this.#url, { method: "POST", headers, signal, agent: false }, (answer) => {
        answer.resume();
        const after = Number(answer.headers["retry-after"] ?? 0);
        resolve({ status: answer.statusCode ?? 0, retryAfterMs: Number.isFinite(after) ? after * 1000 : 0 });
      });
      outgoing.once("error", () => resolve(nothing));
      outgoing.once("close", () => resolve(nothing));
      outgoing.end(body);
    });
  }
}

/** Another attempt may help: there was no answer, the receiver is busy or broken. Anything else stays as it is. */
function isWorthAnother(status: number): boolean {
  return status === 0 || status === 408 || status === 425 || status === 429 || status >= 500;
}
