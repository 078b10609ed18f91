import type { NamedStar, OrbitColumns } from "../../map-columns.ts";
import { branches, orbitPlace, orbitRadius, orbitRings, ringText, wayTo } from "../../map/orbit-place.ts";
import type { Star, StarMap } from "./data.ts";

/** What an orbit has beyond a map. */
export interface OrbitLook {
  /** Tells the registry which orbit the numbers are of. */
  readonly version: string;
  /** Circles around the middle, in the unit of the stars' places, each with the score that stands there. */
  readonly rings: readonly { readonly radius: number; readonly score: string }[];
  /** Where those stand who are unknown from here, and how many they are. */
  readonly rim: number;
  readonly unreached: number;
  readonly centre: NamedStar;
  /** The way from the middle to a star: the middle first, the star last. */
  wayTo(i: number): readonly number[];
}

const RIM = 1_000;

/** An orbit as it came, ready to be drawn: every star where the server's picture has it. */
export function orbitMap(columns: OrbitColumns): StarMap {
  const { angle, through, least, centre, names } = columns;
  const branch = branches(through);
  let score = 1_000;
  const stars = columns.score.map((step, i): Star => {
    score -= step;
    const place = orbitPlace(score, angle[i] ?? 0, least);
    return {
      ...placed(i, place.x * RIM, place.y * RIM),
      community: branch[i] ?? 0,
      size: 1.1 + (4.4 * score) / 1_000,
      score: score / 1_000,
      root: false,
    };
  });
  const middle = stars.length;
  stars.push({ ...placed(middle, 0, 0), community: -1, size: 9, score: undefined, root: true });
  const lines = new Uint32Array(2 * middle);
  const neighbours = new Map<number, number[]>(stars.map(({ i }) => [i, []]));
  for (const [i, before] of through.entries()) {
    const from = before < 0 ? middle : before;
    lines[2 * i] = from;
    lines[2 * i + 1] = i;
    neighbours.get(i)?.push(from);
    neighbours.get(from)?.push(i);
  }
  const known = new Map(names.map((star) => [star.i, star]));
  return {
    stars,
    lines,
    neighbours,
    order: [middle, ...through.keys()],
    names: known.set(middle, centre),
    unseen: false,
    selected: undefined,
    hulls: [],
    orbit: {
      version: columns.version,
      rings: orbitRings(least).map((ring) => ({
        radius: orbitRadius(ring, least) * RIM,
        score: ringText(ring),
      })),
      rim: RIM,
      unreached: columns.unreached,
      centre,
      wayTo: (i) => (i === middle ? [middle] : [middle, ...wayTo(i, through)]),
    },
  };
}

function placed(i: number, x: number, y: number): Pick<Star, "i" | "x" | "y" | "fx" | "fy" | "received" | "absent"> {
  return { i, x, y, fx: x, fy: y, received: 0, absent: false };
}
