import type { Figure, Section } from "./figures.ts";
import { formatSummary, formatTable } from "./markdown.ts";
import type { Report } from "./report.ts";

/** A figure in two reports. */
export interface Change {
  readonly id: string;
  readonly old: Figure;
  readonly now: Figure;
  /** Now to old, of the medians. */
  readonly factor: number;
  /** `same` while the two spreads touch, or the medians differ by less than {@link LEAST_MOVE}. */
  readonly verdict: "same" | "better" | "worse";
}

/**
 * A part of the median. Rounds of one process lie closer together than processes do: where its memory lies and what was
 * compiled first moves a figure by so much, and two passes are too few to show it.
 */
export const LEAST_MOVE = 0.05;

/** Of fewer rounds nobody knows the spread, so nothing is said to have moved. */
const ROUNDS_TO_TELL = 3;

/** What two reports say of each other. */
export interface Comparison {
  readonly changes: readonly Change[];
  /** Ids that only the report of before has, though the section they stood in was measured now as well. */
  readonly gone: readonly string[];
  /** Ids that only the new report has. */
  readonly fresh: readonly string[];
  /** Why the two may differ for other reasons than the code. */
  readonly warnings: readonly string[];
}

/** Compares each figure by its id. A figure that stands beside a reference is judged by the ratio, which the machine moves least. */
export function compareReports(old: Report, now: Report): Comparison {
  const [before, after] = [figuresOf(old), figuresOf(now)];
  const isMeasured = ({ name }: Section): boolean => now.sections.some((section) => section.name === name);
  return {
    changes: [...after].flatMap(([id, figure]) => {
      const other = before.get(id);
      return other ? [changeOf(other, figure)] : [];
    }),
    gone: [...figuresOf({ ...old, sections: old.sections.filter(isMeasured) }).keys()].filter((id) => !after.has(id)),
    fresh: [...after.keys()].filter((id) => !before.has(id)),
    warnings: warningsOf(old, now),
  };
}

/** True if something got worse by more than both spreads, or is not measured any more. */
export function hasRegression({ changes, gone }: Comparison): boolean {
  return gone.length > 0 || changes.some(({ verdict }) => verdict === "worse");
}

function figuresOf({ sections }: Report): ReadonlyMap<string, Figure> {
  return new Map(sections.flatMap(({ figures }) => figures.map((figure) => [figure.id, figure] as const)));
}

function changeOf(old: Figure, now: Figure): Change {
  const [before, after] = old.ratio && now.ratio ? [old.ratio, now.ratio] : [old, now];
  const isTold = Math.min(old.rounds.length, now.rounds.length) >= ROUNDS_TO_TELL;
  const factor = after.median / before.median;
  const touches = before.low <= after.high && after.low <= before.high;
  const isSame = !isTold || touches || Math.abs(factor - 1) < LEAST_MOVE;
  const isMore = after.median > before.median;
  const verdict = isSame ? "same" : isMore === (now.better === "more") ? "better" : "worse";
  return { id: now.id, old, now, factor, verdict };
}

function warningsOf(old: Report, now: Report): string[] {
  const facts = ["cpu", "cores", "memoryGiB", "kernel", "node", "openssl", "sqlite", "postgres"] as const;
  const differing = facts.filter((fact) => old.machine[fact] !== now.machine[fact]);
  return [
    ...differing.map((fact) => `${fact}: ${old.machine[fact]} before, ${now.machine[fact]} now`),
    ...(old.scale === now.scale ? [] : [`measured ${old.scale} before, ${now.scale} now`]),
  ];
}

/** The comparison as Markdown: what moved first, then all the rest. */
export function formatComparison(comparison: Comparison): string {
  const { changes, gone, fresh, warnings } = comparison;
  const moved = changes.filter(({ verdict }) => verdict !== "same");
  const rest = changes.filter(({ verdict }) => verdict === "same");
  const mark = { same: "", better: "better", worse: "**worse**" };
  const row = ({ id, old, now, factor, verdict }: Change): string[] => {
    const isRatio = old.ratio !== undefined && now.ratio !== undefined;
    const text = (figure: Figure): string =>
      isRatio ? formatSummary(figure.ratio!, "x") : formatSummary(figure, figure.unit);
    return [id, text(old), text(now), `${factor.toFixed(2)} ×`, mark[verdict]];
  };
  return [
    "\n# Beside the report of before\n",
    `${changes.length} figures in both: ${moved.length} moved beyond both spreads, ${rest.length} did not.`,
    ...warnings.map((warning) => `- not alike: ${warning}`),
    ...(gone.length > 0 ? [`- not measured any more: ${gone.join(", ")}`] : []),
    ...(fresh.length > 0 ? [`- not measured before: ${fresh.join(", ")}`] : []),
    "",
    formatTable([["figure", "before", "now", "factor", "moved"], ...[...moved, ...rest].map(row)]),
  ].join("\n");
}
