const decimal = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Sign, significant digits without zeros at either end, and the power of ten behind them: one form for one value. */
function normalForm(literal: string): string | undefined {
  const match = decimal.exec(literal);
  if (!match) return undefined;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const digits = (whole + fraction).replace(/^0+/, "");
  // By hand: /0+$/ tries every zero anew, which takes hours for a literal of four million of them (A-JSON-04).
  let length = digits.length;
  while (digits[length - 1] === "0") length--;
  if (length === 0) return "0";
  const significant = digits.slice(0, length);
  const power = Number(exponent) - fraction.length + (digits.length - length);
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
