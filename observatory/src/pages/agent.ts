import { html } from "hono/html";
import {
  type AgentRecord,
  type Digest,
  formatExplanation,
  type KeyStatus,
  parseDid,
  PeerageError,
  type Score,
} from "@peerage/core";
import { type Frame, viewpointText } from "../frame.ts";
import { nearest, orbitOf } from "../map/orbit.ts";
import { type NoteData, noteData } from "../notes.ts";
import { type AgentRef, type Asked, type Html, type Page, vouchData, type VouchData } from "../page.ts";
import { agentText, fullDid } from "../ui/agent.ts";
import { agentPanels, vouchList } from "../ui/agent-panels.ts";
import { count, fingerprintText, scoreText } from "../ui/format.ts";
import { noteHtml, noteText } from "../ui/note.ts";
import { orbitAgents, type OrbitPicture } from "../ui/orbit.ts";
import { scoreBar } from "../ui/score.ts";
import { dateHtml } from "../ui/time.ts";
import { why } from "../ui/why.ts";
import { working, type Working } from "../working.ts";

/** Below this an agent's page says what would lift it here: the usual threshold for ordinary tools. */
const ORDINARY = 0.25;
/** Most agents of the small orbit. */
const AROUND = 60;
/** Vouches of each direction beside everything else; the others are a link away, so many a page. */
const FIRST_VOUCHES = { received: 6, given: 3 } as const;
const MORE_VOUCHES = 50;
/** Most notes that are read for a page, of vouches and of reports. */
const MOST_NOTES = 12;

/** Whether vouches are about the agent of the page, or by it. */
export type Direction = "received" | "given";

/** Of how many vouches a page lists some. */
export interface VouchList {
  readonly count: number;
  readonly inForce: number;
  /** The place of the first that is listed. */
  readonly from: number;
  /** The vouch behind which the next page begins. */
  readonly next?: Digest;
}

export interface AgentData {
  readonly agent: AgentRef;
  readonly viewpoint: string;
  readonly scope: string;
  readonly score: Score;
  readonly key: { readonly status: KeyStatus; readonly since?: number };
  readonly role?: string;
  /** What it says of itself. */
  readonly about?: NoteData;
  /** First appearance in the log. */
  readonly since: { readonly index: number; readonly time: number };
  readonly working: Working;
  /** Scores in the other scopes in which it is vouched for. */
  readonly otherScopes: readonly { readonly scope: string; readonly score: Score }[];
  /** Those in force first, of these the newest; not all of them where there are many. */
  readonly received: readonly VouchData[];
  readonly given: readonly VouchData[];
  readonly lists: Readonly<Record<Direction, VouchList>>;
  /** Set where the page is one of all its vouches, and nothing else. */
  readonly only?: Direction;
  /** What some of the vouches received say in words, by vouch. */
  readonly notes: Readonly<Record<Digest, NoteData>>;
  /** Reports about it that stand, newest first: they change no score. */
  readonly reports: readonly {
    readonly id: Digest;
    readonly index: number;
    readonly from: AgentRef;
    readonly category: string;
    readonly time: number;
    readonly note?: NoteData;
  }[];
  readonly reportCount: number;
  /** The network as this agent sees it. */
  readonly orbit: OrbitPicture;
  /** The working as text, by core. */
  readonly explanation: string;
}

/** One agent: who it is, its score with the working, and every vouch about it and by it. */
export const agent: Page<AgentData> = {
  async load(asked) {
    const { seen, ref, parameter, query } = asked;
    const did = parseDid(parameter);
    const record = seen.view.agent(did);
    if (!record) throw new PeerageError("ERR_NOT_FOUND", "the log has never named this agent", { detail: did });
    if (record.first.time > seen.view.time) {
      throw new PeerageError("ERR_NOT_FOUND", "the log had not named this agent by then", { detail: did });
    }
    const [received, given] = [record.received, record.given].map((all) =>
      all.filter(({ time }) => time <= seen.view.time),
    );
    const wanted = query.get("vouches");
    const only = wanted === "received" || wanted === "given" ? wanted : undefined;
    const all = orbitOf(seen, did);
    const about = await noteData(record.profile?.statement.noteDigest, asked);
    const [receivedList, givenList] = [
      vouches("received", received ?? [], only, asked),
      vouches("given", given ?? [], only, asked),
    ];
    const explanation = seen.explain(did, ORDINARY);
    const reports = record.reports.filter(({ withdrawnBy }) => !withdrawnBy).toReversed();
    return {
      agent: ref(did),
      viewpoint: viewpointText(seen.viewpoint.kind, seen.viewpoint.roots.map(ref)),
      scope: seen.scope,
      score: explanation.score,
      key: { status: record.key.status, ...(record.key.since === undefined ? {} : { since: record.key.since }) },
      ...(record.profile ? { role: record.profile.statement.role } : {}),
      ...(about ? { about } : {}),
      since: record.first,
      working: working(explanation, asked),
      otherScopes: otherScopes(record, asked),
      received: receivedList.listed,
      given: givenList.listed,
      lists: { received: receivedList.list, given: givenList.list },
      ...(only ? { only } : {}),
      notes: await notesOf(received ?? [], asked),
      reports: await Promise.all(reports.slice(0, MOST_NOTES).map((report) => reportData(report, asked))),
      reportCount: reports.length,
      orbit: {
        around: orbitAgents(nearest(all, AROUND), AROUND, asked),
        least: nearest(all, AROUND).least,
        // Whether there is anybody further out is what the rim says here.
        unreached: seen.view.agentCount - Math.min(all.dids.length, AROUND) - 1,
      },
      explanation: formatExplanation(explanation, { name: (other) => agentText(ref(other as typeof did)) }),
    };
  },
  title: ({ agent: { did, name } }) => `${name ?? fingerprintText(did)} · Peerage`,
  html: (data, frame) =>
    data.only
      ? html`${head(data, frame)} ${keyBar(data)} ${vouchList(data, data.only, frame)}`
      : html`${head(data, frame)} ${keyBar(data)} ${why(data.working, frame)} ${agentPanels(data, frame)}`,
  text(data) {
    const { agent: subject, key, lists } = data;
    return [
      agentText(subject),
      subject.did,
      ...(data.about ? [noteText(data.about)] : []),
      "",
      `score   ${scoreText(data.score)}   as seen by ${data.viewpoint}, scope ${data.scope}`,
      `key     ${key.status}`,
      `reports ${data.reportCount}`,
      `vouches ${lists.received.inForce} in, ${lists.given.inForce} out`,
      "",
      data.explanation,
    ].join("\n");
  },
};

function head(data: AgentData, frame: Frame): Html {
  const { agent: subject, lists } = data;
  return html`<header class="agenthead">
    ${frame.sigil(subject.did, "sigil huge")}
    <div class="identity">
      <h1>${subject.name === undefined ? fingerprintText(subject.did) : html`<bdi>${subject.name}</bdi>`}</h1>
      <p class="didline" data-copy="${subject.did}">${fullDid(subject.did)}</p>
      ${data.about === undefined || data.about.state === "missing" ? "" : html`<p class="about">${noteHtml(data.about)}</p>`}
      <p class="chips">
        ${
          data.key.status === "active"
            ? html`<span class="chip ok">✓ key active since ${dateHtml(data.since.time)}</span>`
            : html`<span class="chip bad">✕ key ${data.key.status}</span>`
        }
        <a class="chip" href="${frame.links.keys(subject.did)}">key history</a>
        <span class="chip">${count(lists.received.inForce, "vouch", "vouches")} in</span>
        <span class="chip">${lists.given.inForce} out</span>
        ${data.role === undefined ? "" : html`<span class="chip">${data.role}</span>`}
      </p>
    </div>
    <div class="verdict">${verdict(data, frame)}</div>
  </header>`;
}

function verdict(data: AgentData, frame: Frame): Html {
  const { viewpoint } = frame.seen;
  const choose = html`<a href="${frame.links.same("/viewpoint", { to: data.agent.did })}">see as…</a>`;
  if (viewpoint.kind === "none")
    return html`<p class="label">Trust</p>
      <p class="score unknown">no viewpoint</p>
      <p class="label">${choose}</p>`;
  const struck = data.key.status === "active" ? "" : " struck";
  const chains = data.working.independentVouchers;
  const how = data.working.root
    ? "a root: trusted by choice"
    : data.score === "unknown"
      ? "no chain"
      : count(chains, "independent chain");
  return html`<p class="label">Trust, as seen by <b>${frame.viewpointText}</b> <span class="right">${choose}</span></p>
    <p class="score${data.score === "unknown" ? " unknown" : ""}${struck}">${scoreText(data.score)}</p>
    ${scoreBar(data.score)}
    <p class="label">${how} · scope <b>${data.scope}</b></p>
    ${
      data.otherScopes.length === 0
        ? ""
        : html`<p class="label others">
            ${data.otherScopes.map(
              ({ scope, score }) =>
                html`<a class="tag quiet" href="${frame.links.same(frame.path, { scope })}"
                  >${scope} ${scoreText(score)}</a
                >`,
            )}
          </p>`
    }`;
}

function keyBar({ key }: AgentData): Html {
  if (key.status === "active") return html``;
  const reasons: Readonly<Record<KeyStatus, string>> = {
    active: "",
    burnt: "This agent burnt its identity. No vouch by it or for it counts any more.",
    suspended: "The key of this agent is suspended. No vouch by it or for it counts.",
    disputed: "Who holds the key of this agent is disputed. It is frozen: no vouch by it or for it counts.",
  };
  return html`<p class="note bad" role="alert">
    <b>✕ ${reasons[key.status]}</b>${key.since === undefined ? "" : html` Since ${dateHtml(key.since)}.`}
  </p>`;
}

/** The words of the newest vouches in force that have some. */
async function notesOf(records: AgentRecord["received"], asked: Asked): Promise<AgentData["notes"]> {
  const named = records.filter(({ status, statement }) => status === "in-force" && statement.noteDigest !== undefined);
  const some = named.toSorted((a, b) => b.index - a.index).slice(0, MOST_NOTES);
  const found = await Promise.all(
    some.map(async ({ statement }) => [statement.id, await noteData(statement.noteDigest, asked)] as const),
  );
  return Object.fromEntries(found.filter(([, note]) => note !== undefined)) as AgentData["notes"];
}

async function reportData(
  { statement, index, time }: AgentRecord["reports"][number],
  asked: Asked,
): Promise<AgentData["reports"][number]> {
  const note = await noteData(statement.noteDigest, asked);
  const { id, category, issuer } = statement;
  return { id, index, from: asked.ref(issuer), category, time, ...(note ? { note } : {}) };
}

function vouches(
  direction: Direction,
  records: AgentRecord["received"],
  only: Direction | undefined,
  asked: Asked,
): { listed: VouchData[]; list: VouchList } {
  const inForce = ({ status }: AgentRecord["received"][number]): number => Number(status === "in-force");
  const ordered = records.toSorted((a, b) => inForce(b) - inForce(a) || b.index - a.index);
  const after = only === direction ? asked.query.get("after") : null;
  const from = after === null ? 0 : ordered.findIndex(({ statement }) => statement.id === after) + 1;
  const most = only === undefined ? FIRST_VOUCHES[direction] : only === direction ? MORE_VOUCHES : 0;
  const shown = ordered.slice(from, from + most);
  const last = shown.at(-1);
  return {
    listed: shown.map((record) => vouchData(record, asked)),
    list: {
      count: records.length,
      inForce: records.filter(inForce).length,
      from,
      ...(last && from + most < records.length ? { next: last.statement.id } : {}),
    },
  };
}

function otherScopes(record: AgentRecord, { seen }: Asked): AgentData["otherScopes"] {
  const scopes = new Set(record.received.flatMap((vouch) => vouch.scopes));
  scopes.delete(seen.scope);
  return [...scopes]
    .sort()
    .slice(0, 4)
    .map((scope) => ({ scope, score: seen.in(scope).score(record.did) }));
}
