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
import { neighbourhood } from "../map/neighbourhood.ts";
import { type NoteData, noteData } from "../notes.ts";
import { type AgentRef, type Asked, type Html, type Page, vouchData, type VouchData } from "../page.ts";
import { agentText, fullDid } from "../ui/agent.ts";
import { agentPanels } from "../ui/agent-panels.ts";
import { count, fingerprintText, scoreText } from "../ui/format.ts";
import { noteHtml, noteText } from "../ui/note.ts";
import type { OrbitAgent } from "../ui/orbit.ts";
import { scoreBar } from "../ui/score.ts";
import { dateHtml } from "../ui/time.ts";
import { why } from "../ui/why.ts";
import { working, type Working } from "../working.ts";

/** Below this an agent's page says what would lift it here: the usual threshold for ordinary tools. */
const ORDINARY = 0.25;
/** Most agents of the small orbit. */
const AROUND = 60;
/** Most vouches of each direction that a page lists. */
const MOST_VOUCHES = 60;
/** Most notes that are read for a page, of vouches and of reports. */
const MOST_NOTES = 12;

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
  readonly received: readonly VouchData[];
  readonly receivedCount: number;
  readonly given: readonly VouchData[];
  readonly givenCount: number;
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
  readonly around: readonly OrbitAgent[];
  /** The working as text, by core. */
  readonly explanation: string;
}

/** One agent: who it is, its score with the working, and every vouch about it and by it. */
export const agent: Page<AgentData> = {
  async load(asked) {
    const { seen, ref, parameter } = asked;
    const did = parseDid(parameter);
    const record = seen.view.agent(did);
    if (!record) throw new PeerageError("ERR_NOT_FOUND", "the log has never named this agent", { detail: did });
    if (record.first.time > seen.view.time) {
      throw new PeerageError("ERR_NOT_FOUND", "the log had not named this agent by then", { detail: did });
    }
    const [received, given] = [record.received, record.given].map((all) =>
      all.filter(({ time }) => time <= seen.view.time),
    );
    const explanation = seen.explain(did, ORDINARY);
    const about = await noteData(record.profile?.statement.noteDigest, asked);
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
      received: listed(received ?? [], asked),
      receivedCount: received?.length ?? 0,
      given: listed(given ?? [], asked),
      givenCount: given?.length ?? 0,
      notes: await notesOf(received ?? [], asked),
      reports: await Promise.all(reports.slice(0, MOST_NOTES).map((report) => reportData(report, asked))),
      reportCount: reports.length,
      around: neighbourhood(seen, did, AROUND).list.map(({ did: other, ...place }) => ({ ...ref(other), ...place })),
      explanation: formatExplanation(explanation, { name: (other) => agentText(ref(other as typeof did)) }),
    };
  },
  title: ({ agent: { did, name } }) => `${name ?? fingerprintText(did)} · Peerage`,
  html: (data, frame) =>
    html`${head(data, frame)} ${keyBar(data)} ${why(data.working, frame)} ${agentPanels(data, frame)}`,
  text(data) {
    const { agent: subject, key, received, given } = data;
    return [
      agentText(subject),
      subject.did,
      ...(data.about ? [noteText(data.about)] : []),
      "",
      `score   ${scoreText(data.score)}   as seen by ${data.viewpoint}, scope ${data.scope}`,
      `key     ${key.status}`,
      `reports ${data.reportCount}`,
      `vouches ${received.filter(({ inForce }) => inForce).length} in, ${given.filter(({ inForce }) => inForce).length} out`,
      "",
      data.explanation,
    ].join("\n");
  },
};

function head(data: AgentData, frame: Frame): Html {
  const { agent: subject, received, given } = data;
  const inForce = (vouches: readonly VouchData[]): number => vouches.filter((vouch) => vouch.inForce).length;
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
        <span class="chip">${count(inForce(received), "vouch", "vouches")} in</span>
        <span class="chip">${inForce(given)} out</span>
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

function listed(records: AgentRecord["received"], asked: Asked): VouchData[] {
  const all = records.map((record) => vouchData(record, asked));
  return all.sort((a, b) => Number(b.inForce) - Number(a.inForce) || b.index - a.index).slice(0, MOST_VOUCHES);
}

function otherScopes(record: AgentRecord, { seen }: Asked): AgentData["otherScopes"] {
  const scopes = new Set(record.received.flatMap((vouch) => vouch.scopes));
  scopes.delete(seen.scope);
  return [...scopes]
    .sort()
    .slice(0, 4)
    .map((scope) => ({ scope, score: seen.in(scope).score(record.did) }));
}
