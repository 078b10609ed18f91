import type { AuditedCall, AuditReader } from "@peerage/mcp-middleware";
import { usage } from "./errors.ts";

/**
 * The call at a place in the log, or the one whose id begins so: one id in seventeen begins with six digits alone.
 * @throws {CliError} ERR_USAGE where there are both, as one of the askers erases what it finds
 */
export function callNamed(reader: AuditReader, text: string): AuditedCall | undefined {
  const place = /^#?(0|[1-9]\d{0,11})$/.exec(text)?.[1];
  const placed = place === undefined ? undefined : reader.call(Number(place));
  const begun = text.startsWith("#") ? undefined : reader.call(text);
  if (placed && begun && placed.decision.seq !== begun.decision.seq) {
    throw usage(`${text} is a place in the log, and the beginning of an id`, `#${text}, or ${begun.decision.id}`);
  }
  return placed ?? begun;
}
