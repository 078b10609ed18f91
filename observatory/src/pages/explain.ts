import { html } from "hono/html";
import { type Digest, formatExplanation, isDigest, parseDid, PeerageError, type Score } from "@peerage/core";
import { type Frame, viewpointText } from "../frame.ts";
import type { AgentRef, Html, Page } from "../page.ts";
import { agentLink, agentName, agentText } from "../ui/agent.ts";
import { chainLine } from "../ui/chains.ts";
import { command } from "../ui/command.ts";
import { count, digestText, fingerprintText, scoreText } from "../ui/format.ts";
import { askedFields, stateFields } from "../ui/layout.ts";
import { scoreBar } from "../ui/score.ts";
import { holdsUp, noViewpoint, wayIn } from "../ui/why.ts";
import { factors, working, type Working } from "../working.ts";

const MOST_WITHOUT = 32;

export interface ExplainData {
  readonly target: AgentRef;
  readonly viewpoint: string;
  readonly roots: readonly AgentRef[];
  readonly scope: string;
  readonly score: Score;
  readonly working: Working;
  /** What the score would be without some vouches that the reader chose. */
  readonly whatIf?: { readonly without: readonly Digest[]; readonly score: Score };
  /** The same as text, by core. */
  readonly explanation: string;
}

/** The whole working of one score. */
export const explain: Page<ExplainData> = {
  load(asked) {
    const { seen, ref, query } = asked;
    const to = query.get("to");
    if (to === null) throw new PeerageError("ERR_REQUEST_INVALID", "the query member `to` names the agent to explain");
    const did = parseDid(to);
    const threshold = thresholdOf(query.get("min"));
    const explanation = seen.explain(did, threshold);
    const without = chosen(query);
    return {
      target: ref(did),
      viewpoint: viewpointText(seen.viewpoint.kind, seen.viewpoint.roots.map(ref)),
      roots: seen.viewpoint.roots.map(ref),
      scope: seen.scope,
      score: explanation.score,
      working: working(explanation, asked),
      ...(without.length === 0 ? {} : { whatIf: { without, score: seen.without(new Set(without)).score(did) } }),
      explanation: formatExplanation(explanation, { name: (other) => agentText(ref(other as typeof did)) }),
    };
  },
  title: ({ target: { did, name } }) => `Why? ${name ?? fingerprintText(did)} · Peerage`,
  html(data, frame) {
    const { target, working: all } = data;
    return html`<header class="head">
        <h1>The working</h1>
        <p class="row">
          ${agentLink(target, frame)} <span class="muted">in</span> <b>${data.scope}</b>
          <span class="muted">as seen by</span>
          ${frame.seen.viewpoint.kind === "none" ? "nobody yet" : data.roots.slice(0, 6).map((root) => agentLink(root, frame))}
        </p>
      </header>
      ${frame.seen.viewpoint.kind === "none" ? noViewpoint(frame) : answer(data, frame)} ${question(data, frame)}
      ${all.terms.length === 0 ? "" : html`${terms(all, frame)} ${whatIf(data, frame)}`} ${leftOut(all, frame)}
      ${provenance(data, frame)}`;
  },
  text: ({ explanation }) => explanation,
};

function thresholdOf(text: string | null): number {
  if (text === null || text === "") return 0.25;
  const value = Number(text);
  if (!(value > 0 && value <= 1)) throw new PeerageError("ERR_REQUEST_INVALID", "`min` is a number in (0, 1]");
  return value;
}

/** The vouches that the reader takes away, in thought. @throws {PeerageError} ERR_REQUEST_INVALID */
function chosen(query: URLSearchParams): Digest[] {
  const ids = query
    .getAll("without")
    .flatMap((text) => text.split(","))
    .filter((text) => text !== "");
  if (ids.length > MOST_WITHOUT || !ids.every((id) => isDigest(id))) {
    throw new PeerageError("ERR_REQUEST_INVALID", `\`without\` names at most ${MOST_WITHOUT} vouches by their ids`);
  }
  return [...new Set(ids)];
}

/** What was asked for comes first. */
function answerToWhatIf({ whatIf: asked, score }: ExplainData): Html | string {
  if (!asked) return "";
  const { without } = asked;
  return html`<p class="note">
    <b>What if:</b> without ${without.length === 1 ? "the chosen vouch" : `the ${without.length} chosen vouches`} the
    score would be <b>${scoreText(asked.score)}</b> instead of <b>${scoreText(score)}</b>.
  </p>`;
}

function whatIf({ working: all, whatIf: asked, target, scope }: ExplainData, frame: Frame): Html {
  const steps = new Map(all.terms.flatMap(({ chain }) => chain.map((step) => [step.vouch, step] as const)));
  const without = new Set(asked?.without);
  return html`<section class="panel">
    <h2>What if? <span class="aside">nothing is changed by asking</span></h2>
    <p class="muted">Choose vouches to take away, and every score is worked out again without them.</p>
    <form action="/explain" class="whatif">
      <input type="hidden" name="to" value="${target.did}" />
      ${stateFields(frame, ["scope"])}<input type="hidden" name="scope" value="${scope}" />
      <ul class="plainlist two">
        ${Array.from(steps.values(), ({ vouch, from, to, confidence }) => {
          const box = without.has(vouch)
            ? html`<input type="checkbox" name="without" value="${vouch}" checked />`
            : html`<input type="checkbox" name="without" value="${vouch}" />`;
          return html`<li>
            <label
              >${box} <span>${agentName(from)} → ${agentName(to)} <b>${confidence}</b></span></label
            >
          </li>`;
        })}
      </ul>
      <p><button>What if they were withdrawn?</button></p>
    </form>
  </section>`;
}

function answer(data: ExplainData, frame: Frame): Html {
  const { working: all, score } = data;
  const independent = all.root
    ? "one of the roots: its score is 1 by choice"
    : score === "unknown"
      ? "no chain leads here from the roots"
      : `${count(all.independentVouchers, "independent chain")}: so many agents would have to fail together`;
  return html`<section class="panel answer">
    <p class="score${score === "unknown" ? " unknown" : ""}">${score === "unknown" ? "unknown" : score.toFixed(6)}</p>
    ${scoreBar(score)}
    <p class="muted">${independent}</p>
    ${answerToWhatIf(data)} ${score === "unknown" || all.root ? "" : holdsUp(all, frame)} ${wayIn(all, frame)}
  </section>`;
}

function question({ target, scope }: ExplainData, frame: Frame): Html {
  return html`<form class="filter panel" action="/explain">
    <input type="hidden" name="to" value="${target.did}" />
    ${stateFields(frame, ["as", "scope"])} ${askedFields(frame, scope)}
    <label
      >Threshold
      <input
        name="min"
        value="${frame.query.get("min") ?? ""}"
        placeholder="0.25"
        inputmode="decimal"
        autocomplete="off"
    /></label>
    <button>Work it out</button>
  </form>`;
}

function terms(all: Working, frame: Frame): Html {
  return html`<section class="panel">
    <h2>Term by term</h2>
    <p class="muted">
      Each voucher adds <i>decay × power × dilution × confidence</i>. A root’s word counts in full. Power is what the
      voucher has from others, without its single largest supporter: one vouch lets an agent in, two let it pass trust
      on.
    </p>
    <table class="cards terms">
      <thead>
        <tr>
          <th>Chain that carried most of it</th>
          <th>Arithmetic</th>
          <th class="num">Adds</th>
        </tr>
      </thead>
      <tbody>
        ${all.terms.map(
          (term) =>
            html`<tr>
              <td>${chainLine(term, frame)}</td>
              <td data-label="Arithmetic"><code>${term.root ? "a root’s word " : ""}${factors(term)}</code></td>
              <td data-label="Adds" class="num"><b>${term.addend}</b></td>
            </tr>`,
        )}
      </tbody>
      <tfoot>
        <tr>
          <td colspan="2">${Number(all.evidence) > 1 ? "Evidence, of which at most 1 counts" : "Score"}</td>
          <td class="num"><b>${all.evidence}</b></td>
        </tr>
      </tfoot>
    </table>
  </section>`;
}

function leftOut({ powerless, notCounted }: Working, frame: Frame): Html {
  if (powerless.length + notCounted.length === 0) return html``;
  return html`<section class="panel">
    <h2>Looked at, and not counted</h2>
    <ul class="plainlist">
      ${powerless.slice(0, 30).map((agent) => html`<li>${agentLink(agent, frame)} <span class="muted">vouches, but the roots give it no power to pass on</span></li>`)}
      ${notCounted.slice(0, 30).map(
        ({ id, from, reason }) =>
          html`<li>
            ${agentLink(from, frame)} <a href="${frame.links.vouch(id)}">${digestText(id)}</a>
            <span class="muted">${reason}</span>
          </li>`,
      )}
    </ul>
    ${powerless.length > 30 || notCounted.length > 30 ? html`<p class="muted small">and more, in the JSON of this page</p>` : ""}
  </section>`;
}

function provenance({ working: { provenance: made }, explanation, target, scope }: ExplainData, frame: Frame): Html {
  const parameters = Object.entries(made.parameters).map(([name, value]) => `${name} = ${value}`);
  const roots = frame.links.state.as === undefined ? "" : ` --as ${frame.links.state.as}`;
  return html`<section class="panel">
    <h2>Compute it again</h2>
    <p class="muted">
      The same function runs in the guard, the command line and here. With these inputs it gives the same six decimals.
    </p>
    <dl class="facts">
      <div>
        <dt>metric</dt>
        <dd>${made.metric} (${parameters.join(", ")})</dd>
      </div>
      <div>
        <dt>roots</dt>
        <dd><code>${made.roots}</code></dd>
      </div>
      <div>
        <dt>vouches</dt>
        <dd>${made.edgeCount}, digest <code>${made.edges}</code></dd>
      </div>
      <div>
        <dt>log size</dt>
        <dd>${made.logSize ?? frame.seen.view.size}</dd>
      </div>
    </dl>
    <pre><code>${command(`peerage trust ${target.did} --scope ${scope}${roots} --explain --registry ${frame.registryUrl}`)}</code></pre>
    <details>
      <summary>The working as text</summary>
      <pre><code>${explanation}</code></pre>
    </details>
  </section>`;
}
