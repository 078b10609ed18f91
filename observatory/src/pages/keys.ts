import { html } from "hono/html";
import {
  type Digest,
  type KeyState,
  type KeyStatement,
  type KeyStatus,
  multibaseOf,
  parseDid,
  PeerageError,
} from "@peerage/core";
import type { Frame } from "../frame.ts";
import type { AgentRef, Html, Page } from "../page.ts";
import { agentLink, agentText } from "../ui/agent.ts";
import { count, digestText, fingerprintText, timeText } from "../ui/format.ts";
import { timeHtml } from "../ui/time.ts";
import { verifier } from "../ui/verify.ts";

/** One line of a change: what went and what came. */
interface Change {
  readonly sign: "+" | "−";
  readonly what: "key" | "next key" | "recovery";
  readonly value: string;
}

export interface KeysData {
  readonly agent: AgentRef;
  readonly status: KeyStatus;
  readonly current: string;
  readonly since?: number;
  readonly compromises: number;
  /** A recovery set that waits for its time lock, Unix seconds. */
  readonly pendingAfter?: number;
  /** Oldest first. */
  readonly events: readonly {
    readonly index: number;
    readonly id: Digest;
    readonly time: number;
    readonly event: "init" | "rotate" | "revoke" | "recover" | "burn";
    readonly standing: KeyStatement["standing"];
    readonly changes: readonly Change[];
    readonly compromisedSince?: number;
  }[];
}

/** The life of one agent's key, as it told it: every event with what it changed. */
export const keys: Page<KeysData> = {
  load({ seen, ref, parameter }) {
    const did = parseDid(parameter);
    const record = seen.view.agent(did);
    if (!record) throw new PeerageError("ERR_NOT_FOUND", "the log has never named this agent", { detail: did });
    const { status, current, since, compromises, pendingRecovery } = record.key;
    return {
      agent: ref(did),
      status,
      current,
      ...(since === undefined ? {} : { since }),
      compromises,
      ...(pendingRecovery ? { pendingAfter: pendingRecovery.after } : {}),
      events: told(seen.view.keyStatements(did), multibaseOf(did)),
    };
  },
  title: ({ agent: { did, name } }) => `Keys of ${name ?? fingerprintText(did)} · Peerage`,
  html: (data, frame) =>
    html`<header class="head">
        <h1>Key history</h1>
        <p class="row big">${agentLink(data.agent, frame)} ${statusChip(data)}</p>
      </header>
      ${
        data.pendingAfter === undefined
          ? ""
          : html`<p class="note warn">
              <b>◔ A new recovery set waits</b> and takes effect after ${timeHtml(data.pendingAfter)}.
            </p>`
      }
      <section class="panel">
        <h2>What it said about its key <span class="aside">${count(data.events.length, "event")}</span></h2>
        ${data.events.length === 0 ? html`<p class="muted">Nothing: the key in the DID stands, and always has.</p>` : ""}
        <ol class="timeline">
          ${data.events.map((event) => line(event, frame))}
        </ol>
        ${
          data.events.length === 0
            ? ""
            : verifier(
                data.events,
                count(data.events.length, "event"),
                `peerage show ${data.agent.did} --registry ${frame.registryUrl}`,
              )
        }
      </section>
      <section class="panel">
        <h2>The key that stands now</h2>
        <p><code>${data.current}</code></p>
        <p class="muted">
          ${
            data.status === "active"
              ? "Signatures by it count as the agent’s own. "
              : "It is the last one that stood: nothing it signs counts. "
          }A
          key is named by its digest before it is ever shown, so that whoever steals the one cannot choose the next.
        </p>
      </section>`,
  text: (data) =>
    [
      `${agentText(data.agent)}  key ${data.status}  ${data.current}`,
      ...data.events.flatMap(({ index, time, event, standing, changes }) => [
        `  #${index}  ${timeText(time)}  ${event}${standing === "counts" ? "" : `  (${standing})`}`,
        ...changes.map(({ sign, what, value }) => `      ${sign} ${what} ${value}`),
      ]),
      "",
    ].join("\n"),
};

function statusChip({ status, compromises }: Pick<KeysData, "status" | "compromises">): Html {
  const mark =
    status === "active" ? html`<span class="chip ok">✓ active</span>` : html`<span class="chip bad">✕ ${status}</span>`;
  return compromises === 0
    ? mark
    : html`${mark} <span class="chip bad">✕ compromised ${compromises === 1 ? "once" : `${compromises} times`}</span>`;
}

function line(
  { index, time, event, standing, changes, compromisedSince }: KeysData["events"][number],
  frame: Frame,
): Html {
  const red = event === "revoke" || event === "burn" || compromisedSince !== undefined;
  return html`<li class="${standing === "counts" ? "" : "past"}">
    <p>
      <b class="${red ? "verb bad" : ""}">${words[event]}</b>
      ${standing === "counts" ? "" : html`<span class="status bad">✕ ${standing === "void" ? "counts for nothing" : "others prevailed"}</span>`}
      <span class="muted">${timeHtml(time)}, <a href="${frame.links.entry(index)}">#${index}</a></span>
    </p>
    ${
      compromisedSince === undefined
        ? ""
        : html`<p class="status bad">
            ✕ The old key was stolen: what it gave since ${timeHtml(compromisedSince)} is void.
          </p>`
    }
    <ul class="diff">
      ${changes.map(({ sign, what, value }) => html`<li class="${sign === "+" ? "plus" : "minus"}"><span aria-label="${sign === "+" ? "added" : "removed"}" role="img">${sign}</span> ${what} <code>${value}</code></li>`)}
    </ul>
  </li>`;
}

const words: Readonly<Record<KeysData["events"][number]["event"], string>> = {
  init: "began its chain",
  rotate: "changed to the next key",
  revoke: "suspended itself",
  recover: "recovered with a new key",
  burn: "burnt its identity",
};

/** Follows the events that count and says what each changed; those that do not count say what they would have. */
function told(statements: readonly KeyStatement[], own: string): KeysData["events"] {
  let state: Pick<KeyState, "current" | "next"> & { recovery?: string } = { current: own as KeyState["current"] };
  return statements.map((said) => {
    const { statement, index, time, standing } = said;
    const base = { index, id: statement.id, time, standing };
    if (statement.kind === "Revocation") {
      return { ...base, event: "burn", changes: [{ sign: "−", what: "key", value: state.current }] };
    }
    const { event, key, next, recovery, since } = statement;
    const set = recovery && `${recovery.threshold} of ${recovery.keys.length}`;
    const changes: Change[] = [];
    const change = (what: Change["what"], old: string | undefined, fresh: string | undefined): void => {
      if (old !== undefined) changes.push({ sign: "−", what, value: old });
      if (fresh !== undefined) changes.push({ sign: "+", what, value: fresh });
    };
    if (event === "init") change("key", undefined, own);
    else if (event === "revoke") change("key", state.current, undefined);
    else change("key", state.current, key);
    if (next !== undefined) change("next key", state.next && digestText(state.next), digestText(next));
    if (set !== undefined) change("recovery", state.recovery, set);
    if (standing === "counts") {
      state = {
        current: key ?? state.current,
        ...(next === undefined ? (state.next === undefined ? {} : { next: state.next }) : { next }),
        ...(set === undefined ? (state.recovery === undefined ? {} : { recovery: state.recovery }) : { recovery: set }),
      };
    }
    return { ...base, event, changes, ...(since === undefined ? {} : { compromisedSince: since }) };
  });
}
