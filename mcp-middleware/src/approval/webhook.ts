import { createHmac, timingSafeEqual } from "node:crypto";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { type JsonObject, PeerageError } from "@peerage/core";
import { isLoopbackHost } from "../proxy/http-headers.ts";
import type { ApprovalItem } from "./item.ts";

export interface WebhookOptions {
  /** https, or http on loopback. It may hold a token, so it is never repeated in a message. */
  readonly url: string | URL;
  /** The key of the signature, at least 24 bytes: see {@link parseWebhookSecret}. */
  readonly secret: Uint8Array;
  /** Where a person answers an item; without it the command line is named. */
  readonly itemUrl?: ((id: string) => string | undefined) | undefined;
  /** How often it is tried: 5 times by default, with pauses of 1, 2, 4 and 8 s between. */
  readonly attempts?: number;
  readonly firstPauseMs?: number;
  /** How long one attempt may take: 5 s by default. */
  readonly timeoutMs?: number;
  readonly now?: (() => Date) | undefined;
  /** Told of a notification that was given up. */
  readonly onProblem?: (problem: PeerageError) => void;
}

/** More notifications than this at once are given up: a flood of questions must not fill memory. */
const MAX_RUNNING = 64;
/** How long a guard that ends still waits for what it is telling. */
const LAST_MOMENT_MS = 2_000;
/** What a receiver may ask for by `Retry-After`, at most. */
const MAX_PAUSE_MS = 30_000;

/**
 * Tells a web address of requests that begin to wait for a person: one POST each, in the form that Slack's incoming
 * webhooks take, signed as Standard Webhooks 1.0 says (`webhook-id`, `webhook-timestamp`, `webhook-signature: v1,…`). It
 * says who wants what and where to answer, never the arguments; to have read it grants nothing. Nothing waits for it.
 */
export class ApprovalWebhook implements AsyncDisposable {
  readonly #url: URL;
  readonly #options: WebhookOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #end = new AbortController();

  /** @throws {PeerageError} ERR_CONFIG_INVALID for an address without TLS beyond loopback, or a short key */
  constructor(options: WebhookOptions) {
    const url = URL.canParse(String(options.url)) ? new URL(options.url) : undefined;
    const isLocal = url?.protocol === "http:" && isLoopbackHost(url.host);
    if (!url || (url.protocol !== "https:" && !isLocal)) throw invalid("its address is https, or http on loopback");
    if (options.secret.length < MIN_SECRET_BYTES) throw invalid(`its key has at least ${MIN_SECRET_BYTES} bytes`);
    this.#url = url;
    this.#options = options;
  }

  /** Begins to tell of an item. Never throws and never waits. `done` hears whether it arrived. */
  notify(item: ApprovalItem, done: (arrived: boolean) => void = () => undefined): void {
    if (this.#end.signal.aborted) return;
    if (this.#running.size >= MAX_RUNNING) {
      this.#problem("too many notifications are under way", undefined);
      done(false);
      return;
    }
    const told = this.#tell(item)
      .catch((problem: unknown) => {
        this.#problem("it could not be sent", problem);
        return false;
      })
      .then((arrived) => {
        // What was cut short by a stop is for the next guard on the same log to send.
        if (!this.#end.signal.aborted) done(arrived);
      })
      .finally(() => this.#running.delete(told));
    this.#running.add(told);
  }

  /** Settles once nothing is under way. */
  async flush(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Gives what is under way a moment, then gives it up. */
  async [Symbol.asyncDispose](): Promise<void> {
    const patience = new AbortController();
    await Promise.race([
      this.flush(),
      sleep(LAST_MOMENT_MS, undefined, { signal: patience.signal }).catch(() => undefined),
    ]);
    patience.abort();
    this.#end.abort();
    await this.flush();
  }

  async #tell(item: ApprovalItem): Promise<boolean> {
    const { attempts = 5, firstPauseMs = 1_000, now = () => new Date() } = this.#options;
    const body = JSON.stringify(notificationOf(item, this.#options.itemUrl?.(item.id)));
    let why = "";
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (this.#end.signal.aborted || now() >= item.expiresAt) return false;
      const answer = await this.#post(item.id, body);
      if (answer.status >= 200 && answer.status < 300) return true;
      why = answer.status === 0 ? "it cannot be reached" : `it answers ${answer.status}`;
      if (!isWorthAnother(answer.status)) break;
      const pause = Math.min(MAX_PAUSE_MS, Math.max(answer.retryAfterMs, firstPauseMs * 2 ** attempt));
      if (attempt < attempts - 1) await sleep(pause, undefined, { signal: this.#end.signal }).catch(() => undefined);
    }
    if (!this.#end.signal.aborted) this.#problem(why, undefined);
    return false;
  }

  /** One attempt; status 0 if there was no answer. A redirect is not followed: what is signed is for this address. */
  #post(id: string, body: string): Promise<{ readonly status: number; readonly retryAfterMs: number }> {
    const { secret, timeoutMs = 5_000, now = () => new Date() } = this.#options;
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
      const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(timeoutMs)]);
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

  #problem(why: string, cause: unknown): void {
    this.#options.onProblem?.(
      new PeerageError("ERR_UPSTREAM_UNAVAILABLE", `nobody was told of a request that waits for a person: ${why}`, {
        detail: "webhook",
        cause,
      }),
    );
  }
}

/** A key is at least as long as Standard Webhooks asks. */
const MIN_SECRET_BYTES = 24;

/**
 * The key of a webhook as it is written down: `whsec_` and base64, as Standard Webhooks has it, or any other text, whose
 * UTF-8 it is.
 * @throws {PeerageError} ERR_CONFIG_INVALID if it has fewer than 24 bytes
 */
export function parseWebhookSecret(text: string): Uint8Array {
  const trimmed = text.trim();
  const secret = trimmed.startsWith("whsec_") ? Buffer.from(trimmed.slice(6), "base64") : Buffer.from(trimmed);
  if (secret.length < MIN_SECRET_BYTES) throw invalid(`its key has at least ${MIN_SECRET_BYTES} bytes`);
  return new Uint8Array(secret);
}

/** The header `webhook-signature` over one delivery: HMAC-SHA-256 of `id.timestamp.body`. */
export function signWebhook(secret: Uint8Array, id: string, timestamp: string, body: string): string {
  return `v1,${createHmac("sha256", secret).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
}

/**
 * For receivers: true if a delivery was signed with this key at most five minutes ago. A receiver should also take each
 * `webhook-id` once.
 */
export function verifyWebhook(
  secret: Uint8Array,
  headers: Readonly<Record<string, string | undefined>>,
  body: string,
  now: Date = new Date(),
): boolean {
  const [id = "", timestamp = "", signatures = ""] = ["id", "timestamp", "signature"].map(
    (name) => headers[`webhook-${name}`],
  );
  if (!(Math.abs(now.getTime() / 1000 - Number(timestamp)) <= 300)) return false;
  const wanted = Buffer.from(signWebhook(secret, id, timestamp, body));
  return signatures.split(" ").some((one) => {
    const given = Buffer.from(one);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}

/** What Slack shows: text and blocks. `metadata` is for programs. Nothing of the arguments, and no mark-up of a caller. */
function notificationOf(item: ApprovalItem, url: string | undefined): JsonObject {
  const { id, caller, method, target, req, guard, rule, approvers, count, filedAt, expiresAt } = item;
  const what = `*${plain(target)}* (${plain(method)})`;
  const where = url === undefined ? `\`peerage approvals show ${id}\`` : `<${url}|Show and answer>`;
  const lines = [
    `${what} waits for ${count > 1 ? `${count} people` : "a person"}.`,
    `Caller \`${caller}\``,
    `Request \`${req}\``,
    `Until ${expiresAt.toISOString()}: ${where}`,
  ];
  return {
    text: `A call of ${plain(target)} waits for approval until ${expiresAt.toISOString()}.`,
    blocks: [{ type: "section", text: { type: "mrkdwn", text: lines.join("\n") } }],
    metadata: {
      event_type: "peerage_approval_pending",
      event_payload: {
        id,
        caller,
        method,
        target: target.slice(0, MAX_NAME),
        req,
        guard,
        rule,
        approvers: approvers.slice(0, 64),
        count,
        filedAt: filedAt.toISOString(),
        expiresAt: expiresAt.toISOString(),
        ...(url === undefined ? {} : { url }),
      },
    },
  };
}

const MAX_NAME = 200;

/** A name of somebody's choosing as letters that Slack shows and does not obey. */
function plain(name: string): string {
  return name
    .slice(0, MAX_NAME)
    .replace(/[^ -~]/gu, (letter) => `\\u{${(letter.codePointAt(0) ?? 0).toString(16)}}`)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replace(/[*_~`]/g, " ");
}

/** Another attempt may help: there was no answer, the receiver is busy or broken. Anything else stays as it is. */
function isWorthAnother(status: number): boolean {
  return status === 0 || status === 408 || status === 425 || status === 429 || status >= 500;
}

function invalid(why: string): PeerageError {
  return new PeerageError("ERR_CONFIG_INVALID", `the webhook cannot be used: ${why}`, { detail: "webhook" });
}
