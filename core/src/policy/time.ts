const durationForm = /^([1-9][0-9]{0,5})([smhd])$/;
const timeForm = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$/;
const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** The seconds of a duration such as `30s`, `15m`, `24h` or `7d`; undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  const match = durationForm.exec(text);
  const unit = match?.[2] === undefined ? undefined : unitSeconds[match[2]];
  return match && unit !== undefined ? Number(match[1]) * unit : undefined;
}

/** Unix milliseconds of an RFC 3339 time in UTC (`…Z`) that exists in the calendar; undefined for any other text. */
export function parseTime(text: string): number | undefined {
  if (!timeForm.test(text)) return undefined;
  const two = (at: number): number => text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 528;
  const [year, month, day, hour] = [two(0) * 100 + two(2), two(5), two(8), two(11)];
  const [minute, second] = [two(14), two(17)];
  if (year < 1970 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) return undefined;
  if (day < 1 || day > daysOf(year, month)) return undefined;
  const fraction = text.length === 20 ? 0 : Number(text.slice(20, -1).slice(0, 3).padEnd(3, "0"));
  return Date.UTC(year, month - 1, day, hour, minute, second, fraction);
}

function daysOf(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
