import { html } from "hono/html";
import { parseDid, PeerageError } from "@peerage/core";
import { neighbourhood } from "../map/neighbourhood.ts";
import type { AgentRef, Page } from "../page.ts";
import { agentLink, agentText } from "../ui/agent.ts";
import { count, fingerprintText, scoreText } from "../ui/format.ts";
import { orbit as drawing, type OrbitAgent } from "../ui/orbit.ts";
import { scoreMeter } from "../ui/score.ts";

/** Most agents that are drawn; the list below has as many, and says how many more there are. */
const MOST = 400;
const LISTED = 100;

export interface OrbitData {
  readonly agent: AgentRef;
  readonly scope: string;
  /** Agents it has a score for, the most trusted first. */
  readonly around: readonly OrbitAgent[];
  readonly reached: number;
  /** Agents it has none for. */
  readonly unreached: number;
}

/** The network as one agent sees it. */
export const orbit: Page<OrbitData> = {
  load({ seen, ref, parameter }) {
    const did = parseDid(parameter);
    if (!seen.view.agent(did)) {
      throw new PeerageError("ERR_NOT_FOUND", "the log has never named this agent", { detail: did });
    }
    const { list, reached } = neighbourhood(seen, did, MOST);
    return {
      agent: ref(did),
      scope: seen.scope,
      around: list.map(({ did: other, ...place }) => ({ ...ref(other), ...place })),
      reached,
      unreached: seen.view.agentCount - reached - 1,
    };
  },
  title: ({ agent: { did, name } }) => `As ${name ?? fingerprintText(did)} sees it · Peerage`,
  html: (data, frame) =>
    html`<header class="head">
        <h1>The network as one agent sees it</h1>
        <p class="row big">${agentLink(data.agent, frame)}</p>
        <p class="muted">
          In <b>${data.scope}</b> it has a score for ${count(data.reached, "agent")}; ${data.unreached} are unknown to
          it. Nearer is more trusted; a line is the vouch that leads there.
        </p>
      </header>
      ${
        data.around.length === 0
          ? html`<p class="panel">
              In ${data.scope} this agent vouches for nobody, so from here everybody is unknown.
            </p>`
          : html`<section class="panel orbitbox">${drawing(data.agent, data.around, frame, 860)}</section>`
      }
      <section class="panel">
        <h2>The same as a list <span class="aside">${count(Math.min(LISTED, data.reached), "agent")}</span></h2>
        <ol class="plainlist two">
          ${data.around.slice(0, LISTED).map((agent) => html`<li class="row">${agentLink(agent, frame)} ${scoreMeter(agent.score, frame, "own")}</li>`)}
        </ol>
        <p><a href="${frame.links.same("/map", { as: data.agent.did })}">The whole map as this agent sees it →</a></p>
      </section>`,
  text: (data) =>
    [
      `As ${agentText(data.agent)} sees it, scope ${data.scope}: ${data.reached} reached, ${data.unreached} unknown`,
      ...data.around.map((agent) => `  ${scoreText(agent.score).padEnd(8)} ${agentText(agent)}  ${agent.did}`),
      "",
    ].join("\n"),
};
