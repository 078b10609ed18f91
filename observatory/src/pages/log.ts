import { html } from "hono/html";
import { type CheckpointQuorum, formatVerifierKey, parseSignedNote, PeerageError, toHex } from "@peerage/core";
import { type EntryData, readEntries } from "../entries.ts";
import type { Page } from "../page.ts";
import { entryText, feedLine } from "../ui/entry.ts";
import { timeText } from "../ui/format.ts";
import { timeHtml } from "../ui/time.ts";
import { verifier } from "../ui/verify.ts";

const PAGE = 40;

export interface LogData {
  readonly origin: string;
  readonly size: number;
  /** Hex. */
  readonly root: string;
  /** Time of the checkpoint, Unix seconds. */
  readonly time: number;
  /** The witnesses elsewhere: how many there are, how many must cosign a head, and how many lines of theirs this one has. */
  readonly witnesses?: { readonly of: number; readonly threshold: number; readonly cosigned: number };
  readonly verifierKey: string;
  /** The signed note. */
  readonly checkpoint: string;
  /** Newest first. */
  readonly entries: readonly EntryData[];
  /** Where the next, older page begins. */
  readonly before?: number;
}

/** The log: its checkpoint, and its entries from the newest on. */
export const log: Page<LogData> = {
  async load(asked) {
    const { view } = asked.seen;
    const before = asked.query.get("before");
    const end = before === null ? view.size : Math.min(view.size, parseIndex(before));
    const start = Math.max(0, end - PAGE);
    const entries = await readEntries(start, end, asked);
    return {
      origin: view.origin,
      size: view.size,
      root: toHex(view.root),
      time: view.time,
      ...witnessesOf(asked.source.quorum, view.note),
      verifierKey: formatVerifierKey(asked.source.logKey),
      checkpoint: view.note,
      entries: entries.reverse(),
      ...(start > 0 ? { before: start } : {}),
    };
  },
  title: () => "Log · Peerage",
  html: (data, frame) =>
    html`<header class="head">
        <h1>The log</h1>
        <p class="muted">
          Append-only and public. Whoever keeps a checkpoint notices if an entry is ever changed, dropped or moved.
        </p>
      </header>
      <div class="columns even">
        <section class="panel">
          <h2>Checkpoint</h2>
          <dl class="facts">
            <div>
              <dt>origin</dt>
              <dd><code>${data.origin}</code></dd>
            </div>
            <div>
              <dt>size</dt>
              <dd><b>${data.size}</b> entries</dd>
            </div>
            <div>
              <dt>signed</dt>
              <dd>${timeHtml(data.time)}</dd>
            </div>
            <div>
              <dt>root</dt>
              <dd><code>${data.root}</code></dd>
            </div>
            <div>
              <dt>witnesses</dt>
              <dd>
                ${
                  data.witnesses
                    ? `✓ ${data.witnesses.cosigned} of ${data.witnesses.of} cosigned, ${data.witnesses.threshold} must`
                    : "– none configured: its time is the operator’s own"
                }
              </dd>
            </div>
            <div>
              <dt>key</dt>
              <dd><code>${data.verifierKey}</code></dd>
            </div>
          </dl>
        </section>
        <section class="panel">
          <h2>As signed <a class="more" href="/checkpoint">/checkpoint</a></h2>
          <pre class="wrap"><code>${data.checkpoint}</code></pre>
          <p class="muted small">A signed note with tiles of hashes (C2SP tlog-tiles).</p>
          ${verifier([], "the log", `peerage log head --registry ${frame.registryUrl}`)}
        </section>
      </div>
      <section class="panel">
        <h2>
          Entries ${frame.query.has("before") ? html`<a class="more" href="${frame.links.log()}">newest</a>` : ""}
        </h2>
        ${
          data.entries.length === 0
            ? html`<p class="muted">The log is empty.</p>`
            : html`<ol class="feed">
                ${data.entries.map((entry) => feedLine(entry, frame))}
              </ol>`
        }
        ${data.before === undefined ? "" : html`<p class="pages"><a href="${frame.links.log({ before: data.before })}">Older</a></p>`}
      </section>`,
  text: (data) =>
    [
      `${data.origin}  size ${data.size}  ${timeText(data.time)}`,
      `root ${data.root}`,
      `key  ${data.verifierKey}`,
      ...(data.witnesses ? [`${data.witnesses.cosigned} of ${data.witnesses.of} witnesses cosigned`] : []),
      "",
      ...data.entries.map(entryText),
      "",
    ].join("\n"),
};

/** The registry publishes no head that has not enough of them; the browser verifies each line for itself. */
function witnessesOf(quorum: CheckpointQuorum | undefined, note: string): Pick<LogData, "witnesses"> {
  if (!quorum) return {};
  const { witnesses, threshold } = quorum;
  const lines = parseSignedNote(note).signatures;
  const cosigned = witnesses.filter(({ name, keyId }) =>
    lines.some((line) => line.name === name && line.keyId === keyId),
  ).length;
  return { witnesses: { of: witnesses.length, threshold, cosigned } };
}

/** An index or size in a query. */
export function parseIndex(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new PeerageError("ERR_REQUEST_INVALID", "an index of the log is a number");
  return Number(text);
}
