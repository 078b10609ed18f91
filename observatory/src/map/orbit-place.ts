/** A whole turn in the unit of {@link OrbitColumns.angle}. */
export const TURN = 100_000;

/** Radius of the innermost place, in parts of the rim's: nearer would be under the one in the middle. */
const INNER = 0.2;
/** Radius of the least score. Beyond it, on the rim, are those without one. */
const OUTER = 0.96;

/** Scores of the rings that a picture may show. */
const RINGS: readonly number[] = [750, 500, 250, 100, 50, 20, 10, 5];

/**
 * Where an agent of an orbit stands, on a disc of radius 1 around the one who looks: the nearer, the more trusted,
 * logarithmically. The server's picture and the browser's both ask here, so they show the same.
 * @param score in thousandths
 * @param angle in parts of {@link TURN}, clockwise from the top
 * @param least the least score of the orbit in thousandths, which stands outermost
 */
export function orbitPlace(score: number, angle: number, least: number): { readonly x: number; readonly y: number } {
  const radius = orbitRadius(score, least);
  const turned = (angle / TURN) * 2 * Math.PI;
  return { x: Math.sin(turned) * radius, y: -Math.cos(turned) * radius };
}

/** How far from the middle a score stands. */
export function orbitRadius(score: number, least: number): number {
  const outermost = Math.max(1, Math.min(999, least));
  const value = Math.min(1_000, Math.max(outermost, score));
  return INNER + ((OUTER - INNER) * Math.log(value / 1_000)) / Math.log(outermost / 1_000);
}

/** The rings of an orbit whose least score is given, in thousandths: as many as can be told apart. */
export function orbitRings(least: number): readonly number[] {
  const shown: number[] = [];
  for (const ring of RINGS) {
    const last = shown.at(-1);
    const apart = last === undefined || orbitRadius(ring, least) - orbitRadius(last, least) >= 0.07;
    if (ring > least && orbitRadius(ring, least) > INNER + 0.03 && apart) shown.push(ring);
  }
  return shown;
}

/** `0.75`, and `0.005` where two decimals do not tell. */
export function ringText(score: number): string {
  return (score / 1_000).toFixed(score % 10 === 0 ? 2 : 3);
}

/**
 * The branch of each agent of an orbit: all those to whom one agent beside the middle leads. Numbered by size, the
 * largest first, as communities of a map are.
 * @param through for each the number of the one that leads to it; −1 for the middle
 */
export function branches(through: ArrayLike<number>): Uint32Array {
  const count = through.length;
  const first = new Int32Array(count).fill(-1);
  const sizes = new Map<number, number>();
  const way: number[] = [];
  for (let i = 0; i < count; i++) {
    let at = i;
    while ((first[at] ?? -1) < 0) {
      way.push(at);
      const before = through[at] ?? -1;
      if (before < 0) first[at] = at;
      else at = before;
    }
    const branch = first[at] ?? i;
    for (const passed of way) first[passed] = branch;
    way.length = 0;
    sizes.set(branch, (sizes.get(branch) ?? 0) + 1);
  }
  const rank = new Map([...sizes].sort(([a, n], [b, m]) => m - n || a - b).map(([branch], n) => [branch, n]));
  return Uint32Array.from(first, (branch) => rank.get(branch) ?? 0);
}

/** The agents on the way from the middle to one, the first whom the middle vouches for, the last itself. */
export function wayTo(i: number, through: ArrayLike<number>): readonly number[] {
  const way = [i];
  for (let at = through[i] ?? -1; at >= 0; at = through[at] ?? -1) way.unshift(at);
  return way;
}
