import { html } from "hono/html";
import { type EntryData, readEntries } from "../entries.ts";
import { type Frame, viewpointText } from "../frame.ts";
import type { Asked, Html, Page } from "../page.ts";
import { agentRows, firstScored, receivedIn } from "../seen.ts";
import { agentText } from "../ui/agent.ts";
import { entryText, feedList } from "../ui/entry.ts";
import { firstSteps } from "../ui/first-steps.ts";
import { scoreText } from "../ui/format.ts";
import { stateFields } from "../ui/layout.ts";
import { type ReliedOn, reliedOnTable } from "../ui/relied-on.ts";
import { sky, skyData, type SkyData } from "../ui/sky.ts";

const FEED_LINES = 9;
const RELIED_ON = 9;

export interface HomeData {
  readonly agents: number;
  readonly vouches: number;
  readonly entries: number;
  readonly scopes: readonly { readonly scope: string; readonly vouches: number }[];
  readonly scope: string;
  readonly viewpoint: string;
  readonly feed: readonly EntryData[];
  /** Of those with a score from the viewpoint, the agents with the most vouches in the scope. */
  readonly reliedOn: readonly ReliedOn[];
  readonly sky: SkyData;
}

/** The question, the network as a picture, what happens now, and who is relied on. */
export const home: Page<HomeData> = {
  async load(asked) {
    const { seen, ref } = asked;
    const { view } = seen;
    const newest = await readEntries(Math.max(0, seen.size - FEED_LINES), seen.size, asked);
    return {
      agents: agentRows(view, seen.past).length,
      vouches: view.vouchesInForce().length,
      entries: seen.size,
      scopes: Array.from(view.scopes(), ([scope, vouches]) => ({ scope, vouches })).slice(0, 6),
      scope: seen.scope,
      viewpoint: viewpointText(seen.viewpoint.kind, seen.viewpoint.roots.map(ref)),
      feed: newest.reverse(),
      reliedOn: reliedOn(asked),
      sky: skyData(asked),
    };
  },
  title: () => "Should you let this agent in? · Peerage",
  html: (data, frame) =>
    html`<section class="hero${data.agents === 0 ? " first" : ""}">
        <div class="ask">
          <h1>Should you let this agent in?</h1>
          <p class="lead">
            Every agent here holds its own key. Every vouch is signed and logged. Paste an agent and see, link by link,
            why it is trusted, or why it is not.
          </p>
          <form class="lookup" action="/agents">
            ${stateFields(frame)}
            <input
              name="q"
              aria-label="A DID or a name"
              placeholder="did:key:z6Mk… or a name"
              autocomplete="off"
              spellcheck="false"
            />
            <button>Look up</button>
          </form>
          <dl class="stats">
            ${stat("agents", data.agents)}${stat("vouches in force", data.vouches)}${stat("log entries", data.entries)}${stat("scopes", frame.seen.view.scopes().size)}
          </dl>
        </div>
        ${data.agents === 0 ? firstSteps(frame) : html`<div class="skybox">${sky(data.sky, frame)}${legend(data, frame)}</div>`}
      </section>
      ${data.agents === 0 ? "" : panels(data, frame)}`,
  text(data) {
    if (data.agents === 0) return "No agent has joined this registry yet.\n\n  peerage init\n";
    const lines = data.reliedOn.map(
      (agent) => `  ${scoreText(agent.score).padEnd(8)} ${String(agent.received).padStart(4)} in   ${agentText(agent)}`,
    );
    return [
      `${data.agents} agents, ${data.vouches} vouches in force, ${data.entries} log entries`,
      "",
      `Most relied on for ${data.scope}, as seen by ${data.viewpoint}`,
      ...lines,
      "",
      "Newest",
      ...data.feed.map((entry) => `  ${entryText(entry)}`),
      "",
    ].join("\n");
  },
};

function stat(label: string, value: number): Html {
  return html`<div>
    <dt>${label}</dt>
    <dd>${value.toLocaleString("en")}</dd>
  </div>`;
}

function legend({ sky: { form, agents }, agents: all }: HomeData, { seen, links }: Frame): Html {
  const some = agents.length < all ? html`<li>the ${agents.length} most vouched-for of ${all}</li>` : "";
  if (form === "still")
    return html`<ul class="legend">
      <li>colour: community</li>
      <li>size: vouches received</li>
      ${seen.viewpoint.kind === "none" ? "" : html`<li><i class="key root"></i>root</li>`} ${some}
      <li><a href="${links.same("/map", {})}">open the map</a></li>
    </ul>`;
  if (seen.viewpoint.kind === "none") {
    return html`<ul class="legend">
      <li><i class="key arrow"></i>vouch</li>
    </ul>`;
  }
  return html`<ul class="legend">
    <li><i class="key root"></i>root</li>
    <li><i class="key lit"></i>brighter: more trusted</li>
    <li><i class="key dim"></i>unknown from here</li>
    <li><i class="key arrow"></i>vouch</li>
  </ul>`;
}

function panels(data: HomeData, frame: Frame): Html {
  const { links } = frame;
  const seenBy =
    frame.seen.viewpoint.kind === "none"
      ? html`no roots are published here: <a href="${links.same("/viewpoint", {})}">choose a viewpoint</a>`
      : `as seen by ${frame.viewpointText}`;
  return html`<div class="columns wide-left even">
    <section class="panel">
      <h2>Live <a class="more" href="${links.feed()}">all of it</a></h2>
      ${feedList(data.feed, frame)}
    </section>
    <section class="panel">
      <h2>Most relied on <span class="aside">${seenBy}</span></h2>
      <p class="tabs">
        ${data.scopes.map(({ scope }) =>
          scope === data.scope
            ? html`<a class="tag" aria-current="true" href="${links.same("/", { scope })}">${scope}</a>`
            : html`<a class="tag quiet" href="${links.same("/", { scope })}">${scope}</a>`,
        )}
      </p>
      ${data.reliedOn.length === 0 ? html`<p class="muted">No vouch in force covers ${data.scope}.</p>` : reliedOnTable(data.reliedOn, frame)}
    </section>
  </div>`;
}

function reliedOn({ seen, ref }: Asked): HomeData["reliedOn"] {
  const { vector } = seen;
  const all = Array.from(receivedIn(seen.graph), ([did, received]) => ({ did, received, score: vector.score(did) }));
  // A ring of made-up agents vouches for itself as often as it likes: who is unknown from here comes last.
  const first = firstScored(all, RELIED_ON, (a, b) => b.received - a.received || (a.did < b.did ? -1 : 1));
  return first.map((agent) => ({ ...agent, ...ref(agent.did) }));
}
