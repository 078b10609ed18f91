import type { AgentRef } from "../page.ts";
import type { Step, Term } from "../working.ts";

const WIDTH = 1080;
const SIDE = 84;
const ROW = 86;
const TOP = 40;
/** Room for the labels below the last row. */
const BOTTOM = 62;
const END_RADIUS = 27;
const MIDDLE_RADIUS = 18;

/** An agent in the drawing. */
export interface ChainNode {
  readonly agent: AgentRef;
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  /** A root or the target. */
  readonly end: boolean;
  /** Drawn before on another chain: the two are not independent. */
  readonly again: boolean;
}

/** A vouch in the drawing. */
export interface Run {
  readonly path: string;
  readonly step: Step;
  readonly strength: "strong" | "fair" | "weak";
  /** Middle of the label, above a straight part of the line. */
  readonly label: { readonly x: number; readonly y: number };
  /** On the last vouch of a chain, what the chain adds to the score. */
  readonly gain?: string;
}

/**
 * Lays chains out in rows: roots on the left, the target on the right, one row a chain. What chains have in common from
 * their root on is drawn once.
 */
export function layoutChains(
  terms: readonly Term[],
  target: AgentRef,
): { width: number; height: number; nodes: ChainNode[]; runs: Run[] } {
  const ordered = grouped(terms);
  const rowOf = (i: number): number => TOP + i * ROW;
  const height = rowOf(Math.max(0, ordered.length - 1)) + BOTTOM + (ordered.length === 1 ? 8 : 0);
  const middle = (rowOf(0) + rowOf(Math.max(0, ordered.length - 1))) / 2;
  const deepest = Math.max(0, ...ordered.map(({ chain }) => chain.length - 1));
  const column = (depth: number): number => SIDE + (depth * (WIDTH - 2 * SIDE)) / (deepest + 1);

  const rows = new Map<string, number[]>();
  ordered.forEach(({ chain }, i) => {
    for (let depth = 0; depth < chain.length; depth++) {
      const key = prefix(chain, depth);
      rows.set(key, [...(rows.get(key) ?? []), rowOf(i)]);
    }
  });
  const place = (chain: readonly Step[], depth: number): { x: number; y: number } => {
    const ys = rows.get(prefix(chain, depth)) ?? [middle];
    return { x: Math.round(column(depth)), y: Math.round(ys.reduce((sum, y) => sum + y, 0) / ys.length) };
  };

  const goal = { x: WIDTH - SIDE, y: Math.round(middle) };
  const nodes: ChainNode[] = [{ agent: target, ...goal, radius: END_RADIUS, end: true, again: false }];
  const runs: Run[] = [];
  const drawn = new Set<string>();
  const seen = new Set<string>([target.did]);
  ordered.forEach(({ chain, addend }, i) => {
    chain.forEach((step, depth) => {
      const from = place(chain, depth);
      const key = prefix(chain, depth);
      const last = depth === chain.length - 1;
      if (!drawn.has(key)) {
        drawn.add(key);
        const end = depth === 0;
        const radius = end ? END_RADIUS : MIDDLE_RADIUS;
        nodes.push({ agent: step.from, ...from, radius, end, again: seen.has(step.from.did) });
        seen.add(step.from.did);
      }
      const runKey = last ? `${key} end` : prefix(chain, depth + 1);
      if (drawn.has(`run ${runKey}`)) return;
      drawn.add(`run ${runKey}`);
      const to = last ? { x: goal.x, y: goal.y + spread(i, ordered.length) } : place(chain, depth + 1);
      const row = last ? rowOf(i) : to.y;
      runs.push({
        ...route(from, depth === 0, to, last, row),
        step,
        strength: strength(step),
        ...(last ? { gain: addend } : {}),
      });
    });
  });
  return { width: WIDTH, height, nodes, runs };
}

/** Chains of one root, and of one first hop, stand together; otherwise the larger first. */
function grouped(terms: readonly Term[]): Term[] {
  const rank = new Map<string, number>();
  terms.forEach(({ chain }, i) => {
    for (let depth = 0; depth < chain.length; depth++) {
      const key = prefix(chain, depth);
      if (!rank.has(key)) rank.set(key, i);
    }
  });
  const keys = ({ chain }: Term): number[] => chain.map((_, depth) => rank.get(prefix(chain, depth)) ?? 0);
  return [...terms].sort((a, b) => {
    const [x, y] = [keys(a), keys(b)];
    for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return (x[i] ?? 0) - (y[i] ?? 0);
    return x.length - y.length || b.value - a.value;
  });
}

/** The DIDs from the root to the agent at a depth. */
function prefix(chain: readonly Step[], depth: number): string {
  return chain
    .slice(0, depth + 1)
    .map(({ from }) => from.did)
    .join(" ");
}

function strength({ confidence }: Step): Run["strength"] {
  return confidence >= 80 ? "strong" : confidence >= 50 ? "fair" : "weak";
}

/** Arrows reach the target side by side instead of in one point. */
function spread(i: number, rows: number): number {
  return rows === 1 ? 0 : Math.round((i / (rows - 1) - 0.5) * Math.min(24, rows * 6));
}

/** A line that bends into its row, runs straight under its label, and bends out again. */
function route(
  from: { x: number; y: number },
  fromEnd: boolean,
  to: { x: number; y: number },
  toEnd: boolean,
  row: number,
): { path: string; label: { x: number; y: number } } {
  const start = from.x + (fromEnd ? END_RADIUS : MIDDLE_RADIUS) + 3;
  const stop = to.x - (toEnd ? END_RADIUS : MIDDLE_RADIUS) - 4;
  const bend = Math.min(104, (stop - start) / 2.6);
  const a = row === from.y ? start : start + bend;
  const b = row === to.y ? stop : stop - bend;
  const into = row === from.y ? "" : `C${start + bend * 0.55} ${from.y} ${start + bend * 0.35} ${row} ${a} ${row}`;
  const out =
    row === to.y
      ? `L${stop} ${to.y}`
      : `L${b} ${row}C${b + bend * 0.65} ${row} ${b + bend * 0.45} ${to.y} ${stop} ${to.y}`;
  return { path: rounded(`M${start} ${from.y}${into}${out}`), label: { x: Math.round((a + b) / 2), y: row - 9 } };
}

function rounded(path: string): string {
  return path.replace(/\d+\.\d+/g, (number) => String(Math.round(Number(number) * 10) / 10));
}
