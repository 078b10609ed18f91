import { setTimeout as sleep } from "node:timers/promises";
import { type JsonObject, PeerageError } from "@peerage/core";
import { type WebhookEndpoint, WebhookSender } from "../webhook/sender.ts";
import type { ApprovalItem } from "./item.ts";

/** Where questions are told, and what of them. */
export interface WebhookOptions extends WebhookEndpoint {
  /** Where a person answers an item; without it the command line is named. */
  readonly itemUrl?: ((id: string) => string | undefined) | undefined;
  /** Told of a notification that was given up. */
  readonly onProblem?: (problem: PeerageError) => void;
}

/** More notifications than this at once are given up: a flood of questions must not fill memory. */
const MAX_RUNNING = 64;
/** How long a guard that ends still waits for what it is telling. */
const LAST_MOMENT_MS = 2_000;

/**
 * Tells a web address of requests that begin to wait for a person: one POST each, in the form that Slack's incoming
 * webhooks take, signed as `WebhookSender` signs. It says who wants what and where to answer, never the arguments; to have
 * read it grants nothing. Nothing waits for it.
 */
export class ApprovalWebhook implements AsyncDisposable {
  readonly #sender: WebhookSender;
  readonly #options: WebhookOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #end = new AbortController();

  /** @throws {PeerageError} ERR_CONFIG_INVALID for an address without TLS beyond loopback, or a short key */
  constructor(options: WebhookOptions) {
    this.#sender = new WebhookSender(options);
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
    const body = JSON.stringify(notificationOf(item, this.#options.itemUrl?.(item.id)));
    const delivered = await this.#sender.send(item.id, body, { signal: this.#end.signal, until: item.expiresAt });
    if (delivered.state === "failed") this.#problem(delivered.why, undefined);
    return delivered.state === "arrived";
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
