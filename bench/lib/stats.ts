/** Median of some numbers; `NaN` of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which a share of some numbers lies, between two of them by their distance; `NaN` of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  if (below === undefined || above === undefined) return Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** The middle of some rounds, and between what they lie. */
export interface Summary {
  readonly median: number;
  /** The quartiles of eight rounds or more; of fewer the least and the most, as so few have no quartiles to speak of. */
  readonly low: number;
  readonly high: number;
}

/** So many rounds have quartiles. */
export const QUARTILES_FROM = 8;

/** What rounds say together. @throws {RangeError} if there is none, or one is no number */
export function summarise(rounds: readonly number[]): Summary {
  if (rounds.length === 0) throw new RangeError("nothing was measured");
  if (!rounds.every(Number.isFinite)) throw new RangeError("a round has measured no number");
  const [low, high] = rounds.length >= QUARTILES_FROM ? [0.25, 0.75] : [0, 1];
  return { median: median(rounds), low: quantile(rounds, low), high: quantile(rounds, high) };
}
