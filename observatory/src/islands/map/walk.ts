import type { StarMap } from "./data.ts";

const directions: Readonly<Record<string, readonly [number, number]>> = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowDown: [0, 1],
  ArrowUp: [0, -1],
};

/** True for a key that walks. */
export function walks(key: string): boolean {
  return key in directions;
}

/**
 * The next star in the direction of an arrow key: the nearest of those joined to this one, or, if none of them lies there,
 * the nearest of all. Nearness counts what lies aside twice.
 */
export function step(map: StarMap, from: number, key: string): number | undefined {
  const [dx, dy] = directions[key] ?? [0, 0];
  const here = map.stars[from];
  if (!here) return undefined;
  const nearest = (candidates: Iterable<number>): number | undefined => {
    let best: number | undefined;
    let least = Infinity;
    for (const i of candidates) {
      const star = map.stars[i];
      if (!star || star.absent || i === from) continue;
      const along = (star.x - here.x) * dx + (star.y - here.y) * dy;
      const aside = Math.abs((star.x - here.x) * dy) + Math.abs((star.y - here.y) * dx);
      if (along <= 0 || aside > along * 2) continue;
      if (along + 2 * aside < least) [best, least] = [i, along + 2 * aside];
    }
    return best;
  };
  return nearest(map.neighbours.get(from) ?? []) ?? nearest(map.stars.keys());
}
