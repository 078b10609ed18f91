/** Clocks may differ by this many seconds in either direction. */
export const SKEW_SECONDS = 30;

/** Whole Unix seconds of an instant. */
export function unixSeconds(instant: Date): number {
  return Math.floor(instant.getTime() / 1000);
}

/** `YYYY-MM-DDTHH:MM:SSZ` (RFC 3339, UTC, whole seconds) of Unix seconds. */
export function formatTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d{3}Z$/, "Z");
}

/** Unix seconds of `YYYY-MM-DDTHH:MM:SSZ`, or undefined for another form or an instant that does not exist. */
export function parseTime(text: unknown): number | undefined {
  if (typeof text !== "string" || !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text)) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return undefined;
  return formatTime(ms / 1000) === text ? ms / 1000 : undefined;
}
