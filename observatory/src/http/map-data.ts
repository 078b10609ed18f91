import { type Did, PeerageError } from "@peerage/core";
import { chartOf, groupsOf, pathOf } from "../map/chart.ts";
import type { Asked } from "../page.ts";
import type { MapColumns, NamedStar } from "../map-columns.ts";
import { sigilOf } from "../ui/sigil.ts";

/** Most names that one answer gives. */
const MOST_NAMES = 100;
/** Names that come with the positions: those of the agents most vouched for. */
const FIRST_NAMES = 26;

/** The columns of what a map page shows, as the same query asks for it. */
export async function mapColumns(asked: Asked): Promise<MapColumns | object> {
  const { seen, layouts, query } = asked;
  const path = pathOf(query);
  const chart = await chartOf(seen.view, layouts, path);
  if (chart.form === "communities") {
    return { form: chart.form, size: chart.layout.size, groups: chart.groups, bridges: chart.bridges };
  }
  const layout = "layout" in chart ? chart.layout : await layouts.of(seen.view);
  const { dids, received, from, to, arranged, size } = layout;
  const { vector } = seen;
  const roots = new Set(seen.viewpoint.roots);
  const nobody = seen.viewpoint.kind === "none";
  const most = Array.from(received.keys()).sort((a, b) => (received[b] ?? 0) - (received[a] ?? 0) || a - b);
  return {
    size,
    x: Array.from(arranged.x),
    y: Array.from(arranged.y),
    community: Array.from(arranged.community),
    communities: groupsOf(layout).groups.length,
    in: received,
    score: dids.map((did) => {
      const score = nobody ? "nobody" : vector.score(did);
      return score === "nobody" ? -2 : score === "unknown" ? -1 : Math.round(score * 1000);
    }),
    roots: dids.flatMap((did, i) => (roots.has(did) ? [i] : [])),
    ...edges(from, to),
    names: most.slice(0, FIRST_NAMES).map((i) => named(i, dids, asked)),
  };
}

/** Names for some agents of a map: those in sight. @throws {PeerageError} ERR_REQUEST_INVALID, ERR_NOT_FOUND */
export async function mapNames(asked: Asked): Promise<readonly NamedStar[]> {
  const { seen, layouts, query } = asked;
  const chart = await chartOf(seen.view, layouts, pathOf(query));
  const { dids } = "layout" in chart ? chart.layout : await layouts.of(seen.view);
  const wanted = (query.get("i") ?? "").split(",");
  if (wanted.length > MOST_NAMES || !wanted.every((text) => /^\d{1,7}$/.test(text))) {
    throw new PeerageError("ERR_REQUEST_INVALID", `\`i\` is at most ${MOST_NAMES} numbers with commas between them`);
  }
  return wanted.map(Number).map((i) => {
    if (i >= dids.length) throw new PeerageError("ERR_NOT_FOUND", "the map has no such agent");
    return named(i, dids, asked);
  });
}

function named(i: number, dids: readonly Did[], { ref }: Asked): NamedStar {
  const agent = ref(dids[i] as Did);
  return { i, ...agent, sigil: sigilOf(agent.did) };
}

/** Sorted by their beginning, which compresses to a fraction. */
function edges(from: Uint32Array, to: Uint32Array): { from: number[]; to: number[] } {
  const order = Array.from(from.keys()).sort((a, b) => (from[a] ?? 0) - (from[b] ?? 0) || (to[a] ?? 0) - (to[b] ?? 0));
  let last = 0;
  const steps = order.map((i) => {
    const step = (from[i] ?? 0) - last;
    last = from[i] ?? 0;
    return step;
  });
  return { from: steps, to: order.map((i) => to[i] ?? 0) };
}
