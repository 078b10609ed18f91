import { html } from "hono/html";
import type { Frame } from "../frame.ts";
import type { NoteData } from "../notes.ts";
import type { Html, VouchData } from "../page.ts";
import type { AgentData, Direction } from "../pages/agent.ts";
import { agentLink } from "./agent.ts";
import { command } from "./command.ts";
import { scopeTag } from "./entry.ts";
import { fingerprintText } from "./format.ts";
import { noteHtml } from "./note.ts";
import { orbit } from "./orbit.ts";
import { dateHtml } from "./time.ts";
import { verifier } from "./verify.ts";

/** The orbit beside the vouches: whoever is not a link here is one on the larger one. */
const SMALL_ORBIT = { size: 420, sigils: 6 } as const;

/** What stands below the score: vouches in both directions, the network from here, and how to use it. */
export function agentPanels(data: AgentData, frame: Frame): Html {
  const { around } = data.orbit;
  return html`<div class="columns wide-left">
      <div>${vouchPanel(data, "received", frame)} ${vouchPanel(data, "given", frame)}</div>
      <section class="panel">
        <h2>From here, the network looks like this</h2>
        ${
          around.length === 0
            ? html`<p class="muted">
                In ${data.scope} this agent vouches for nobody, so from here everybody is unknown.
              </p>`
            : html`${orbit(data.agent, data.orbit, frame, SMALL_ORBIT)}
                <ul class="legend">
                  <li>the nearest ${around.length}, ring = less trust, scope ${data.scope}</li>
                  <li><a href="${frame.links.orbit(data.agent.did)}">Larger, and all of them</a></li>
                  <li>
                    <a href="${frame.links.same(frame.path, { as: data.agent.did })}"
                      >Look at everything as this agent</a
                    >
                  </li>
                </ul>`
        }
      </section>
    </div>
    ${reportsPanel(data, frame)} ${useIt(data, frame)}`;
}

/** A page of all the vouches of one direction. */
export function vouchList(data: AgentData, direction: Direction, frame: Frame): Html {
  const { next, from } = data.lists[direction];
  const back = html`<a href="${frame.links.same(frame.path, {})}">Back to the agent</a>`;
  const first =
    from === 0 ? "" : html`<a href="${frame.links.same(frame.path, { vouches: direction })}">From the first</a>`;
  const on =
    next === undefined
      ? ""
      : html`<a href="${frame.links.same(frame.path, { vouches: direction, after: next })}">Next</a>`;
  return html`${vouchPanel(data, direction, frame)}
    <p class="pages">${back} ${first} ${on}</p>`;
}

function vouchPanel(data: AgentData, direction: Direction, frame: Frame): Html {
  const listed = data[direction];
  const { count: all, from } = data.lists[direction];
  const received = direction === "received";
  const aside = data.only && all > 0 ? `${from + 1}–${from + listed.length} of ${all}` : String(all);
  const none = received ? "Nobody has vouched for this agent yet." : "This agent has not vouched for anybody yet.";
  const more =
    data.only === undefined && all > listed.length
      ? html`<p class="pages">
          <a href="${frame.links.same(frame.path, { vouches: direction })}">All ${all} vouches ${direction} →</a>
        </p>`
      : "";
  return html`<section class="panel">
    <h2>Vouches ${direction} <span class="aside">${aside}</span></h2>
    ${vouchTable(listed, received ? "from" : "to", frame, none, received ? data.notes : {})} ${more}
    ${verifyAll(listed, all, frame)}
  </section>`;
}

function verifyAll(vouches: readonly VouchData[], all: number, { registryUrl }: Frame): Html {
  const [first] = vouches;
  if (!first) return html``;
  const what = vouches.length === 1 ? "it" : `${vouches.length < all ? "these" : "all"} ${vouches.length}`;
  return verifier(vouches, what, `peerage log entry ${first.index} --registry ${registryUrl}`);
}

function rest(more: number): Html {
  return more > 0 ? html`<p class="muted small">and ${more} older ones, all in the log</p>` : html``;
}

/** Vouches with the other party, the signed integer, and what became of them. */
function vouchTable(
  vouches: readonly VouchData[],
  party: "from" | "to",
  frame: Frame,
  none: string,
  notes: AgentData["notes"] = {},
): Html {
  if (vouches.length === 0) return html`<p class="muted">${none}</p>`;
  return html`<table class="cards vouches">
    <thead>
      <tr>
        <th>${party === "from" ? "From" : "For"}</th>
        <th>Scope</th>
        <th class="num">Conf.</th>
        <th>Signed</th>
        <th>Status</th>
        <th class="num">Log</th>
      </tr>
    </thead>
    <tbody>
      ${vouches.map(
        (vouch) =>
          html`<tr class="${vouch.inForce ? "" : "past"}" data-entry="${vouch.index}">
            <td>${agentLink(vouch[party], frame)}${wordsOf(notes[vouch.id])}</td>
            <td data-label="Scope">${vouch.scope.map((scope) => scopeTag(scope, frame))}</td>
            <td data-label="Confidence" class="num">
              <a href="${frame.links.vouch(vouch.id)}">${vouch.confidence}</a>
            </td>
            <td data-label="Signed">${dateHtml(vouch.validFrom)}</td>
            <td data-label="Status">
              ${vouch.inForce ? html`<span class="status ok">✓ until</span> ${dateHtml(vouch.validUntil)}` : statusMark(vouch)}
            </td>
            <td data-label="Log" class="num"><a href="${frame.links.entry(vouch.index)}">#${vouch.index}</a></td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function wordsOf(note: NoteData | undefined): Html | string {
  return note === undefined ? "" : html`<br /><span class="words">${noteHtml(note)}</span>`;
}

/** What others complain of: shown, and never counted. */
function reportsPanel({ reports, reportCount }: AgentData, frame: Frame): Html {
  if (reportCount === 0) return html``;
  return html`<section class="panel">
    <h2>Reports <span class="aside">${reportCount}</span></h2>
    <p class="muted">A report is its author’s word. It changes no score: a policy may ask for them.</p>
    <ul class="plainlist">
      ${reports.map(
        ({ from, category, index, time, note }) =>
          html`<li>
            ${agentLink(from, frame)} <span class="verb bad">reports</span> <b>${category}</b> ${dateHtml(time)}
            <a href="${frame.links.entry(index)}">#${index}</a>${wordsOf(note)}
          </li>`,
      )}
    </ul>
    ${rest(reportCount - reports.length)}
  </section>`;
}

/** Sign and word: meaning is never in the colour alone. */
export function statusMark({ inForce, status }: Pick<VouchData, "inForce" | "status">): Html {
  if (inForce) return html`<span class="status ok">✓ in force</span>`;
  const mark = status.startsWith("revoked") ? "bad" : "muted";
  return html`<span class="status ${mark}">${mark === "bad" ? "✕" : "–"} ${status}</span>`;
}

function useIt({ agent, scope, score }: AgentData, { registryUrl, seen }: Frame): Html {
  const threshold = score === "unknown" ? 0.25 : Math.max(0.05, Math.floor(score * 20) / 20);
  const verdict = `with these roots it ${score === "unknown" ? "refuses" : "admits"} ${fingerprintText(agent.did)}`;
  const rule = seen.viewpoint.kind === "none" ? "it admits whom your own roots trust this much" : verdict;
  return html`<section class="panel">
    <h2>Use it</h2>
    <pre><code><i># the same working, computed on your machine from the log itself</i>
${command(`peerage trust ${agent.did} --scope ${scope} --explain --registry ${registryUrl}`)}

<i># put your own word on it</i>
${command(`peerage vouch ${agent.did} --scope ${scope} --confidence 80`)}

<i># a badge that names its viewpoint; chains.svg and orbit.svg are pictures too</i>
![trust](${registryUrl}/a/${agent.did}/badge.svg?scope=${scope})

<i># a policy rule: ${rule}</i>
allow:
  - { tools: search, agents: "*", trust: { min: ${threshold.toFixed(2)}, scope: ${scope} } }</code></pre>
  </section>`;
}
