import { html } from "hono/html";
import { toHex } from "@peerage/core";
import { islandPath } from "../http/assets.ts";
import type { Page } from "../page.ts";
import { timeText } from "../ui/format.ts";
import { timeHtml } from "../ui/time.ts";

export interface StatusData {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  /** Of the newest checkpoint, Unix seconds. */
  readonly time: number;
  readonly agents: number;
  readonly vouches: number;
  readonly witnessed: boolean;
  /** Whether the parts that run in browsers were built: without them pages are complete, and check nothing. */
  readonly islands: boolean;
}

/** Whether this site and its registry are well. */
export const status: Page<StatusData> = {
  load({ seen: { view } }) {
    return {
      origin: view.origin,
      size: view.size,
      root: toHex(view.root),
      time: view.time,
      agents: view.agentCount,
      vouches: view.vouchesInForce().length,
      witnessed: view.witnessed,
      islands: islandPath("verify") !== undefined,
    };
  },
  title: () => "Status · Peerage",
  html: (data, frame) => {
    const fact = (name: string, value: unknown): ReturnType<typeof html> =>
      html`<div>
        <dt>${name}</dt>
        <dd>${value}</dd>
      </div>`;
    return html`<header class="head">
        <h1>Status</h1>
        <p class="muted">
          What this page says was true when it was made; the checkpoint’s age tells whether the log still moves.
        </p>
      </header>
      <section class="panel">
        <dl class="facts">
          ${fact("newest head", timeHtml(data.time))} ${fact("log", html`<code>${data.origin}</code>`)}
          ${fact("entries", html`<a href="${frame.links.log()}">${data.size}</a>`)}
          ${fact("root", html`<code>${data.root}</code>`)} ${fact("agents", data.agents)}
          ${fact("vouches", html`${data.vouches} in force`)}
          ${fact("witnesses", data.witnessed ? "✓ as many as asked for" : "– none configured")}
          ${fact("checks", data.islands ? "✓ can be made in the browser" : "– not built here: use the command line")}
          ${fact("interface", html`<a href="/openapi.json">OpenAPI</a>, <a href="/readyz">ready?</a>`)}
        </dl>
      </section>`;
  },
  text: (data) =>
    `${data.origin}\nhead  ${timeText(data.time)}  size ${data.size}\nroot  ${data.root}\n${data.agents} agents, ${data.vouches} vouches in force\n`,
};
