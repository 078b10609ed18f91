import { expect, it } from "vitest";
import { parseDuration, parseTime } from "./time.ts";

it("reads durations of whole seconds, minutes, hours and days", () => {
  expect(["30s", "15m", "24h", "7d"].map(parseDuration)).toEqual([30, 900, 86_400, 604_800]);
  for (const text of ["", "0s", "1", "1.5h", "-1s", "1w", "1h30m", "1234567s", " 1s", "1s\n"]) {
    expect(parseDuration(text), JSON.stringify(text)).toBeUndefined();
  }
});

it("reads times in UTC that exist in the calendar", () => {
  expect(parseTime("2026-11-20T14:23:08Z")).toBe(Date.UTC(2026, 10, 20, 14, 23, 8));
  expect(parseTime("2028-02-29T00:00:00.5Z")).toBe(Date.UTC(2028, 1, 29, 0, 0, 0, 500));
  for (const text of [
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:60Z",
    "2026-01-01T00:00:00+01:00",
    "2026-01-01T00:00:00",
    "2026-01-01",
    "2026-01-01T00:00:00Z\n",
    "1969-12-31T23:59:59Z",
  ]) {
    expect(parseTime(text), JSON.stringify(text)).toBeUndefined();
  }
});
