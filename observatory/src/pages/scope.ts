import { html } from "hono/html";
import { type Did, PeerageError, type Score } from "@peerage/core";
import { viewpointText } from "../frame.ts";
import type { AgentRef, Page } from "../page.ts";
import { firstScored, receivedIn } from "../seen.ts";
import { agentLink, agentText } from "../ui/agent.ts";
import { count, scoreText } from "../ui/format.ts";
import { type ReliedOn, reliedOnTable } from "../ui/relied-on.ts";

const MOST = 40;
const MOST_VOUCHERS = 12;

/** One scope: who is relied on for it. */
export interface ScopeData {
  readonly scope: string;
  readonly viewpoint: string;
  readonly vouches: number;
  readonly agents: number;
  /** How many of them have a score from the viewpoint. */
  readonly reached: number;
  /** Those with a score first, the most trusted before the others; then by vouches received. */
  readonly reliedOn: readonly ReliedOn[];
  /** Who vouches for the most others in it, those with a score first. */
  readonly vouchers: readonly (AgentRef & { readonly score: Score; readonly given: number })[];
}

interface Scored {
  readonly did: Did;
  readonly n: number;
  readonly score: Score;
}

/** Who is relied on for a scope. The address names the scope, and links keep it. */
export const scope: Page<ScopeData> = {
  load({ seen, ref }) {
    const { graph, vector } = seen;
    const received = receivedIn(graph);
    if (received.size === 0) {
      throw new PeerageError("ERR_NOT_FOUND", `no vouch in force is for the scope ${seen.scope}`);
    }
    const given = new Map<Did, number>();
    for (const { issuer } of graph.vouches()) given.set(issuer, (given.get(issuer) ?? 0) + 1);
    const scored = ([did, n]: [Did, number]): Scored => ({ did, n, score: vector.score(did) });
    const byNumber = (a: Scored, b: Scored): number => b.n - a.n || (a.did < b.did ? -1 : 1);
    // Unknown is no number, so two of those stand by how many vouch.
    const byScore = (a: Scored, b: Scored): number => Number(b.score) - Number(a.score) || byNumber(a, b);
    const all = Array.from(received, scored);
    return {
      scope: seen.scope,
      viewpoint: viewpointText(seen.viewpoint.kind, seen.viewpoint.roots.map(ref)),
      vouches: graph.vouchCount,
      agents: received.size,
      reached: all.filter(({ score }) => score !== "unknown").length,
      reliedOn: firstScored(all, MOST, byScore).map(({ did, n, score }) => ({ ...ref(did), score, received: n })),
      // Whoever has no score here says nothing that counts, however often.
      vouchers: firstScored(Array.from(given, scored), MOST_VOUCHERS, byNumber).map(({ did, n, score }) => ({
        ...ref(did),
        score,
        given: n,
      })),
    };
  },
  title: ({ scope: name }) => `${name} · Peerage`,
  html: (data, frame) =>
    html`<header class="head">
        <h1>Who is relied on for <span class="scopename">${data.scope}</span></h1>
        <p class="muted">
          ${count(data.vouches, "vouch", "vouches")} in force for ${count(data.agents, "agent")}; ${data.reached} of
          them have a score as seen by ${frame.viewpointText}. A vouch for another scope says nothing here.
        </p>
        <p class="row">
          <a href="${frame.links.agents({ sort: "score" })}">All agents by score</a>
          <a href="${frame.links.same("/map", {})}">On the map</a>
          <a href="${frame.links.feed({ kind: "Vouch", in: data.scope })}">Its vouches, live</a>
        </p>
      </header>
      <div class="columns wide-left even">
        <section class="panel">
          <h2>Most trusted <span class="aside">as seen by ${frame.viewpointText}</span></h2>
          ${reliedOnTable(data.reliedOn, frame)}
        </section>
        <section class="panel">
          <h2>Who vouches most <span class="aside">vouches given</span></h2>
          <ol class="plainlist counted">
            ${data.vouchers.map(
              (agent) => html`<li class="row">${agentLink(agent, frame)} <span class="num">${agent.given}</span></li>`,
            )}
          </ol>
        </section>
      </div>`,
  text: (data) =>
    [
      `${data.scope}: ${count(data.vouches, "vouch", "vouches")} for ${count(data.agents, "agent")}, scores as seen by ${data.viewpoint}`,
      ...data.reliedOn.map(
        (agent) =>
          `  ${scoreText(agent.score).padEnd(8)} ${String(agent.received).padStart(4)} in   ${agentText(agent)}  ${agent.did}`,
      ),
      "",
    ].join("\n"),
};
