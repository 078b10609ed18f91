import { type Did, parseDid, PeerageError } from "@peerage/core";
import { chartOf, groupsOf, pathOf } from "../map/chart.ts";
import { jointsOf } from "../map/joints.ts";
import type { Layout } from "../map/layouts.ts";
import { orbitOf } from "../map/orbit.ts";
import type { Asked } from "../page.ts";
import { agentRows, type Seen } from "../seen.ts";
import type { MapColumns, NamedStar, OrbitColumns } from "../map-columns.ts";
import { communityData } from "../ui/community-chart.ts";
import { sigilOf } from "../ui/sigil.ts";

/** Most names that one answer gives. */
const MOST_NAMES = 100;
/** Names that come with the positions: those of the agents most vouched for. */
const FIRST_NAMES = 26;

/** The columns of what a map page shows, as the same query asks for it. */
export async function mapColumns(asked: Asked): Promise<MapColumns | object> {
  const { seen, newest, layouts, query } = asked;
  const path = pathOf(query);
  // Positions are those of now, so that nobody moves when the time does; who had not come yet is left out.
  const chart = await chartOf(newest, layouts, path);
  if (chart.form === "communities") {
    return { form: chart.form, size: chart.layout.size, ...communityData(chart, asked) };
  }
  const layout = "layout" in chart ? chart.layout : await layouts.of(newest);
  const { dids, arranged, size } = layout;
  const { received, from, to, absent } = seen.past ? past(layout, seen) : { ...layout, absent: [] };
  const { vector } = seen;
  const roots = new Set(seen.viewpoint.roots);
  const nobody = seen.viewpoint.kind === "none";
  const most = Array.from(received.keys()).sort((a, b) => (received[b] ?? 0) - (received[a] ?? 0) || a - b);
  const selected = dids.findIndex((did) => did === query.get("select"));
  return {
    size,
    x: Array.from(arranged.x),
    y: Array.from(arranged.y),
    community: Array.from(arranged.community),
    communities: groupsOf(layout).groups.length,
    thin: jointsOf(layout, seen).flatMap(({ thin, members }) => (thin ? [members] : [])),
    in: received,
    score: dids.map((did) => {
      const score = nobody ? "nobody" : vector.score(did);
      return score === "nobody" ? -2 : score === "unknown" ? -1 : Math.round(score * 1000);
    }),
    roots: dids.flatMap((did, i) => (roots.has(did) ? [i] : [])),
    absent,
    ...edges(from, to),
    names: [...new Set([...(selected < 0 ? [] : [selected]), ...most.slice(0, FIRST_NAMES)])].map((i) =>
      named(i, dids, asked),
    ),
    ...(selected < 0 ? {} : { selected }),
  };
}

/** Names for some agents of a map: those in sight. @throws {PeerageError} ERR_REQUEST_INVALID, ERR_NOT_FOUND */
export async function mapNames(asked: Asked): Promise<readonly NamedStar[]> {
  const { newest, layouts, query } = asked;
  const chart = await chartOf(newest, layouts, pathOf(query));
  const { dids } = "layout" in chart ? chart.layout : await layouts.of(newest);
  return namesOf(dids, query, asked);
}

/** All that one agent has a score for, in columns. @throws {PeerageError} ERR_DID_INVALID */
export function orbitColumns(asked: Asked): OrbitColumns {
  const { seen, parameter } = asked;
  const did = parseDid(parameter);
  const { dids, score, through, angle, least } = orbitOf(seen, did);
  let last = 1_000;
  const steps = Array.from(score, (millionths) => {
    const now = Math.round(millionths / 1_000);
    const step = last - now;
    last = now;
    return step;
  });
  return {
    size: seen.size,
    version: seen.graph.digest,
    score: steps,
    angle: Array.from(angle),
    through: Array.from(through),
    least,
    unreached: seen.view.agentCount - dids.length - (seen.view.agent(did) ? 1 : 0),
    centre: { ...named(0, [did], asked), i: dids.length },
    names: dids.slice(0, FIRST_NAMES).map((_, i) => named(i, dids, asked)),
  };
}

/**
 * Names for some agents of an orbit.
 * @throws {PeerageError} ERR_DID_INVALID, ERR_REQUEST_INVALID, ERR_NOT_FOUND also where the orbit is another by now
 */
export function orbitNames(asked: Asked): readonly NamedStar[] {
  const { seen, parameter, query } = asked;
  const did = parseDid(parameter);
  if (query.get("version") !== seen.graph.digest) {
    throw new PeerageError("ERR_NOT_FOUND", "the orbit is another by now: ask for its columns again");
  }
  return namesOf(orbitOf(seen, did).dids, query, asked);
}

function namesOf(dids: readonly Did[], query: URLSearchParams, asked: Asked): readonly NamedStar[] {
  const wanted = (query.get("i") ?? "").split(",");
  if (wanted.length > MOST_NAMES || !wanted.every((text) => /^\d{1,7}$/.test(text))) {
    throw new PeerageError("ERR_REQUEST_INVALID", `\`i\` is at most ${MOST_NAMES} numbers with commas between them`);
  }
  return wanted.map(Number).map((i) => {
    if (i >= dids.length) throw new PeerageError("ERR_NOT_FOUND", "the picture has no such agent");
    return named(i, dids, asked);
  });
}

/** The vouches of another time between the agents of a layout, and those agents who had not appeared by then. */
function past(
  { dids }: Layout,
  { view, past: then }: Seen,
): Pick<Layout, "received" | "from" | "to"> & { absent: number[] } {
  const rows = new Map(agentRows(view, then).map((row) => [row.did, row.received]));
  const number = new Map(dids.map((did, i) => [did, i]));
  const pairs = view.vouchesInForce().flatMap(({ statement }) => {
    const [a, b] = [number.get(statement.issuer), number.get(statement.subject)];
    return a === undefined || b === undefined ? [] : [[a, b] as const];
  });
  return {
    received: dids.map((did) => rows.get(did) ?? 0),
    from: Uint32Array.from(pairs, ([a]) => a),
    to: Uint32Array.from(pairs, ([, b]) => b),
    absent: dids.flatMap((did, i) => (rows.has(did) ? [] : [i])),
  };
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
