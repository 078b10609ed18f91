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
  /** Four fifths of ten rounds or more lie between; of fewer all, as so few have no tenths to speak of. */
  readonly low: number;
  readonly high: number;
}

/** So many rounds have tenths. */
export const TENTHS_FROM = 10;

/** What rounds say together. @throws {RangeError} if there is none, or one is no number */
export function summarise(rounds: readonly number[]): Summary {
  if (rounds.length === 0) throw new RangeError("nothing was measured");
  if (!rounds.every(Number.isFinite)) throw new RangeError("a round has measured no number");
  const [low, high] = rounds.length >= TENTHS_FROM ? [0.1, 0.9] : [0, 1];
  return { median: median(rounds), low: quantile(rounds, low), high: quantile(rounds, high) };
}
