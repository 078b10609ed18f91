import { usage } from "../errors.ts";
import { visible } from "../ui/visible.ts";

const units = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** Seconds of a duration as policies write it: `30s`, `15m`, `24h`, `7d`. @throws {CliError} ERR_USAGE */
export function durationSeconds(value: unknown, flag: string): number {
  const match = typeof value === "string" ? /^([1-9]\d{0,5})([smhd])$/.exec(value) : null;
  if (!match) throw usage(`${flag} is a duration`, `${flag} 30s, 15m, 24h or 7d`);
  return Number(match[1]) * units[match[2] as keyof typeof units];
}

/** A time, a day or a duration from now on. @throws {CliError} ERR_USAGE */
export function timeOrDuration(value: string, flag: string, now: Date): Date {
  if (/^[1-9]\d{0,5}[smhd]$/.test(value)) return new Date(now.getTime() + durationSeconds(value, flag) * 1000);
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?$/.test(value) || Number.isNaN(Date.parse(value)))
    throw usage(`${visible(value)} is no time`, `${flag} 7d, 2027-01-31 or 2027-01-31T12:00:00Z`);
  return new Date(value);
}
