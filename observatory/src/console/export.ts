import type { Ledger } from "./ledger.ts";
import type { Row } from "./row.ts";
import { type Places, search } from "./search.ts";

/** Calls that are written at a time, and old ones that are looked at for them. */
const LINES = 128;
const MOST_OLD = 2_048;

/** Every recorded call that is wanted, newest first, as NDJSON: the record of its decision and that of its outcome. */
export function exported(ledgers: readonly Ledger[], isWanted: (row: Row) => boolean): ReadableStream<Uint8Array> {
  const sources = new Map(ledgers.map(({ name, source }) => [name, source]));
  const encoder = new TextEncoder();
  const limits = { rows: LINES, old: MOST_OLD };
  let places: Places | undefined;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      // Whoever pulls waits until something is written: an empty stretch of a log is no end.
      for (;;) {
        const { rows, next } = await search(ledgers, places, isWanted, limits);
        const lines = rows.flatMap(({ guard, seq }) => {
          const found = sources.get(guard)?.call(seq);
          if (!found) return [];
          const { decision, outcome } = found;
          return [`${JSON.stringify({ guard, ...decision, ...(outcome ? { outcome } : {}) })}\n`];
        });
        if (lines.length > 0) controller.enqueue(encoder.encode(lines.join("")));
        if (!next) {
          controller.close();
          return;
        }
        places = next;
        if (lines.length > 0) return;
      }
    },
  });
}
