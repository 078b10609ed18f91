import { html } from "hono/html";
import { type Digest, PeerageError } from "@peerage/core";
import type { Frame } from "../frame.ts";
import type { Layout } from "../map/layouts.ts";
import { groupsOf } from "../map/chart.ts";
import { type Joint, jointsOf, MOST_BRIDGES } from "../map/joints.ts";
import type { AgentRef, Asked, Html, Page } from "../page.ts";
import { patiently } from "../patience.ts";
import { agentLink, agentText } from "../ui/agent.ts";
import { firstSteps } from "../ui/first-steps.ts";
import { count } from "../ui/format.ts";

/** Clusters of a page, and bridges of one: all that a thin one has, and some where there are many in any case. */
const PAGE = 10;
const SOME_BRIDGES = 3;

export interface ClustersData {
  /** Log size at which the communities were found; undefined while they are being looked for. */
  readonly size?: number;
  readonly total: number;
  readonly thin: number;
  /** How many come before those of this page. */
  readonly from: number;
  readonly clusters: readonly {
    readonly first: AgentRef;
    readonly members: number;
    /** Vouches in force between members, from outside to them, and from them to the outside. */
    readonly inner: number;
    readonly from: number;
    readonly to: number;
    readonly thin: boolean;
    /** The vouches that join it to the rest, from outside. */
    readonly bridges: readonly { readonly id: Digest; readonly from: AgentRef; readonly to: AgentRef }[];
  }[];
}

/** Communities and what joins each to the rest: facts, the thinly joined first. */
export const clusters: Page<ClustersData> = {
  async load(asked) {
    const { seen, newest, layouts, query } = asked;
    const text = query.get("from") ?? "0";
    if (!/^\d{1,7}$/.test(text))
      throw new PeerageError("ERR_REQUEST_INVALID", "`from` is how many clusters to pass over");
    const from = Number(text);
    // As on the map, communities are those of now, whatever the time is whose vouches are counted.
    const layout = newest.agentCount === 0 ? undefined : await patiently(layouts.of(newest));
    if (!layout) return { total: 0, thin: 0, from: 0, clusters: [] };
    // Those first that little joins.
    const joints = jointsOf(layout, seen).toSorted(
      (a, b) => a.from / (a.inner || 1) - b.from / (b.inner || 1) || b.members.length - a.members.length,
    );
    return {
      size: layout.size,
      total: joints.length,
      thin: joints.filter(({ thin }) => thin).length,
      from,
      clusters: joints.slice(from, from + PAGE).map((joint) => clusterOf(joint, layout, asked)),
    };
  },
  title: () => "Clusters · Peerage",
  html: (data, frame) =>
    html`<header class="head">
        <h1>Clusters</h1>
        <p class="muted">
          Agents who vouch mostly for each other, and the vouches that join them to the rest. A thin joint is a fact, no
          verdict: a new team looks so, and so does a ring of made-up agents. Trust does not grow inside a cluster
          beyond what comes in over its bridges.
          ${data.size === undefined ? "" : html`${count(data.total, "cluster")}, of which ${data.thin} thinly joined, at log size ${data.size}.`}
        </p>
      </header>
      ${data.total === 0 ? noCluster(data, frame) : ""}
      ${data.clusters.map(
        ({ first, members, inner, from, to, thin, bridges }) =>
          html`<section class="panel cluster">
            <h2>
              ${count(members, "agent")} around ${agentLink(first, frame)}
              ${thin ? html`<span class="chip thin">◔ thinly joined</span>` : ""}
            </h2>
            <p>
              ${count(inner, "vouch", "vouches")} among them; joined to the rest by
              <b>${count(from, "vouch", "vouches")}</b> from outside and ${to} to the outside.
            </p>
            ${
              bridges.length === 0
                ? ""
                : html`<ul class="plainlist">
                    ${bridges.map(
                      (bridge) =>
                        html`<li class="row">
                          ${agentLink(bridge.from, frame)} <a href="${frame.links.vouch(bridge.id)}">vouches for</a>
                          ${agentLink(bridge.to, frame)}
                        </li>`,
                    )}
                  </ul>`
            }
            ${from > bridges.length ? html`<p class="muted small">and ${from - bridges.length} more</p>` : ""}
          </section>`,
      )}
      ${pages(data, frame)}`,
  text: (data) =>
    [
      `${count(data.total, "cluster")}${data.size === undefined ? "" : ` at log size ${data.size}`}`,
      ...data.clusters.flatMap(({ first, members, inner, from, to, thin, bridges }) => [
        `  ${count(members, "agent")} around ${agentText(first)}: ${inner} vouches inside, ${from} in, ${to} out${thin ? ", thinly joined" : ""}`,
        ...bridges.map((bridge) => `      ${agentText(bridge.from)} -> ${agentText(bridge.to)}  ${bridge.id}`),
      ]),
      "",
    ].join("\n"),
};

function noCluster({ size }: ClustersData, frame: Frame): Html {
  if (frame.seen.view.agentCount === 0) return firstSteps(frame);
  return html`<p class="panel">
    ${size === undefined ? "The communities are being worked out: look again in a moment." : "No agents vouch for each other yet."}
  </p>`;
}

/** Where there are more than one page holds. */
function pages({ from, total }: ClustersData, { links, path }: Frame): Html {
  if (total <= PAGE && from === 0) return html``;
  const link = (to: number, words: string): Html =>
    html`<a href="${links.same(path, to === 0 ? {} : { from: to })}">${words}</a>`;
  return html`<p class="pages">
    ${from > 0 ? link(Math.max(0, from - PAGE), "Those before") : ""}
    ${from + PAGE < total ? link(from + PAGE, `The next of ${total}`) : ""}
  </p>`;
}

function clusterOf(
  { community, members, bridges, inner, from, to, thin }: Joint,
  layout: Layout,
  { ref }: Pick<Asked, "ref">,
): ClustersData["clusters"][number] {
  const { first } = groupsOf(layout).groups[community] as { first: AgentRef["did"] };
  return {
    first: ref(first),
    members: members.length,
    inner,
    from,
    to,
    thin,
    bridges: bridges
      .slice(0, thin ? MOST_BRIDGES : SOME_BRIDGES)
      .map(({ statement: { id, issuer, subject } }) => ({ id, from: ref(issuer), to: ref(subject) })),
  };
}
