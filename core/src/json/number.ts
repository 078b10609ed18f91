const decimal = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Sign, significant digits without zeros at either end, and the power of ten behind them: one form for one value. */
function normalForm(literal: string): string | undefined {
  const match = decimal.exec(literal);
  if (!match) return undefined;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const digits = (whole + fraction).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${sign}${significant}e${power}`;
}

/**
 * Reads a JSON number literal if it survives a round trip: its exact decimal value equals that of
 * `JSON.stringify(Number(literal))`, it is not −0 and, if integral, lies within ±(2^53 − 1).
 * @returns the number, or undefined if it would arrive elsewhere as another one
 */
export function exactNumber(literal: string): number | undefined {
  const value = Number(literal);
  if (Object.is(value, -0) || !Number.isFinite(value)) return undefined;
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return undefined;
  const text = String(value);
  return text === literal || normalForm(text) === normalForm(literal) ? value : undefined;
}
