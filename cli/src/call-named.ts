import type { AuditedCall, AuditReader } from "@peerage/mcp-middleware";

/**
 * The call at a place in the log, or the one whose id begins so: one id in forty begins with eight digits, and eight are
 * enough of an id. A place that is there comes first.
 */
export function callNamed(reader: AuditReader, text: string): AuditedCall | undefined {
  const place = /^#?(\d{1,12})$/.exec(text)?.[1];
  const placed = place === undefined ? undefined : reader.call(Number(place));
  return placed ?? (place === undefined || text.length >= 8 ? reader.call(text) : undefined);
}
