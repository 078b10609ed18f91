import { html } from "hono/html";
import { viewpointText } from "../frame.ts";
import type { AgentRef, Page } from "../page.ts";
import { receivedIn } from "../seen.ts";
import { agentLink, agentText } from "../ui/agent.ts";
import { command } from "../ui/command.ts";
import { count } from "../ui/format.ts";

const MOST = 60;

export interface ScopesData {
  readonly viewpoint: string;
  readonly total: number;
  readonly scopes: readonly {
    readonly scope: string;
    readonly vouches: number;
    readonly agents: number;
    /** Those with the most vouches in it. */
    readonly leading: readonly AgentRef[];
  }[];
}

/** What agents are vouched for in. */
export const scopes: Page<ScopesData> = {
  load({ seen, ref }) {
    const all = seen.view.scopes();
    const shown = Array.from(all).slice(0, MOST);
    return {
      viewpoint: viewpointText(seen.viewpoint.kind, seen.viewpoint.roots.map(ref)),
      total: all.size,
      scopes: shown.map(([scope, vouches]) => {
        const received = receivedIn(seen.view.graph(scope));
        const leading = [...received].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, 3);
        return { scope, vouches, agents: received.size, leading: leading.map(([did]) => ref(did)) };
      }),
    };
  },
  title: () => "Scopes · Peerage",
  html: (data, frame) =>
    html`<header class="head">
        <h1>Scopes</h1>
        <p class="muted">
          What agents are vouched for in. A scope is a flat name: a vouch in one says nothing about another.
        </p>
      </header>
      <section class="panel">
        ${
          data.scopes.length === 0
            ? html`<p class="muted">No vouch is in force yet. The first one names the first scope:</p>
                <pre><code>${command(`peerage vouch did:key:z6Mk… --scope tools --confidence 80 --registry ${frame.registryUrl}`)}</code></pre>`
            : html`<table class="cards">
                <thead>
                  <tr>
                    <th>Scope</th>
                    <th class="num">Vouches</th>
                    <th class="num">Agents</th>
                    <th>Most vouched for</th>
                  </tr>
                </thead>
                <tbody>
                  ${data.scopes.map(
                    ({ scope, vouches, agents, leading }) =>
                      html`<tr>
                        <td><a class="tag" href="${frame.links.scope(scope)}">${scope}</a></td>
                        <td data-label="Vouches" class="num">${vouches}</td>
                        <td data-label="Agents" class="num">${agents}</td>
                        <td data-label="Most vouched for" class="row">
                          ${leading.map((agent) => agentLink(agent, frame))}
                        </td>
                      </tr>`,
                  )}
                </tbody>
              </table>`
        }
      </section>`,
  text: (data) =>
    [
      count(data.total, "scope"),
      ...data.scopes.map(
        ({ scope, vouches, agents, leading }) =>
          `  ${scope.padEnd(24)} ${String(vouches).padStart(5)} vouches ${String(agents).padStart(5)} agents  ${leading.map(agentText).join(", ")}`,
      ),
      "",
    ].join("\n"),
};
