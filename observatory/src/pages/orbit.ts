import { html } from "hono/html";
import { type Did, parseDid } from "@peerage/core";
import type { Frame } from "../frame.ts";
import { islandPath } from "../http/assets.ts";
import { orbitOf } from "../map/orbit.ts";
import { type AgentRef, Elsewhere, type Html, type Page } from "../page.ts";
import { agentLink, agentText } from "../ui/agent.ts";
import { count, fingerprintText, scoreText } from "../ui/format.ts";
import { orbit as drawing, orbitAgents, type OrbitAgent } from "../ui/orbit.ts";
import { scoreMeter } from "../ui/score.ts";

/** Most agents of the server's picture. */
const DRAWN = 400;
/** Those of them with a sigil, as links. Where there are more, a script draws them all. */
const SIGILS = 24;
const LISTED = 30;

export interface OrbitData {
  readonly agent: AgentRef;
  readonly scope: string;
  /** The first agents it has a score for, the most trusted first. */
  readonly around: readonly OrbitAgent[];
  /** Thousandths: what stands outermost in the picture. */
  readonly least: number;
  readonly reached: number;
  /** Whether the log has ever named it. */
  readonly known: boolean;
  /** Agents it has none for. */
  readonly unreached: number;
  /** A page of all it has a score for. */
  readonly list: readonly (AgentRef & { readonly score: number })[];
  /** The place of the first of the list. */
  readonly from: number;
  /** The DID behind which the next page begins. */
  readonly next?: Did;
}

/** The network as one agent sees it. */
export const orbit: Page<OrbitData> = {
  load(asked) {
    const { seen, ref, parameter, query, links } = asked;
    const did = parseDid(parameter);
    const other = query.get("of");
    if (other) throw new Elsewhere(links.orbit(parseDid(other.trim())));
    const known = seen.view.agent(did) !== undefined;
    const all = orbitOf(seen, did);
    const reached = all.dids.length;
    const after = query.get("after");
    const from = after === null ? 0 : all.dids.indexOf(after as Did) + 1;
    const last = all.dids[from + LISTED - 1];
    return {
      agent: ref(did),
      scope: seen.scope,
      around: orbitAgents(all, DRAWN, asked),
      least: all.least,
      reached,
      known,
      unreached: seen.view.agentCount - reached - (known ? 1 : 0),
      list: all.dids
        .slice(from, from + LISTED)
        .map((other, i) => ({ ...ref(other), score: (all.score[from + i] ?? 0) / 1_000_000 })),
      from,
      ...(last !== undefined && from + LISTED < reached ? { next: last } : {}),
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
      <form class="filter panel">
        <label
          >The network as seen by
          <input name="of" placeholder="did:key:z6Mk…" value="${data.agent.did}" autocomplete="off" spellcheck="false"
        /></label>
        <label>Scope <input name="scope" value="${data.scope}" autocomplete="off" /></label>
        <button>Look</button>
      </form>
      ${
        data.reached === 0
          ? html`<p class="panel">
              ${data.known ? "" : "The log has never named this agent. "}In ${data.scope} it vouches for nobody, so from
              here everybody is unknown.
            </p>`
          : html`${picture(data, frame)} ${list(data, frame)}`
      }
      <p><a href="${frame.links.same("/map", { as: data.agent.did })}">The whole map as this agent sees it →</a></p>`,
  text: (data) =>
    [
      `As ${agentText(data.agent)} sees it, scope ${data.scope}: ${data.reached} reached, ${data.unreached} unknown`,
      ...data.around.map((agent) => `  ${scoreText(agent.score).padEnd(8)} ${agentText(agent)}  ${agent.did}`),
      ...(data.reached > data.around.length ? [`  and ${data.reached - data.around.length} more`] : []),
      "",
    ].join("\n"),
};

function picture(data: OrbitData, frame: Frame): Html {
  const still = drawing(data.agent, data, frame, { size: 860, sigils: SIGILS });
  const rest =
    data.reached > data.around.length
      ? html`<p class="muted small">Drawn without scripts: the nearest ${data.around.length}.</p>`
      : "";
  const src = data.reached > SIGILS ? islandPath("map") : undefined;
  const scope = frame.links.state.scope === undefined ? {} : { scope: frame.links.state.scope };
  return html`<section class="panel orbitbox">
    ${
      src === undefined
        ? still
        : html`<peerage-map
            data-src="${src}"
            data-map="${frame.links.same(`${frame.path}/map.json`, { ...scope, as: undefined })}"
            data-labelled-by="list"
            >${still}${rest}</peerage-map
          >`
    }
    <ul class="legend">
      <li>colour: whose vouch the way begins with</li>
      ${data.unreached > 0 ? html`<li>the rim: ${data.unreached} unknown from here</li>` : ""}
    </ul>
  </section>`;
}

/** The same agents for those who do not see the picture, page by page. */
function list({ list: agents, from, reached, next }: OrbitData, frame: Frame): Html {
  const { path } = frame;
  const back = from === 0 ? "" : html`<a href="${frame.links.same(path, {})}">From the first</a>`;
  const on =
    next === undefined ? "" : html`<a href="${frame.links.same(path, { after: next })}">The next ${LISTED}</a>`;
  return html`<section class="panel" id="list">
    <h2>The same as a list <span class="aside">${from + 1}–${from + agents.length} of ${reached}</span></h2>
    <ol class="plainlist two" start="${from + 1}">
      ${agents.map((agent) => html`<li class="row">${agentLink(agent, frame)} ${scoreMeter(agent.score, frame, "own")}</li>`)}
    </ol>
    ${next === undefined && from === 0 ? "" : html`<p class="pages">${back} ${on}</p>`}
  </section>`;
}
