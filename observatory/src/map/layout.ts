/** An undirected link between two points of a layout. */
export type Link = readonly [number, number];

/** A place in the unit the caller chose. */
export interface Point {
  x: number;
  y: number;
}

/**
 * Places points so that their distances resemble the number of links between them (stress, minimised by stochastic
 * gradient descent as in Zheng, Pawar and Goodman 2018). The same input always gives the same picture.
 * @param links every point has one at least
 * @returns points around (0, 0), neighbours about 1 apart
 */
export function layoutGraph(count: number, links: readonly Link[]): Point[] {
  const neighbours = neighbourLists(count, links);
  const random = seeded(count * 7919 + links.length);
  const points = Array.from({ length: count }, (): Point => ({ x: random() - 0.5, y: random() - 0.5 }));
  descend(points, linkPairs(neighbours), random);
  return points;
}

/** Scales points into a box and moves apart those that are nearer than `gap` in both directions. */
export function fit(points: readonly Point[], box: { width: number; height: number; margin: Point; gap: Point }): void {
  const { width, height, margin, gap } = box;
  stretch(points, width, height, margin);
  for (let round = 0; round < 160; round++) {
    let moved = false;
    for (const [i, a] of points.entries()) {
      for (const b of points.slice(i + 1)) {
        const overlapX = gap.x - Math.abs(a.x - b.x);
        const overlapY = gap.y - Math.abs(a.y - b.y);
        if (overlapX <= 0 || overlapY <= 0) continue;
        moved = true;
        // Along the way that is shorter, in proportion to the gap.
        if (overlapX / gap.x < overlapY / gap.y) push(a, b, "x", overlapX);
        else push(a, b, "y", overlapY);
      }
    }
    for (const point of points) {
      point.x = Math.min(width - margin.x, Math.max(margin.x, point.x));
      point.y = Math.min(height - margin.y, Math.max(margin.y, point.y));
    }
    if (!moved) return;
  }
}

function push(a: Point, b: Point, axis: "x" | "y", overlap: number): void {
  const sign = a[axis] <= b[axis] ? -1 : 1;
  a[axis] += (sign * overlap) / 2;
  b[axis] -= (sign * overlap) / 2;
}

function stretch(points: readonly Point[], width: number, height: number, margin: Point): void {
  const xs = points.map((point) => point.x);
  const ys = points.map((point) => point.y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  for (const point of points) {
    const along = right > left ? (point.x - left) / (right - left) : 0.5;
    const down = bottom > top ? (point.y - top) / (bottom - top) : 0.5;
    point.x = margin.x + along * (width - 2 * margin.x);
    point.y = margin.y + down * (height - 2 * margin.y);
  }
}

interface Pair {
  readonly a: number;
  readonly b: number;
  /** Links between them; what belongs to different parts is kept a little further apart than any two in one part. */
  readonly distance: number;
}

function linkPairs(neighbours: readonly (readonly number[])[]): Pair[] {
  const pairs: Pair[] = [];
  let widest = 1;
  const hops = neighbours.map((_, from) => hopsFrom(from, neighbours));
  for (const list of hops) for (const hop of list) widest = Math.max(widest, hop);
  for (let a = 0; a < neighbours.length; a++) {
    for (let b = a + 1; b < neighbours.length; b++) {
      const hop = hops[a]?.[b] ?? -1;
      pairs.push({ a, b, distance: hop < 0 ? widest * 0.8 + 1 : hop });
    }
  }
  return pairs;
}

function hopsFrom(from: number, neighbours: readonly (readonly number[])[]): number[] {
  const hops = neighbours.map(() => -1);
  hops[from] = 0;
  const queue = [from];
  for (const at of queue) {
    for (const next of neighbours[at] ?? []) {
      if ((hops[next] ?? 0) >= 0) continue;
      hops[next] = (hops[at] ?? 0) + 1;
      queue.push(next);
    }
  }
  return hops;
}

function descend(points: readonly Point[], pairs: Pair[], random: () => number): void {
  const rounds = 40;
  const slowest = Math.max(1, ...pairs.map((pair) => pair.distance)) ** 2;
  const decay = Math.log(slowest / 0.1) / (rounds - 1);
  for (let round = 0; round < rounds; round++) {
    const step = slowest * Math.exp(-decay * round);
    shuffle(pairs, random);
    for (const { a, b, distance } of pairs) {
      const p = points[a];
      const q = points[b];
      if (!p || !q) continue;
      const dx = p.x - q.x;
      const dy = p.y - q.y;
      const length = Math.hypot(dx, dy) || 1e-6;
      const pull = (Math.min(1, step / distance ** 2) * (length - distance)) / 2 / length;
      p.x -= pull * dx;
      p.y -= pull * dy;
      q.x += pull * dx;
      q.y += pull * dy;
    }
  }
}

function neighbourLists(count: number, links: readonly Link[]): number[][] {
  const sets = Array.from({ length: count }, () => new Set<number>());
  for (const [a, b] of links) {
    if (a === b) continue;
    sets[a]?.add(b);
    sets[b]?.add(a);
  }
  return sets.map((set) => [...set]);
}

function shuffle(list: Pair[], random: () => number): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j] as Pair, list[i] as Pair];
  }
}

/** Mulberry32: a picture must not change between two visits. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
