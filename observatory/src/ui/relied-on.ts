import { html } from "hono/html";
import type { Score } from "@peerage/core";
import type { Frame } from "../frame.ts";
import type { AgentRef, Html } from "../page.ts";
import { agentLink } from "./agent.ts";
import { scoreMeter } from "./score.ts";

/** An agent by how many vouch for it. */
export type ReliedOn = AgentRef & { readonly score: Score; readonly received: number };

/** Agents that others rely on, each with its score and its vouches. */
export function reliedOnTable(agents: readonly ReliedOn[], frame: Frame): Html {
  return html`<table class="plain">
    <thead>
      <tr>
        <th>Agent</th>
        <th>Score</th>
        <th class="num">In</th>
      </tr>
    </thead>
    <tbody>
      ${agents.map(
        (agent) =>
          html`<tr>
            <td>${agentLink(agent, frame)}</td>
            <td>
              <a class="quiet" href="${frame.links.explain(agent.did)}" title="the working"
                >${scoreMeter(agent.score, frame)}</a
              >
            </td>
            <td class="num">${agent.received}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}
