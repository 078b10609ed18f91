import { html } from "hono/html";
import { type Did, loadCel, parseDid, PeerageError } from "@peerage/core";
import { render } from "../console/render.ts";
import { viewpointText } from "../frame.ts";
import { islandPath } from "../http/assets.ts";
import type { Html, Page } from "../page.ts";
import type { Seen } from "../seen.ts";
import {
  complaint,
  simulate as decideTyped,
  type Simulated,
  simulationText,
  simulationView,
  type Typed,
} from "../simulation.ts";

/** Scopes of one question for scores. */
const MOST_SCOPES = 32;

export interface SimulateData {
  readonly viewpoint: string;
  readonly roots: readonly Did[];
  readonly typed: Typed;
  /** Scores of the caller that was asked for by query, from the viewpoint; a scope without one is left out. */
  readonly trust: Readonly<Record<string, number>>;
  readonly simulated?: Simulated;
  /** What cannot be read of what was typed. */
  readonly problem?: string;
}

const example = `apiVersion: peerage.dev/v1
kind: Policy
allow:
  - id: readers
    tools: [search, "read_*"]
    agents: "*"
    trust: 0.25
  - id: payers
    tools: transfer_funds
    agents: "*"
    trust: { min: 0.5, scope: payments }
    args: { amount: { ">": 0, "<=": 100 } }
  - { id: owners, tools: "*", agents: "@roots" }
`;

/** A policy over a call, decided by the function that guards run: in the browser, or here without scripts. */
export const simulate: Page<SimulateData> = {
  async load({ seen, query, form, ref }) {
    const typed = typedOf(form ?? new URLSearchParams({ caller: query.get("caller") ?? "" }));
    const base = {
      viewpoint: viewpointText(seen.viewpoint.kind, seen.viewpoint.roots.map(ref)),
      roots: seen.viewpoint.roots,
      typed,
    };
    const scopes = (query.get("scopes") ?? "").split(",").filter((scope) => scope !== "");
    if (scopes.length > MOST_SCOPES) throw new PeerageError("ERR_REQUEST_INVALID", `at most ${MOST_SCOPES} scopes`);
    const caller = query.get("caller") ?? "";
    const trust = caller === "" ? {} : scoresFrom(seen, parseDid(caller), scopes);
    if (!form) return { ...base, trust };
    try {
      const scoresOf = (did: Did, wanted: readonly string[]): Record<string, number> => scoresFrom(seen, did, wanted);
      const now = new Date(Math.max(Date.now(), seen.view.time * 1000));
      const { roots } = seen.viewpoint;
      const simulated = await decideTyped(typed, { roots, now, scoresOf, loadWhen: loadCel });
      return { ...base, trust: simulated.trust, simulated };
    } catch (error) {
      const problem = complaint(error);
      if (problem === undefined) throw error;
      return { ...base, trust, problem };
    }
  },
  title: () => "Policy simulator · Peerage",
  html(data, frame) {
    const { typed, simulated, problem } = data;
    const src = islandPath("simulate");
    const action = frame.links.same("/simulate", {});
    return html`<header class="head">
        <h1>Would the gate let this call in?</h1>
        <p class="muted">
          Your policy over one call, decided by the function that guards run, with the caller’s scores as seen by
          ${frame.viewpointText}. With scripts the policy never leaves this browser; without them it is sent here, used
          once and kept nowhere.
        </p>
      </header>
      <div class="columns even">
        <form class="panel stack" method="post" action="${action}" id="simulate">
          <label
            >Policy
            <textarea name="policy" rows="14" spellcheck="false" required>${typed.policy}</textarea>
          </label>
          <label
            >Caller, a DID
            <input
              name="caller"
              value="${typed.caller}"
              placeholder="did:key:z6Mk…"
              autocomplete="off"
              spellcheck="false"
          /></label>
          <label>Tool <input name="tool" value="${typed.tool}" required autocomplete="off" spellcheck="false" /></label>
          <label
            >Arguments, as JSON
            <textarea name="args" rows="3" spellcheck="false">${typed.args}</textarea>
          </label>
          <details ${typed.facts === "" ? "" : "open"}>
            <summary>Further facts</summary>
            <label
              >Members of the policy’s input, as JSON: <code>history</code>, <code>held</code>, <code>trust</code>,
              <code>now</code>
              <textarea name="facts" rows="4" spellcheck="false">${typed.facts}</textarea>
            </label>
          </details>
          <p class="row"><button>Decide</button></p>
        </form>
        <div id="outcome" aria-live="polite">
          ${
            problem === undefined
              ? simulated
                ? render(simulationView(simulated), frame)
                : empty()
              : html`<section class="panel">
                  <p class="note bad" role="alert"><b>✕ It cannot be read.</b> ${problem}</p>
                </section>`
          }
        </div>
      </div>
      ${src === undefined ? "" : html`<peerage-simulate data-src="${src}" data-cel="${islandPath("cel") ?? ""}" data-roots="${data.roots.join(" ")}"></peerage-simulate>`}`;
  },
  text({ simulated, problem, trust }) {
    if (simulated) return simulationText(simulated);
    if (problem !== undefined) return `${problem}\n`;
    const scores = Object.entries(trust).map(([scope, score]) => `score ${score} in ${scope}\n`);
    return `${scores.join("")}A policy over a call: POST policy, caller, tool and args as a form\n`;
  },
};

function empty(): Html {
  return html`<section class="panel">
    <h2>What comes back</h2>
    <p class="muted">
      The verdict, and every rule with each of its conditions: what it wanted and what it found. A caller at a real gate
      learns none of this but the kind of refusal.
    </p>
  </section>`;
}

function typedOf(form: URLSearchParams): Typed {
  const text = (name: string, usual = ""): string => (form.get(name) ?? usual).replaceAll("\r\n", "\n");
  return {
    policy: text("policy", example),
    caller: text("caller"),
    tool: text("tool", "search"),
    args: text("args", '{ "query": "weather" }'),
    facts: text("facts"),
  };
}

function scoresFrom(seen: Seen, caller: Did, scopes: readonly string[]): Record<string, number> {
  const scores: Record<string, number> = {};
  for (const scope of scopes) {
    const score = seen.in(scope).score(caller);
    if (score !== "unknown") scores[scope] = score;
  }
  return scores;
}
