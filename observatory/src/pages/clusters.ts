import { html } from "hono/html";
import { type Did, type Digest, PeerageError, type View } from "@peerage/core";
import type { Frame } from "../frame.ts";
import type { Layout } from "../map/layouts.ts";
import { groupsOf } from "../map/chart.ts";
import type { AgentRef, Asked, Html, Page } from "../page.ts";
import { patiently } from "../patience.ts";
import { agentLink, agentText } from "../ui/agent.ts";
import { count } from "../ui/format.ts";

/** A cluster is a community of so many members. */
const LEAST_MEMBERS = 5;
/** Thin: vouches from outside are less than this part of those inside, of which every member has so many on average. */
const THIN = 0.02;
const LEAST_INNER = 1.5;
/** How often agents are moved to those whom they have most to do with. */
const PASSES = 2;
/** Clusters of a page, and bridges of one: all that a thin one has, and some where there are many in any case. */
const PAGE = 10;
const MOST_BRIDGES = 12;
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
    const { seen, layouts, query } = asked;
    const text = query.get("from") ?? "0";
    if (!/^\d{1,7}$/.test(text))
      throw new PeerageError("ERR_REQUEST_INVALID", "`from` is how many clusters to pass over");
    const from = Number(text);
    const layout = seen.view.agentCount === 0 ? undefined : await patiently(layouts.of(seen.view));
    if (!layout) return { total: 0, thin: 0, from: 0, clusters: [] };
    const found = clustersOf(layout, seen.view, asked);
    const thin = found.filter((cluster) => cluster.thin).length;
    return { size: layout.size, total: found.length, thin, from, clusters: found.slice(from, from + PAGE) };
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

/** Communities of five members and more, by how little joins them. */
export function clustersOf(
  layout: Layout,
  view: View,
  { ref }: Pick<Asked, "ref">,
): ClustersData["clusters"][number][] {
  const groups = groupsOf(layout).groups;
  const of = belonging(layout, view);
  const sums = groups.map(() => ({
    members: 0,
    inner: 0,
    from: 0,
    to: 0,
    bridges: [] as ClustersData["clusters"][number]["bridges"][number][],
  }));
  for (const group of of.values()) {
    const sum = sums[group];
    if (sum) sum.members++;
  }
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
    .flatMap(({ first }, i) => {
      const { members, inner, from, to, bridges } = sums[i] ?? { members: 0, inner: 0, from: 0, to: 0, bridges: [] };
      if (members < LEAST_MEMBERS || i >= layout.arranged.communities) return [];
      const thin = inner >= members * LEAST_INNER && from < inner * THIN;
      const shown = bridges.slice(0, thin ? MOST_BRIDGES : SOME_BRIDGES);
      return [{ first: ref(first), members, inner, from, to, thin, bridges: shown }];
    })
    .sort((a, b) => a.from / (a.inner || 1) - b.from / (b.inner || 1) || b.members - a.members);
}

/**
 * The community of each agent: that which most of its vouches come from and go to. The search for communities weighs how
 * large they are, and puts a few agents on the wrong side of a joint; whatever is said of them would look like bridges.
 */
export function belonging({ dids, arranged }: Layout, view: View): Map<Did, number> {
  let of = new Map(dids.map((did, i) => [did, arranged.community[i] ?? -1]));
  for (let pass = 0; pass < PASSES; pass++) {
    const shares = new Map(dids.map((did) => [did, new Map<number, number>()]));
    const count = (did: Did, other: Did): void => {
      const group = of.get(other);
      const share = shares.get(did);
      if (group !== undefined) share?.set(group, (share.get(group) ?? 0) + 1);
    };
    for (const { statement } of view.vouchesInForce()) {
      count(statement.subject, statement.issuer);
      count(statement.issuer, statement.subject);
    }
    const next = new Map(of);
    for (const [did, share] of shares) {
      let best = of.get(did) ?? -1;
      // In doubt it stays where it is.
      for (const [group, n] of share) if (n > (share.get(best) ?? 0)) best = group;
      next.set(did, best);
    }
    of = next;
  }
  return of;
}
