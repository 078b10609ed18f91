import { html } from "hono/html";
import type { Did } from "@peerage/core";
import { type Frame, viewpointText } from "../frame.ts";
import { islandPath } from "../http/assets.ts";
import { type Chart, chartOf, LEAST_STARS, pathOf } from "../map/chart.ts";
import type { AgentRef, Html, Page } from "../page.ts";
import { patiently } from "../patience.ts";
import { communityChart, communityData, type CommunityData } from "../ui/community-chart.ts";
import { agentName, agentText } from "../ui/agent.ts";
import { firstSteps } from "../ui/first-steps.ts";
import { count } from "../ui/format.ts";
import { askedFields } from "../ui/layout.ts";
import { sky, skyData, type SkyData } from "../ui/sky.ts";
import { type AgentsData, agentTable, listAgents } from "./agents.ts";

/** What the colours of a map say. */
export const lenses = ["community", "trust"] as const;

export interface MapData {
  readonly form: Chart["form"] | "pending";
  readonly viewpoint: string;
  readonly agents: number;
  readonly vouches: number;
  /** Entries of the log now: how far the time may be moved. */
  readonly size: number;
  readonly lens: (typeof lenses)[number];
  /** Log size at which the positions were made. */
  readonly drawnAt?: number;
  /** The communities on the way to what is shown, each by its most vouched-for member. */
  readonly path: readonly AgentRef[];
  readonly communities?: CommunityData;
  /** The picture that the server draws: all of it below 60 agents, above that the most vouched-for. */
  readonly sky?: SkyData;
  readonly list: AgentsData;
  /** The DID of the first agent found, where something was searched for. */
  readonly selected?: Did;
}

/** The network as a map, and the same agents as a list. */
export const map: Page<MapData> = {
  async load(asked) {
    const { seen, newest, ref, query, layouts } = asked;
    const { view } = seen;
    const path = pathOf(query);
    const chart = await patiently(chartOf(newest, layouts, path));
    const members = chart && "layout" in chart && path.length > 0 ? new Set(chart.layout.dids) : undefined;
    const list = listAgents(asked, members);
    return {
      form: chart?.form ?? "pending",
      viewpoint: viewpointText(seen.viewpoint.kind, seen.viewpoint.roots.map(ref)),
      agents: members?.size ?? (seen.past ? list.found : view.agentCount),
      size: newest.size,
      vouches: view.vouchesInForce().length,
      lens: lenses.find((name) => name === query.get("lens")) ?? "community",
      path: path.map(ref),
      list,
      ...(chart && "layout" in chart ? { drawnAt: chart.layout.size } : {}),
      ...(chart?.form === "communities" ? { communities: communityData(chart, asked) } : {}),
      ...(chart?.form === "communities" || chart?.form === "empty" || path.length > 0 ? {} : { sky: skyData(asked) }),
      ...(list.query !== "" && list.agents[0] ? { selected: list.agents[0].did } : {}),
    };
  },
  title: () => "Map · Peerage",
  html: (data, frame) =>
    html`<header class="head">
        <h1>Map</h1>
        <p class="muted">${subtitle(data, frame)}</p>
        ${data.path.length === 0 ? "" : html`<p class="row">${crumbs(data, frame)}</p>`}
      </header>
      ${
        data.form === "empty"
          ? firstSteps(frame)
          : html`${question(data, frame)} ${picture(data, frame)}
              <section class="panel" id="list">
                <h2>The same agents as a list <span class="aside">${count(data.list.found, "agent")}</span></h2>
                ${agentTable(data.list, frame, (query) => frame.links.same("/map", { ...state(data, frame), ...query }))}
              </section>`
      }`,
  text: (data) =>
    [
      `${count(data.agents, "agent")}, ${count(data.vouches, "vouch", "vouches")} in force, scores in ${data.list.scope} as seen by ${data.viewpoint}`,
      ...(data.communities
        ? [
            ...data.communities.groups.map(
              ({ first, members, inner }) =>
                `  ${String(members).padStart(7)} agents ${String(inner).padStart(7)} vouches  around ${agentText(first)}`,
            ),
            ...(data.communities.more > 0 ? [`  and ${data.communities.more} smaller communities`] : []),
          ]
        : data.list.agents.map((agent) => `  ${agentText(agent)}  ${agent.did}`)),
      "",
    ].join("\n"),
};

function subtitle({ form, agents, vouches, drawnAt, list }: MapData, frame: Frame): Html {
  const size = html`${count(agents, "agent")}, ${count(vouches, "vouch", "vouches")} in force`;
  if (form === "empty") return size;
  const seen = html`scores in <b>${list.scope}</b> as seen by ${frame.viewpointText}`;
  if (form === "pending")
    return html`${size}, ${seen}. The positions are being worked out: the map comes with the next look.`;
  return html`${size}, ${seen}${drawnAt === undefined ? "" : `, drawn at log size ${drawnAt}`}`;
}

function crumbs({ path }: MapData, frame: Frame): Html {
  return html`<a href="${frame.links.same("/map", {})}">All communities</a>
    ${path.map((agent) => html`<span class="muted">›</span> <span>around ${agentName(agent)}</span>`)}`;
}

function state({ lens, path }: MapData, { links }: Frame): Readonly<Record<string, string>> {
  return {
    ...(lens === "community" ? {} : { lens }),
    ...(path.length === 0 ? {} : { community: path.map(({ did }) => did).join(",") }),
    ...(links.state.as === undefined ? {} : { as: links.state.as }),
  };
}

function question(data: MapData, frame: Frame): Html {
  const { path, lens, list } = data;
  return html`<form class="filter panel" action="/map">
    ${path.length === 0 ? "" : html`<input type="hidden" name="community" value="${path.map(({ did }) => did).join(",")}" />`}
    <label>Find <input name="q" value="${list.query}" placeholder="DID, prefix or name" autocomplete="off" /></label>
    ${askedFields(frame, list.scope)}
    <label
      >Colour
      <select name="lens">
        ${lenses.map((name) => html`<option value="${name}" ${name === lens ? "selected" : ""}>${name}</option>`)}
      </select></label
    >
    ${
      data.size < 3
        ? ""
        : html`<label class="slider"
            >As it was at log size
            <input
              name="at"
              type="range"
              min="1"
              max="${data.size}"
              value="${frame.seen.size}"
              data-output="${frame.seen.size}"
          /></label>`
    }
    <button>Draw</button>
  </form>`;
}

function picture(data: MapData, frame: Frame): Html {
  if (data.communities) {
    const { more } = data.communities;
    return html`<section class="panel mapbox">
      ${communityChart(data, frame)}
      ${more === 0 ? "" : html`<p class="muted small">and ${count(more, "smaller community", "smaller communities")}, whose agents the list below has</p>`}
    </section>`;
  }
  const still = data.sky
    ? sky(data.sky, frame)
    : html`<p class="muted">The map is drawn by a script; the list below is complete.</p>`;
  const src = islandPath("map");
  if (data.form === "poster" || src === undefined) return html`<section class="panel mapbox">${still}</section>`;
  const query = {
    ...state(data, frame),
    ...(frame.links.state.scope === undefined ? {} : { scope: frame.links.state.scope }),
  };
  return html`<section class="panel mapbox${data.lens === "trust" ? " trust" : ""}">
    <peerage-map
      data-src="${src}"
      data-map="${frame.links.same("/map.json", { ...query, select: data.selected })}"
      data-lens="${data.lens}"
      data-labelled-by="list"
      >${still}</peerage-map
    >
    ${
      data.form === "pending" || data.agents < LEAST_STARS
        ? ""
        : html`<ul class="legend">
            <li>size: vouches received</li>
            <li>${data.lens === "trust" ? "colour: trust from here" : "colour: community"}</li>
            <li><span class="key root"></span> a root</li>
            <li>faint: unknown from here</li>
            <li>at the rim: no vouch in force</li>
            <li>dotted: <a href="${frame.links.same("/clusters", {})}">thinly joined</a></li>
          </ul>`
    }
  </section>`;
}
