import { html } from "hono/html";
import { parseDid } from "@peerage/core";
import type { AgentRef, Page } from "../page.ts";
import { agentLink, agentText } from "../ui/agent.ts";

export interface ViewpointData {
  readonly published: boolean;
  readonly roots: readonly AgentRef[];
  readonly scope: string;
  /** The agent the visitor came from, to go back to. */
  readonly to?: AgentRef;
}

/** From whom to look: there is no score without it. */
export const viewpoint: Page<ViewpointData> = {
  load({ seen, query, ref }) {
    const to = query.get("to");
    return {
      published: seen.viewpoint.kind === "published",
      roots: seen.viewpoint.roots.map(ref),
      scope: seen.scope,
      ...(to === null ? {} : { to: ref(parseDid(to)) }),
    };
  },
  title: () => "Viewpoint · Peerage",
  html(data, frame) {
    const action = data.to ? `/a/${data.to.did}` : "/";
    return html`<header class="head">
        <h1>As seen by whom?</h1>
        <p class="muted">
          There is no score in itself. A score says how much reason certain agents, the roots, give to let another one
          in. Choose yours: on your own machine with <code>peerage roots</code>, here with any DID.
        </p>
      </header>
      <div class="columns even">
        <section class="panel">
          <h2>Look as one agent</h2>
          <form class="stack" action="${action}">
            <label
              >DID
              <input
                name="as"
                placeholder="did:key:z6Mk…"
                value="${frame.links.state.as ?? ""}"
                required
                autocomplete="off"
                spellcheck="false"
            /></label>
            <label>Scope <input name="scope" value="${data.scope}" autocomplete="off" /></label>
            <button>Look</button>
          </form>
          ${frame.links.state.as === undefined ? "" : html`<p><a href="${action}">Back to the published roots</a></p>`}
        </section>
        <section class="panel">
          <h2>
            ${data.published ? "The roots this registry publishes" : frame.seen.viewpoint.kind === "agent" ? "You are looking as" : "No roots"}
          </h2>
          ${
            data.roots.length === 0
              ? html`<p>
                  This registry publishes no roots: choose a viewpoint. Until then every score here is left out.
                </p>`
              : html`<ul class="plainlist">
                  ${data.roots.map((root) => html`<li>${agentLink(root, frame)}</li>`)}
                </ul>`
          }
        </section>
      </div>`;
  },
  text: (data) =>
    data.roots.length === 0
      ? "This registry publishes no roots: choose a viewpoint with ?as=<did>\n"
      : `Seen by\n${data.roots.map((root) => `  ${agentText(root)}  ${root.did}`).join("\n")}\n`,
};
