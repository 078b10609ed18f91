import { html } from "hono/html";
import { type Did, isDigest, parseDid, PeerageError, type Score } from "@peerage/core";
import { type Frame, viewpointText } from "../frame.ts";
import { type AgentRef, type Asked, Elsewhere, type Html, type Page } from "../page.ts";
import { type AgentRow, agentRows } from "../seen.ts";
import { agentLink, agentText } from "../ui/agent.ts";
import { scopeTag } from "../ui/entry.ts";
import { firstSteps } from "../ui/first-steps.ts";
import { count, dateText, scoreText } from "../ui/format.ts";
import { stateFields } from "../ui/layout.ts";
import { scoreMeter } from "../ui/score.ts";
import { dateHtml } from "../ui/time.ts";

const PAGE = 50;
const sorts = ["received", "score", "given", "newest"] as const;
type Sort = (typeof sorts)[number];

/** A page of the directory. */
export interface AgentsData {
  readonly query: string;
  readonly sort: Sort;
  readonly scope: string;
  readonly viewpoint: string;
  readonly found: number;
  readonly agents: readonly (AgentRef & {
    readonly score: Score;
    readonly received: number;
    readonly given: number;
    readonly scopes: readonly string[];
    /** First appearance in the log, Unix seconds. */
    readonly since: number;
  })[];
  /** The DID behind which the next page begins. */
  readonly next?: string;
}

/** The directory, and the answer to whatever is typed into a search field. */
export const agents: Page<AgentsData> = {
  load(asked) {
    const words = (asked.query.get("q") ?? "").trim();
    if (words !== "") lookUp(words, asked);
    return listAgents(asked);
  },
  title: ({ query }) => (query === "" ? "Agents · Peerage" : "Search · Peerage"),
  html: (data, frame) =>
    html`<header class="head">
        <h1>Agents</h1>
        <p class="muted">
          ${data.query === "" ? count(data.found, "agent") : html`${count(data.found, "agent")} found for <bdi class="quoted">${data.query}</bdi>`},
          scores in <b>${data.scope}</b> as seen by ${frame.viewpointText}
        </p>
      </header>
      <form class="filter panel" action="/agents">
        ${stateFields(frame, ["scope"])}
        <label
          >Search <input name="q" value="${data.query}" placeholder="DID, prefix or name" autocomplete="off"
        /></label>
        <label>Scope <input name="scope" value="${data.scope}" list="scopes" autocomplete="off" /></label>
        <datalist id="scopes">
          ${Array.from(frame.seen.view.scopes().keys())
            .slice(0, 50)
            .map((scope) => html`<option value="${scope}"></option>`)}
        </datalist>
        <label
          >Sort
          <select name="sort">
            ${sorts.map((name) => html`<option value="${name}" ${name === data.sort ? "selected" : ""}>${sortLabels[name]}</option>`)}
          </select></label
        >
        <button>Show</button>
      </form>
      ${agentTable(data, frame, (query) => frame.links.agents(query))}`,
  text: (data) =>
    [
      `${count(data.found, "agent")}, scores in ${data.scope} as seen by ${data.viewpoint}`,
      ...data.agents.map(
        (agent) =>
          `  ${scoreText(agent.score).padEnd(8)} ${String(agent.received).padStart(4)} in ${String(agent.given).padStart(4)} out  since ${dateText(agent.since)}  ${agentText(agent)}  ${agent.did}`,
      ),
      "",
    ].join("\n"),
};

/** One page of the directory as the query asks for it: filtered, sorted, from `after` on. */
export function listAgents(asked: Asked, among?: ReadonlySet<Did>): AgentsData {
  const { seen, query, ref } = asked;
  const words = (query.get("q") ?? "").trim();
  const sort = sorts.find((name) => name === query.get("sort")) ?? "received";
  const rows = agentRows(seen.view, seen.past);
  const found = rows.filter((row) => (among?.has(row.did) ?? true) && matches(row, words, asked));
  const { vector } = seen;
  const ordered = [...found].sort(comparison(sort, (did) => vector.score(did), asked));
  const after = query.get("after");
  const start = after === null ? 0 : ordered.findIndex(({ did }) => did === after) + 1;
  const page = ordered.slice(start, start + PAGE);
  const last = page.at(-1);
  return {
    query: words,
    sort,
    scope: seen.scope,
    viewpoint: viewpointText(seen.viewpoint.kind, seen.viewpoint.roots.map(ref)),
    found: found.length,
    agents: page.map(({ did, received, given, scopes }) => ({
      ...ref(did),
      score: vector.score(did),
      received,
      given,
      scopes: scopes.slice(0, 4),
      since: seen.view.agent(did)?.first.time ?? seen.view.time,
    })),
    ...(last && start + PAGE < ordered.length ? { next: last.did } : {}),
  };
}

const sortLabels: Readonly<Record<Sort, string>> = {
  received: "most vouched for",
  score: "score",
  given: "most vouches given",
  newest: "newest",
};

/** The agents of a page, and the way to the next one. */
export function agentTable(
  data: AgentsData,
  frame: Frame,
  page: (query: Readonly<Record<string, string>>) => string,
): Html {
  if (frame.seen.view.agentCount === 0) return firstSteps(frame);
  if (data.agents.length === 0) {
    return html`<p class="panel">
      No agent here matches. Part of a name finds one, and so does a DID or its beginning.
      <a href="${page({})}">All agents</a>
    </p>`;
  }
  const more =
    data.next === undefined
      ? ""
      : html`<p class="pages">
          <a href="${page({ q: data.query, sort: data.sort, after: data.next })}">Next ${PAGE}</a>
        </p>`;
  return html`<div class="panel">
      <table class="cards agents">
        <thead>
          <tr>
            <th>Agent</th>
            <th>Score</th>
            <th class="num">Vouches in</th>
            <th class="num">Out</th>
            <th>Vouched for in</th>
            <th>Since</th>
          </tr>
        </thead>
        <tbody>
          ${data.agents.map(
            (agent) =>
              html`<tr>
                <td>${agentLink(agent, frame)}</td>
                <td data-label="Score">
                  <a class="quiet" href="${frame.links.explain(agent.did)}" title="the working"
                    >${scoreMeter(agent.score, frame)}</a
                  >
                </td>
                <td data-label="In" class="num">${agent.received}</td>
                <td data-label="Out" class="num">${agent.given}</td>
                <td data-label="Scopes">${agent.scopes.map((scope) => scopeTag(scope, frame))}</td>
                <td data-label="Since">${dateHtml(agent.since)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${more}`;
}

/** Goes straight to what has exactly one address: a DID, a statement, an entry of the log. */
function lookUp(words: string, { links, seen }: Asked): void {
  if (words.startsWith("did:") && !beginsDid.test(words)) throw new Elsewhere(links.agent(parseDid(words)));
  if (isDigest(words)) throw new Elsewhere(links.vouch(words));
  const index = /^#?(\d{1,15})$/.exec(words)?.[1];
  if (index === undefined) return;
  if (Number(index) >= seen.view.size) throw new PeerageError("ERR_NOT_FOUND", `the log has no entry ${Number(index)}`);
  throw new Elsewhere(links.entry(Number(index)));
}

/** The beginning of a DID, and no whole one. */
const beginsDid = /^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{1,43}…?$/;

/** By name, or by the beginning of the DID, with or without what all of them begin with. */
function matches({ did }: AgentRow, words: string, { ref }: Asked): boolean {
  if (words === "") return true;
  const key = words.replace(/^(?:did:key:)?z6Mk/, "").replace(/…$/, "");
  const [head = "", tail] = key.split("…");
  const rest = did.slice("did:key:z6Mk".length);
  if (head !== "" && rest.startsWith(head) && (tail === undefined || rest.endsWith(tail))) return true;
  return ref(did).name?.toLowerCase().includes(words.toLowerCase()) ?? false;
}

function comparison(sort: Sort, score: (did: Did) => Score, { seen }: Asked): (a: AgentRow, b: AgentRow) => number {
  const byDid = (a: AgentRow, b: AgentRow): number => (a.did < b.did ? -1 : 1);
  if (sort === "given") return (a, b) => b.given - a.given || byDid(a, b);
  if (sort === "newest") {
    const order = new Map(agentRows(seen.view, seen.past).map(({ did }, i) => [did, i]));
    return (a, b) => (order.get(b.did) ?? 0) - (order.get(a.did) ?? 0);
  }
  if (sort === "score") {
    const value = ({ did }: AgentRow): number => {
      const known = score(did);
      return known === "unknown" ? -1 : known;
    };
    return (a, b) => value(b) - value(a) || b.received - a.received || byDid(a, b);
  }
  return (a, b) => b.received - a.received || b.given - a.given || byDid(a, b);
}
