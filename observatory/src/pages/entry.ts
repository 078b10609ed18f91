import { html } from "hono/html";
import { type JsonObject, leafHash, PeerageError, toHex, verifyInclusion } from "@peerage/core";
import { type EntryData, entryData, statementOf } from "../entries.ts";
import type { Frame } from "../frame.ts";
import { proofsOf } from "../http/proofs.ts";
import type { Html, Page } from "../page.ts";
import { entrySentence, entryText } from "../ui/entry.ts";
import { count } from "../ui/format.ts";
import { timeHtml } from "../ui/time.ts";
import { parseIndex } from "./log.ts";
import { documentPanel, verifyPanel } from "./vouch.ts";

export interface EntryPageData {
  readonly entry: EntryData;
  readonly bytes: number;
  /** Hex. */
  readonly leafHash: string;
  /** Sibling hashes from the leaf to the root, hex (RFC 6962 section 2.1.1). */
  readonly inclusion: readonly string[];
  readonly size: number;
  readonly root: string;
  /** The signed document, where the leaf is a statement. */
  readonly document?: JsonObject;
}

/** One entry of the log with the hashes that lead from it to the checkpoint. */
export const entry: Page<EntryPageData> = {
  async load(asked) {
    const { view } = asked.seen;
    const index = parseIndex(asked.parameter);
    const notThere = new PeerageError("ERR_NOT_FOUND", `the log has no entry ${index}`);
    if (index >= view.size) throw notThere;
    for await (const leaf of asked.source.leaves(index, index + 1)) {
      const statement = await statementOf(leaf);
      const hash = leafHash(leaf.leaf);
      const proof = await proofsOf(asked.source).inclusion(index, view.size);
      verifyInclusion({ index, size: view.size, root: view.root, leafHash: hash, proof });
      return {
        entry: await entryData(leaf, asked),
        bytes: leaf.leaf.length,
        leafHash: toHex(hash),
        inclusion: proof.map(toHex),
        size: view.size,
        root: toHex(view.root),
        ...(typeof statement === "string" ? {} : { document: statement.document }),
      };
    }
    throw notThere;
  },
  title: ({ entry: { index } }) => `Entry ${index} · Peerage`,
  html: (data, frame) =>
    html`<header class="head">
        <h1>Entry ${data.entry.index}</h1>
        <p class="row big">${entrySentence(data.entry, frame)}</p>
      </header>
      <div class="columns even">
        <section class="panel">
          <h2>What is logged</h2>
          <dl class="facts">
            <div>
              <dt>logged</dt>
              <dd>${timeHtml(data.entry.at)}</dd>
            </div>
            <div>
              <dt>kind</dt>
              <dd>${data.entry.kind}</dd>
            </div>
            ${
              data.entry.id === undefined
                ? ""
                : html`<div>
                    <dt>id</dt>
                    <dd>${idLink(data.entry, frame)}</dd>
                  </div>`
            }
            <div>
              <dt>size</dt>
              <dd>${data.bytes} bytes</dd>
            </div>
            <div>
              <dt>leaf hash</dt>
              <dd><code>${data.leafHash}</code></dd>
            </div>
          </dl>
          <p class="pages">
            ${data.entry.index > 0 ? html`<a href="${frame.links.entry(data.entry.index - 1)}">← #${data.entry.index - 1}</a>` : ""}
            ${data.entry.index + 1 < data.size ? html`<a href="${frame.links.entry(data.entry.index + 1)}">#${data.entry.index + 1} →</a>` : ""}
          </p>
        </section>
        ${proofPanel(data)}
      </div>
      ${data.document === undefined ? "" : verifyPanel(data.entry, frame)}
      ${data.document === undefined ? "" : documentPanel(data.document, data.bytes)}`,
  text: (data) =>
    [
      entryText(data.entry),
      `leaf ${data.leafHash}`,
      `root ${data.root} (size ${data.size})`,
      ...data.inclusion.map((hash, i) => `  ${String(i).padStart(2)} ${hash}`),
      "",
      data.document === undefined ? "" : JSON.stringify(data.document, null, 2),
      "",
    ].join("\n"),
};

function idLink({ id, kind }: EntryData, frame: Frame): Html {
  if (id === undefined) return html``;
  return kind === "Vouch" ? html`<a href="${frame.links.vouch(id)}"><code>${id}</code></a>` : html`<code>${id}</code>`;
}

function proofPanel({ inclusion, size, root }: EntryPageData): Html {
  return html`<section class="panel">
    <h2>Proof that it is in the log</h2>
    <p class="muted">
      ${
        inclusion.length === 0
          ? "The only entry: its hash is the root."
          : html`Hashed with these ${count(inclusion.length, "hash", "hashes")} in turn, the leaf gives the root of the
            ${size} entries. This server checked that just now; below, your browser can.`
      }
    </p>
    <ol class="proof">
      ${inclusion.map((hash) => html`<li><code>${hash}</code></li>`)}
      <li class="root"><code>${root}</code> <span class="chip ok">✓ root</span></li>
    </ol>
  </section>`;
}
