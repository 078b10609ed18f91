import { html } from "hono/html";
import type { Frame } from "../frame.ts";
import type { Bridge, Group } from "../map/chart.ts";
import type { AgentRef, Asked, Html } from "../page.ts";
import { count, fingerprint } from "./format.ts";

/** Communities in a page's data. */
export interface CommunityData {
  /** The largest. */
  readonly groups: readonly (Omit<Group, "first"> & { readonly first: AgentRef })[];
  readonly bridges: readonly Bridge[];
  /** How many there are besides: anybody can make as many small ones as they like, and no picture holds them. */
  readonly more: number;
}

/** Most communities of a picture, and vouches between them. */
const MOST_GROUPS = 150;
const MOST_BRIDGES = 400;

/** The communities of a chart that a picture shows. */
export function communityData(
  { groups, bridges }: { readonly groups: readonly Group[]; readonly bridges: readonly Bridge[] },
  { ref }: Pick<Asked, "ref">,
): CommunityData {
  return {
    groups: groups.slice(0, MOST_GROUPS).map((group) => ({ ...group, first: ref(group.first) })),
    bridges: bridges.filter(({ a, b }) => a < MOST_GROUPS && b < MOST_GROUPS).slice(0, MOST_BRIDGES),
    more: Math.max(0, groups.length - MOST_GROUPS),
  };
}

/** A name is wider than a small circle: of these, so many of the largest have theirs. */
const MOST_LABELS = 12;

/** A picture of communities: area is members, a line is vouches between two. A click looks into one. */
export function communityChart(
  { communities, path }: { communities?: CommunityData; path: readonly AgentRef[] },
  frame: Frame,
): Html {
  if (!communities) return html``;
  const { groups, bridges } = communities;
  const all = groups.reduce((sum, { members }) => sum + members, 0);
  const most = Math.max(1, ...bridges.map(({ vouches }) => vouches));
  const placed = apart(
    groups.map(({ x, y, members }) => ({ x: x / 20, y: y / 20, r: Math.max(5, Math.sqrt(members / all) * 380) })),
  );
  const [left, top, right, bottom] = [
    Math.min(...placed.map(({ x, r }) => x - r)),
    Math.min(...placed.map(({ y, r }) => y - r)),
    Math.max(...placed.map(({ x, r }) => x + r)),
    Math.max(...placed.map(({ y, r }) => y + r)),
  ].map(Math.round) as [number, number, number, number];
  return html`<svg
    class="sky communities"
    viewBox="${left - 20} ${top - 20} ${right - left + 40} ${bottom - top + 50}"
    role="group"
    aria-label="${groups.length} communities and the vouches between them; the list below names their agents"
  >
    ${bridges.map(({ a, b, vouches }) => {
      const [p, q] = [placed[a], placed[b]];
      if (!p || !q) return "";
      const width = Math.round((0.6 + 7 * Math.sqrt(vouches / most)) * 10) / 10;
      return html`<path class="bridge" stroke-width="${width}" d="M${p.x} ${p.y}L${q.x} ${q.y}" />`;
    })}
    ${groups.map((group, i) => circle(group, placed[i] ?? { x: 0, y: 0, r: 0 }, i, path, frame))}
  </svg>`;
}

function circle(
  { first, members, inner }: CommunityData["groups"][number],
  { x, y, r }: Circle,
  i: number,
  path: readonly AgentRef[],
  frame: Frame,
): Html {
  const { head, tail } = fingerprint(first.did);
  const community = [...path, first].map(({ did }) => did).join(",");
  const title = `${count(members, "agent")}, ${count(inner, "vouch", "vouches")} among them, around ${first.name ?? ""} z6Mk${head}…${tail}`;
  const label =
    r < 26 || (r < 44 && i >= MOST_LABELS)
      ? ""
      : html`<text class="name" x="${x}" y="${y - 2}"
            >${Array.from(first.name ?? `${head}…${tail}`)
              .slice(0, 16)
              .join("")}</text
          ><text class="fp" x="${x}" y="${y + 12}"
            >${first.name === undefined ? "" : `${head}…${tail} · `}${members}</text
          >`;
  return html`<a href="${frame.links.same("/map", { community })}" class="star" aria-label="${title}"
    ><title>${title}</title><circle class="dot c${i % 12}" cx="${x}" cy="${y}" r="${r}" />${label}</a
  >`;
}

interface Circle {
  x: number;
  y: number;
  r: number;
}

/** Moves circles apart that overlap, a little at a time. */
function apart(circles: Circle[]): Circle[] {
  for (let round = 0; round < 120; round++) {
    let moved = false;
    for (const [i, a] of circles.entries()) {
      for (const b of circles.slice(i + 1)) {
        const [dx, dy] = [b.x - a.x || 0.1, b.y - a.y || 0.1];
        const distance = Math.hypot(dx, dy);
        const overlap = a.r + b.r + 6 - distance;
        if (overlap <= 0) continue;
        moved = true;
        const [ux, uy] = [(dx / distance) * (overlap / 2), (dy / distance) * (overlap / 2)];
        a.x -= ux;
        a.y -= uy;
        b.x += ux;
        b.y += uy;
      }
    }
    if (!moved) break;
  }
  return circles.map(({ x, y, r }) => ({ x: Math.round(x), y: Math.round(y), r: Math.round(r) }));
}
