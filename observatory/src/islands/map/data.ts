import type { MapColumns, NamedStar, OrbitColumns } from "../../map-columns.ts";
import { hullOf, type Point } from "../../map/hull.ts";
import { orbitMap, type OrbitLook } from "./orbit.ts";

/** An agent of the map. It carries no name: force-graph would show one as markup. */
export interface Star {
  readonly i: number;
  readonly x: number;
  readonly y: number;
  readonly fx: number;
  readonly fy: number;
  /** −1 for the one in the middle of an orbit. */
  readonly community: number;
  /** How large it is drawn, in pixels where few stars are seen from afar. */
  readonly size: number;
  readonly received: number;
  /** In [0, 1]; undefined for unknown. */
  readonly score: number | undefined;
  readonly root: boolean;
  /** Had not appeared by the time that is shown, and is not drawn. */
  readonly absent: boolean;
}

/** A map as it came, ready to be drawn. */
export interface StarMap {
  readonly stars: readonly Star[];
  /** Ends of the lines, two numbers each. */
  readonly lines: Uint32Array;
  /** Who is joined to whom, in either direction. */
  readonly neighbours: ReadonlyMap<number, readonly number[]>;
  /** Most vouched for first. */
  readonly order: readonly number[];
  readonly names: Map<number, NamedStar>;
  /** True where nobody looks, so that nobody is unknown either. */
  readonly unseen: boolean;
  readonly selected: number | undefined;
  /** Lines around communities that few vouches join to the rest: x and y of the corners. */
  readonly hulls: readonly (readonly Point[])[];
  /** Set if this is the network as one agent sees it. */
  readonly orbit?: OrbitLook;
}

/** @param stretch how much wider than high the map may be drawn */
export async function fetchMap(address: string, stretch: number): Promise<StarMap | undefined> {
  const answer = await fetch(address, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`the registry answered ${answer.status}`);
  const columns = (await answer.json()) as Partial<MapColumns> | OrbitColumns;
  if ("through" in columns) return orbitMap(columns);
  return columns.x ? starMap(columns as MapColumns, stretch) : undefined;
}

/** Names of stars in sight, in one answer; undefined if the numbers are no longer those of this orbit. */
export async function fetchNames(
  address: string,
  wanted: readonly number[],
  version: string | undefined,
): Promise<readonly NamedStar[] | undefined> {
  const url = new URL(address, location.href);
  url.pathname = url.pathname.replace(/\.json$/, "/names.json");
  url.searchParams.set("i", wanted.join(","));
  if (version !== undefined) url.searchParams.set("version", version);
  const answer = await fetch(url, { headers: { accept: "application/json" } });
  if (answer.status === 404 && version !== undefined) return undefined;
  return answer.ok ? ((await answer.json()) as readonly NamedStar[]) : [];
}

function starMap(columns: MapColumns, stretch: number): StarMap {
  const { x, y, community, in: received, score, from, to, names } = columns;
  const roots = new Set(columns.roots);
  const absent = new Set(columns.absent);
  const stars = x.map((_, i): Star => {
    const place = { x: ((x[i] ?? 0) / 10) * stretch, y: (y[i] ?? 0) / 10 };
    const known = score[i] ?? -1;
    return {
      i,
      ...place,
      fx: place.x,
      fy: place.y,
      community: community[i] ?? 0,
      size: 1.7 + Math.sqrt(received[i] ?? 0) * 1.05,
      received: received[i] ?? 0,
      score: known < 0 ? undefined : known / 1000,
      root: roots.has(i),
      absent: absent.has(i),
    };
  });
  const lines = new Uint32Array(from.length * 2);
  const neighbours = new Map<number, number[]>();
  const join = (a: number, b: number): void => {
    const list = neighbours.get(a);
    if (list) list.push(b);
    else neighbours.set(a, [b]);
  };
  let a = 0;
  for (const [n, step] of from.entries()) {
    a += step;
    const b = to[n] ?? 0;
    lines[2 * n] = a;
    lines[2 * n + 1] = b;
    join(a, b);
    join(b, a);
  }
  const present = Array.from(stars.keys()).filter((i) => !absent.has(i));
  const order = present.sort((p, q) => (received[q] ?? 0) - (received[p] ?? 0) || p - q);
  return {
    stars,
    lines,
    neighbours,
    order,
    names: new Map(names.map((star) => [star.i, star])),
    unseen: score.every((value) => value === -2),
    selected: columns.selected,
    hulls: columns.thin.map((members) => hullOf(members.flatMap((i) => (absent.has(i) ? [] : (stars[i] ?? []))))),
  };
}
