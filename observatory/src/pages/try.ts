import { html } from "hono/html";
import { islandPath } from "../http/assets.ts";
import type { Page } from "../page.ts";

/** The page has no data of its own: all of it happens in the visitor's tab. */
export type TryData = Readonly<Record<string, never>>;

const steps = [
  ["Two keys", "made in this tab by the browser itself. They cannot be copied out of it, not even by this page."],
  ["A signed call", "one agent asks a tool for something, and signs exactly that."],
  ["A tampered copy", "one word is changed on the way. It is refused."],
  ["A vouch", "you stand for the agent, in a scope, with a confidence."],
  ["A score", "from “unknown” to a number, as seen by you."],
] as const;

/** Keys, a signature, a forgery and a vouch, in the visitor's own tab: nothing is sent. */
export const tryIt: Page<TryData> = {
  load: () => ({}),
  title: () => "Try it · Peerage",
  html: () => {
    const src = islandPath("try");
    return html`<header class="head">
        <h1>Try it, in this tab</h1>
        <p class="muted">
          Five steps with real keys and the code that guards run. Nothing is sent anywhere and nothing is kept: close
          the tab and the keys are gone.
        </p>
      </header>
      <section class="panel steps">
        ${
          src === undefined
            ? html`<p class="muted">
                The scripts of this page were not built here. On the command line: <code>npm run demo</code>
              </p>`
            : html`<peerage-try data-src="${src}"></peerage-try>`
        }
        <noscript
          ><p class="note">
            This page needs scripts. On the command line, <code>npm run demo</code> shows the same.
          </p></noscript
        >
        <ol id="steps">
          ${steps.map(
            ([name, text]) =>
              html`<li>
                <b>${name}</b>: <span class="muted">${text}</span>
                <div class="outcome"></div>
              </li>`,
          )}
        </ol>
      </section>`;
  },
  text: () =>
    `${steps.map(([name, text], i) => `${i + 1}. ${name}: ${text}`).join("\n")}\n\nOn the command line: npm run demo\n`,
};
