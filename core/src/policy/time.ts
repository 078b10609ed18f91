const durationForm = /^([1-9][0-9]{0,5})([smhd])$/;
const timeForm = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,3})\d*)?Z$/;
const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** The seconds of a duration such as `30s`, `15m`, `24h` or `7d`; undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  const match = durationForm.exec(text);
  const unit = match?.[2] === undefined ? undefined : unitSeconds[match[2]];
  return match && unit !== undefined ? Number(match[1]) * unit : undefined;
}

/** Unix milliseconds of an RFC 3339 time in UTC (`…Z`) that exists in the calendar; undefined for any other text. */
export function parseTime(text: string): number | undefined {
  const match = timeForm.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as Fields;
  if (year < 1970 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) return undefined;
  if (day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined;
  return Date.UTC(year, month - 1, day, hour, minute, second, Number((match[7] ?? "").padEnd(3, "0")));
}

type Fields = [number, number, number, number, number, number];
