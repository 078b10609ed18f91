import type { Seen } from "./log-checks.ts";

const KEY = "peerage.head";

/** The head of this site's log that this browser saw last. Storage may be closed to pages: then nothing is remembered. */
export function recall(): Seen | undefined {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    if (typeof kept !== "object" || kept === null) return undefined;
    const { note, logKey } = kept as Record<string, unknown>;
    return typeof note === "string" && typeof logKey === "string" ? { note, logKey } : undefined;
  } catch {
    return undefined;
  }
}

export function remember({ note, logKey }: Seen): void {
  try {
    localStorage.setItem(KEY, JSON.stringify({ note, logKey }));
  } catch {
    // A browser that keeps nothing compares nothing: the report says so each time.
  }
}

/** Takes the log as it is now for the one to compare with. */
export function forget(): void {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Nothing was kept.
  }
}
