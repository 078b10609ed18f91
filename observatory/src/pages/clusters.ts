import { html } from "hono/html";
import type { Digest, View } from "@peerage/core";
import type { Layout } from "../map/layouts.ts";
import { groupsOf } from "../map/chart.ts";
import type { AgentRef, Asked, Page } from "../page.ts";
import { patiently } from "../patience.ts";
import { agentLink, agentText } from "../ui/agent.ts";
import { count } from "../ui/format.ts";

/** A cluster is a community of so many members. */
const LEAST_MEMBERS = 5;
/** Thin: vouches from outside are less than this part of those inside, of which every member has so many on average. */
const THIN = 0.02;
const LEAST_INNER = 1.5;
const MOST_CLUSTERS = 40;
const MOST_BRIDGES = 12;

export interface ClustersData {
  /** Log size at which the communities were found; undefined while they are being looked for. */
  readonly size?: number;
  readonly total: number;
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
    const { seen, layouts } = asked;
    const layout = seen.view.agentCount === 0 ? undefined : await patiently(layouts.of(seen.view));
    if (!layout) return { total: 0, clusters: [] };
    const found = clustersOf(layout, seen.view, asked);
    return { size: layout.size, total: found.length, clusters: found.slice(0, MOST_CLUSTERS) };
  },
  title: () => "Clusters · Peerage",
  html: (data, frame) =>
    html`<header class="head">
        <h1>Clusters</h1>
        <p class="muted">
          Agents who vouch mostly for each other, and the vouches that join them to the rest. A thin joint is a fact, no
          verdict: a new team looks so, and so does a ring of made-up agents. Trust does not grow inside a cluster
          beyond what comes in over its bridges.
        </p>
      </header>
      ${data.size === undefined ? html`<p class="panel">${data.total === 0 && frame.seen.view.agentCount === 0 ? "Nobody is here yet." : "The communities are being worked out: look again in a moment."}</p>` : ""}
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
      )}`,
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

/** Communities of five members and more, by how little joins them. */
export function clustersOf(
  layout: Layout,
  view: View,
  { ref }: Pick<Asked, "ref">,
): ClustersData["clusters"][number][] {
  const groups = groupsOf(layout).groups;
  const of = new Map(layout.dids.map((did, i) => [did, layout.arranged.community[i] ?? -1]));
  const sums = groups.map(() => ({
    inner: 0,
    from: 0,
    to: 0,
    bridges: [] as ClustersData["clusters"][number]["bridges"][number][],
  }));
  for (const { statement } of view.vouchesInForce()) {
    const [a, b] = [of.get(statement.issuer), of.get(statement.subject)];
    if (a === undefined || b === undefined) continue;
    const [source, target] = [sums[a], sums[b]];
    if (a === b && source) source.inner++;
    else {
      if (source) source.to++;
      if (!target) continue;
      target.from++;
      if (target.bridges.length < MOST_BRIDGES) {
        target.bridges.push({ id: statement.id, from: ref(statement.issuer), to: ref(statement.subject) });
      }
    }
  }
  return groups
    .flatMap(({ first, members }, i) => {
      const { inner, from, to, bridges } = sums[i] ?? { inner: 0, from: 0, to: 0, bridges: [] };
      if (members < LEAST_MEMBERS || i >= layout.arranged.communities) return [];
      const thin = inner >= members * LEAST_INNER && from < inner * THIN;
      return [{ first: ref(first), members, inner, from, to, thin, bridges }];
    })
    .sort((a, b) => a.from / (a.inner || 1) - b.from / (b.inner || 1) || b.members - a.members);
}
