import { describe, expect, it } from "vitest";
import { communities } from "./communities.ts";
import { fit, layoutGraph, type Link } from "./layout.ts";

/** Rings of `size` points, neighbouring rings joined by one link. */
function rings(count: number, size: number): Link[] {
  const links: Link[] = [];
  for (let r = 0; r < count; r++) {
    for (let i = 0; i < size; i++) {
      for (let k = 1; k <= 2; k++) links.push([r * size + i, r * size + ((i + k) % size)]);
    }
    if (r > 0) links.push([(r - 1) * size, r * size]);
  }
  return links;
}

describe("the picture's layout", () => {
  it("is the same for the same network", () => {
    expect(layoutGraph(24, rings(3, 8))).toEqual(layoutGraph(24, rings(3, 8)));
  });

  it("puts linked points nearer to each other than others", () => {
    const links = rings(3, 8);
    const points = layoutGraph(24, links);
    const distance = (a: number, b: number): number =>
      Math.hypot(points[a]!.x - points[b]!.x, points[a]!.y - points[b]!.y);
    const linked = links.reduce((sum, [a, b]) => sum + distance(a, b), 0) / links.length;
    let all = 0;
    for (let a = 0; a < 24; a++) for (let b = 0; b < a; b++) all += distance(a, b) / ((24 * 23) / 2);
    expect(linked).toBeLessThan(all * 0.6);
  });

  it("stays in its box and keeps its distance where there is room", () => {
    const points = layoutGraph(24, rings(3, 8));
    fit(points, { width: 700, height: 590, margin: { x: 40, y: 30 }, gap: { x: 80, y: 60 } });
    for (const [i, a] of points.entries()) {
      expect(a.x).toBeGreaterThanOrEqual(40);
      expect(a.x).toBeLessThanOrEqual(660);
      for (const b of points.slice(i + 1)) {
        expect(Math.abs(a.x - b.x) > 70 || Math.abs(a.y - b.y) > 52).toBe(true);
      }
    }
  });

  it("tells communities apart, the largest first", () => {
    const links = [...rings(2, 8), ...rings(1, 12).map(([a, b]): Link => [a + 16, b + 16])];
    const groups = communities(28, links);
    for (const [from, to] of [
      [0, 8],
      [8, 16],
      [16, 28],
    ] as const) {
      expect(new Set(groups.slice(from, to)).size).toBe(1);
    }
    expect(groups[20]).toBe(0);
    expect(new Set(groups).size).toBe(3);
  });
});
