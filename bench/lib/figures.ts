import { type Summary, summarise } from "./stats.ts";

/** What a figure counts; `x` is a plain ratio. */
export type Unit = "/s" | "s" | "ms" | "µs" | "ns" | "B" | "KiB" | "MiB" | "MB/s" | "frames/s" | "%" | "x";

/** What the design asks for: of the figure itself, or of its ratio to the reference. */
export interface Goal {
  readonly of: "value" | "ratio" | "added";
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** What one section measured, round by round, as it comes from the section's process. */
export interface Measurement {
  /** `section/name`: what `--compare` finds it by, so it never changes its meaning. */
  readonly id: string;
  readonly what: string;
  readonly unit: Unit;
  readonly better: "more" | "less";
  /** One number a round, in the order in which they were taken. */
  readonly rounds: readonly number[];
  /** The id of what it stands beside: measured in the same rounds, one by one, so that both had the same weather. */
  readonly beside?: string;
  readonly goal?: Goal;
  /** What else was seen, in words: failures, memory, the slowest. */
  readonly note?: string;
}

/** A measurement of all passes together. */
export interface Figure extends Measurement, Summary {
  /** How many times the reference it is, from the pairs of rounds. */
  readonly ratio?: Summary;
  /** How much more than the reference, in its own unit. */
  readonly added?: Summary;
  /** Whether the goal is met by the median; absent without a goal. */
  readonly meets?: boolean;
}

/** A section of a report. */
export interface Section {
  readonly name: string;
  readonly title: string;
  readonly figures: readonly Figure[];
  /** How long it was measured, all passes together. */
  readonly seconds: number;
  /** What went wrong, where it could not be measured to its end. */
  readonly failed?: string;
}

/**
 * Joins the rounds of several passes by id, and says what they come to.
 * @throws {RangeError} if an id stands twice in a pass, or a reference is not there or has not as many rounds
 */
export function toFigures(passes: readonly (readonly Measurement[])[]): Figure[] {
  const joined = new Map<string, Measurement>();
  for (const pass of passes) {
    const seen = new Set<string>();
    for (const measurement of pass) {
      const { id, rounds } = measurement;
      if (seen.has(id)) throw new RangeError(`${id} was measured twice in one pass`);
      seen.add(id);
      joined.set(id, { ...measurement, rounds: [...(joined.get(id)?.rounds ?? []), ...rounds] });
    }
  }
  return [...joined.values()].map((measurement) => toFigure(measurement, joined));
}

function toFigure(measurement: Measurement, all: ReadonlyMap<string, Measurement>): Figure {
  const { beside, rounds, goal } = measurement;
  const own = { ...measurement, ...summarise(rounds) };
  const figure = beside === undefined ? own : { ...own, ...besides(measurement, all.get(beside)) };
  return goal === undefined ? figure : { ...figure, meets: isMet(goal, figure) };
}

function besides(
  { id, beside, rounds }: Measurement,
  reference: Measurement | undefined,
): Pick<Figure, "ratio" | "added"> {
  if (reference?.rounds.length !== rounds.length)
    throw new RangeError(`${id} stands beside ${beside}, which has no rounds to match`);
  const pairs = rounds.map((value, i) => [value, reference.rounds[i]!] as const);
  return {
    ratio: summarise(pairs.map(([value, other]) => value / other)),
    added: summarise(pairs.map(([value, other]) => value - other)),
  };
}

function isMet({ of, atLeast = -Infinity, atMost = Infinity }: Goal, figure: Figure): boolean {
  const value = of === "value" ? figure.median : figure[of]?.median;
  return value !== undefined && value >= atLeast && value <= atMost;
}
