import { html } from "hono/html";
import { type Digest, isDigest, type JsonObject, PeerageError, type Score, type VouchRecord } from "@peerage/core";
import { dependentsOf } from "../dependents.ts";
import type { Frame } from "../frame.ts";
import { type NoteData, noteData } from "../notes.ts";
import { type AgentRef, type Asked, type Html, type Page, vouchData, type VouchData } from "../page.ts";
import { agentLink, agentText } from "../ui/agent.ts";
import { statusMark } from "../ui/agent-panels.ts";
import { scopeTag } from "../ui/entry.ts";
import { scoreText, timeText } from "../ui/format.ts";
import { noteHtml } from "../ui/note.ts";
import { scoreBar } from "../ui/score.ts";
import { momentHtml, timeHtml } from "../ui/time.ts";
import { type Shown, verifier } from "../ui/verify.ts";

const MOST_DEPENDENTS = 24;

export interface VouchPageData extends VouchData {
  /** The scopes in which it counts now. */
  readonly countsIn: readonly string[];
  readonly evidence: readonly Digest[];
  readonly noteDigest?: Digest;
  readonly note?: NoteData;
  readonly revokedBy?: { readonly id: Digest; readonly index: number; readonly time: number };
  readonly bytes: number;
  /** The scope in which dependents were looked for, and whose scores would be others without it; left out if too many. */
  readonly dependents?: {
    readonly scope: string;
    readonly count: number;
    readonly first: readonly (AgentRef & { readonly score: Score; readonly without: Score })[];
  };
  /** The signed document. */
  readonly document: JsonObject;
}

/** One vouch: who, for whom, for what, how long, what became of it, and its exact bytes. */
export const vouch: Page<VouchPageData> = {
  async load(asked) {
    const { seen, parameter } = asked;
    if (!isDigest(parameter)) throw new PeerageError("ERR_REQUEST_INVALID", "a vouch id is sha256: and 64 hex digits");
    const record = seen.view.vouch(parameter);
    if (!record) throw new PeerageError("ERR_NOT_FOUND", "the log holds no vouch with this id");
    const { statement, revokedBy } = record;
    const note = await noteData(statement.noteDigest, asked);
    return {
      ...vouchData(record, asked),
      countsIn: record.scopes,
      evidence: statement.evidence,
      ...(statement.noteDigest === undefined ? {} : { noteDigest: statement.noteDigest }),
      ...(note ? { note } : {}),
      ...(revokedBy ? { revokedBy: { id: revokedBy.statement.id, index: revokedBy.index, time: revokedBy.time } } : {}),
      ...dependents(record, asked),
      bytes: statement.bytes.length,
      document: statement.document,
    };
  },
  title: () => "A vouch · Peerage",
  html: (data, frame) =>
    html`<header class="head">
        <h1>A vouch</h1>
        <p class="row big">
          ${agentLink(data.from, frame)} <span class="muted">stands for</span> ${agentLink(data.to, frame)}
        </p>
      </header>
      <div class="columns even">
        <section class="panel">
          <h2>What it says</h2>
          <dl class="facts">
            <div>
              <dt>confidence</dt>
              <dd><b>${data.confidence}</b> of 100 ${scoreBar(data.confidence / 100)}</dd>
            </div>
            <div>
              <dt>scope</dt>
              <dd>${data.scope.map((scope) => scopeTag(scope, frame))}</dd>
            </div>
            <div>
              <dt>valid from</dt>
              <dd>${momentHtml(data.validFrom)}</dd>
            </div>
            <div>
              <dt>valid until</dt>
              <dd>${momentHtml(data.validUntil)}</dd>
            </div>
            <div>
              <dt>status</dt>
              <dd>${statusMark(data)}${partly(data)}</dd>
            </div>
            ${
              data.revokedBy
                ? html`<div>
                    <dt>revoked</dt>
                    <dd>
                      ${timeHtml(data.revokedBy.time)},
                      <a href="${frame.links.entry(data.revokedBy.index)}">#${data.revokedBy.index}</a>
                    </dd>
                  </div>`
                : ""
            }
            ${
              data.noteDigest === undefined
                ? ""
                : html`<div>
                    <dt>note</dt>
                    <dd>${data.note ? noteHtml(data.note) : ""} <code>${data.noteDigest}</code></dd>
                  </div>`
            }
            ${
              data.evidence.length === 0
                ? ""
                : html`<div>
                    <dt>evidence</dt>
                    <dd>${data.evidence.map((digest) => html`<code>${digest}</code> `)}</dd>
                  </div>`
            }
          </dl>
        </section>
        <section class="panel">
          <h2>Where it stands</h2>
          <dl class="facts">
            <div>
              <dt>log entry</dt>
              <dd><a href="${frame.links.entry(data.index)}">#${data.index}</a>, with its proof</dd>
            </div>
            <div>
              <dt>logged</dt>
              <dd>${timeHtml(data.logged)}</dd>
            </div>
            <div>
              <dt>id</dt>
              <dd><code>${data.id}</code></dd>
            </div>
            <div>
              <dt>size</dt>
              <dd>${data.bytes} bytes</dd>
            </div>
          </dl>
          <p>
            <a href="${frame.links.explain(data.to.did, data.scope[0])}">What it does for ${agentText(data.to)} →</a>
          </p>
        </section>
      </div>
      ${dependentPanel(data, frame)} ${verifyPanel(data, frame)} ${documentPanel(data.document, data.bytes)}`,
  text: (data) =>
    [
      `${agentText(data.from)} vouches for ${agentText(data.to)}`,
      `confidence ${data.confidence}  scope ${data.scope.join(",")}  ${data.status}`,
      `valid ${timeText(data.validFrom)} to ${timeText(data.validUntil)}`,
      `log entry #${data.index}  ${data.id}`,
      "",
      JSON.stringify(data.document, null, 2),
      "",
    ].join("\n"),
};

function dependents(record: VouchRecord, asked: Asked): Pick<VouchPageData, "dependents"> {
  const { seen, ref } = asked;
  if (record.status !== "in-force" || seen.viewpoint.kind === "none") return {};
  const scope = record.scopes.includes(seen.scope) ? seen.scope : record.scopes[0];
  const found = scope === undefined ? undefined : dependentsOf(seen.in(scope), record.statement.id);
  if (scope === undefined || !found) return {};
  const first = found.slice(0, MOST_DEPENDENTS).map(({ did, ...scores }) => ({ ...ref(did), ...scores }));
  return { dependents: { scope, count: found.length, first } };
}

function dependentPanel({ dependents: found }: VouchPageData, frame: Frame): Html {
  if (!found) return html``;
  const { scope, count: all, first } = found;
  return html`<section class="panel">
    <h2>What depends on it <span class="aside">in ${scope}, as seen by ${frame.viewpointText}</span></h2>
    ${
      all === 0
        ? html`<p class="muted">Nothing: without it every score from here would be the same.</p>`
        : html`<p class="muted">Without it ${all === 1 ? "one score" : `${all} scores`} would be lower.</p>
            <ul class="plainlist two">
              ${first.map(
                (agent) =>
                  html`<li class="row">
                    ${agentLink(agent, frame)}
                    <span class="fall"><b>${scoreText(agent.score)}</b> → <b>${scoreText(agent.without)}</b></span>
                  </li>`,
              )}
            </ul>
            ${all > first.length ? html`<p class="muted small">and ${all - first.length} more</p>` : ""}`
    }
  </section>`;
}

function partly({ inForce, countsIn, scope }: VouchPageData): Html {
  if (!inForce || countsIn.length === scope.length) return html``;
  return html` <span class="muted">in ${countsIn.join(", ")}; elsewhere a newer one counts</span>`;
}

/** The checks of one entry by the visitor's own browser. */
export function verifyPanel(entry: Shown, { registryUrl }: Frame): Html {
  return html`<section class="panel">
    <h2>Checked by your own browser</h2>
    <p class="muted">
      Bytes, signature, key, revocation, place in the log, the log’s own signature, and whether the log is the one this
      browser saw before: each by itself, with the same code that guards run.
    </p>
    ${verifier([entry], "it", `peerage log entry ${entry.index} --registry ${registryUrl}`)}
  </section>`;
}

/** A signed document for reading; what is signed is its RFC 8785 form. */
export function documentPanel(document: JsonObject, bytes: number): Html {
  return html`<section class="panel">
    <h2>The signed document <span class="aside">${bytes} bytes as logged</span></h2>
    <pre class="document"><code>${JSON.stringify(document, null, 2)}</code></pre>
  </section>`;
}
