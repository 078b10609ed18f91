import {
  type AgentRecord,
  type Digest,
  fromUtf8,
  isDigest,
  type Logged,
  type Statement,
  trustScore,
  type VouchRecord,
  verifyStatement,
} from "@peerage/core";
import { findAgent, ownName } from "../agents.ts";
import type { Context, Options } from "../context.ts";
import { CliError } from "../errors.ts";
import { directory, freshSnapshot, type Snapshot } from "../network.ts";
import { fetchNote } from "../notes.ts";
import type { Result } from "../output.ts";
import { placeFact, placesOf } from "../proofs/claims.ts";
import type { Args } from "../tree.ts";
import { agentLabel, styledDid, styledFingerprint } from "../ui/agent.ts";
import type { Fact } from "../ui/terminal.ts";
import { count, day, rfc3339 } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import { logData, viewpointOf } from "../viewpoint.ts";

/** `peerage show`: an agent, or a statement by its id or log index, in full. */
export async function run(context: Context, { words: [text = ""], options }: Args): Promise<Result> {
  const snapshot = await freshSnapshot(context, options["maxAge"]);
  if (isDigest(text)) return statement(context, snapshot, need(snapshot.view.statement(text), text), options);
  if (/^#?\d{1,15}$/.test(text))
    return statement(context, snapshot, await atIndex(snapshot, Number(text.replace("#", ""))), options);
  return agent(context, snapshot, text, options);
}

function need(logged: Logged | undefined, text: string): Logged {
  if (logged) return logged;
  throw new CliError("ERR_NOT_FOUND", `the log has no statement ${visible(text, 80)}`, { hint: "peerage log head" });
}

/** A statement by its place in the log. */
export async function atIndex({ view, reader }: Snapshot, index: number): Promise<Logged> {
  if (index >= view.size)
    throw new CliError("ERR_NOT_FOUND", `the log has ${view.size} entries, the last is #${view.size - 1}`);
  for await (const { leaf } of reader.leaves(index, index + 1)) {
    const { id } = await verifyStatement(leaf);
    return need(view.statement(id), `#${index}`);
  }
  throw new CliError("ERR_NOT_FOUND", `the log has no entry #${index}`);
}

async function agent(context: Context, snapshot: Snapshot, text: string, options: Options): Promise<Result> {
  const { view, names, url } = snapshot;
  const { did, name } = await findAgent(context, text, () => directory(view, names));
  const record = view.agent(did);
  if (!record) throw new CliError("ERR_NOT_FOUND", `${url} knows no ${did}`);
  const scope = await context.scope(options["scope"]);
  const viewpoint = await viewpointOf(context, options, snapshot);
  const { score } = trustScore(view.graph(scope), { roots: viewpoint.roots, target: did });
  const selfName = await names.of(view, did);
  const { ui } = context;
  const facts: Fact[] = [
    { mark: record.key.status === "active" ? "ok" : "no", label: name ?? "agent", value: styledDid(ui, did) },
    ...(selfName === undefined ? [] : [{ label: "calls itself", value: visible(selfName) }]),
    ...(record.profile ? [{ label: "says it is", value: record.profile.statement.role }] : []),
    { label: "key", value: `${record.key.status}, ${count(record.key.events, "key event")}` },
    { label: "in the log", value: `since entry #${record.first.index}, ${rfc3339(record.first.time)}` },
    {
      label: "score",
      value: `${score === "unknown" ? "unknown" : score.toFixed(2)} in ${scope}, as seen by ${viewpoint.label}`,
    },
  ];
  const places = await placesOf(context, snapshot, record, { look: options["check"] !== false });
  const received = await Promise.all(record.received.map((vouch) => vouchRow(context, vouch, "issuer")));
  const given = await Promise.all(record.given.map((vouch) => vouchRow(context, vouch, "subject")));
  const reports = await Promise.all(
    record.reports.map(async ({ statement, index, time, withdrawnBy }) => [
      ui.dim(`#${index}`),
      styledFingerprint(ui, statement.issuer),
      (await ownName(context, statement.issuer)) ?? "",
      ui.warn(statement.category),
      ui.dim(withdrawnBy ? "withdrawn" : day(time)),
    ]),
  );
  return {
    data: {
      type: "agent",
      did,
      ...(name === undefined ? {} : { name }),
      ...(selfName === undefined ? {} : { selfName }),
      status: record.key.status,
      role: record.profile?.statement.role ?? null,
      since: { index: record.first.index, time: rfc3339(record.first.time) },
      scope,
      score,
      places,
      received: record.received.map(vouchData),
      given: record.given.map(vouchData),
      reports: record.reports.map(({ statement, index, time, withdrawnBy }) => ({
        id: statement.id,
        index,
        time: rfc3339(time),
        issuer: statement.issuer,
        category: statement.category,
        evidence: statement.evidence,
        withdrawn: withdrawnBy !== undefined,
      })),
      log: logData(snapshot),
    },
    text: [
      ...ui.facts([...facts, ...places.map(placeFact)]),
      ...section(context, "vouched for by", received),
      ...section(context, "vouches for", given),
      ...section(context, "reported by", reports),
    ],
    plain: plainOf(record),
  };
}

function plainOf({ received, given }: AgentRecord): (string | number)[][] {
  return [...received, ...given].map(({ statement: vouch, status, index }) => [
    index,
    vouch.id,
    vouch.issuer,
    vouch.subject,
    vouch.scope.join(","),
    vouch.confidence,
    status,
  ]);
}

function section(context: Context, title: string, rows: string[][]): string[] {
  if (rows.length === 0) return [];
  return ["", `  ${context.ui.dim(title)}`, ...context.ui.table(rows)];
}

async function vouchRow(
  context: Context,
  { statement: vouch, status, index }: VouchRecord,
  other: "issuer" | "subject",
): Promise<string[]> {
  const { ui } = context;
  const name = await ownName(context, vouch[other]);
  const state = status === "in-force" ? ui.dim(`until ${day(vouch.validUntil)}`) : ui.warn(status.replaceAll("-", " "));
  return [
    ui.dim(`#${index}`),
    styledFingerprint(ui, vouch[other]),
    name === undefined ? "" : ui.bold(name),
    ui.padStart(String(vouch.confidence), 3),
    ui.accent(vouch.scope.join(" ")),
    state,
  ];
}

function vouchData({ statement: vouch, status, index, scopes }: VouchRecord): object {
  const { id, issuer, subject, scope, confidence, validFrom, validUntil } = vouch;
  const times = { validFrom: rfc3339(validFrom), validUntil: rfc3339(validUntil) };
  return { id, index, issuer, subject, scope, countsIn: scopes, confidence, ...times, status };
}

async function statement(context: Context, snapshot: Snapshot, logged: Logged, options: Options): Promise<Result> {
  const { view } = snapshot;
  const { ui } = context;
  const { statement: shown, index, time } = logged;
  const bytes = fromUtf8(shown.bytes);
  const vouch = shown.kind === "Vouch" ? view.vouch(shown.id) : undefined;
  const facts: Fact[] = [
    { mark: "ok", label: shown.kind, value: `entry #${index}, published ${rfc3339(time)}` },
    { label: "id", value: shown.id },
    { label: "by", value: agentLabel(ui, shown.issuer, await ownName(context, shown.issuer)) },
    ...(await detail(context, shown)),
    ...(await noteFacts(snapshot.url, shown)),
  ];
  if (vouch)
    facts.push({
      mark: vouch.status === "in-force" ? "ok" : "no",
      label: "status",
      value: vouch.status.replaceAll("-", " "),
    });
  if (vouch?.revokedBy) facts.push({ label: "withdrawn", value: `by entry #${vouch.revokedBy.index}` });
  return {
    data: {
      type: "statement",
      kind: shown.kind,
      id: shown.id,
      index,
      time: rfc3339(time),
      issuer: shown.issuer,
      ...(vouch ? { status: vouch.status } : {}),
      document: shown.document,
      log: logData(snapshot),
    },
    text: options["raw"] === true ? [bytes] : ui.facts(facts),
    plain: [[index, shown.kind, shown.id, shown.issuer]],
  };
}

async function detail(context: Context, shown: Statement): Promise<Fact[]> {
  const { ui } = context;
  const who = async (did: Parameters<typeof ownName>[1]): Promise<string> =>
    agentLabel(ui, did, await ownName(context, did));
  switch (shown.kind) {
    case "Vouch":
      return [
        { label: "for", value: await who(shown.subject) },
        { label: "scope", value: `${ui.accent(shown.scope.join(" "))}, confidence ${shown.confidence}` },
        { label: "valid", value: `${rfc3339(shown.validFrom)} until ${rfc3339(shown.validUntil)}` },
        ...evidence(shown.evidence),
      ];
    case "Revocation":
      return [{ label: "withdraws", value: `${shown.revokes}: ${shown.target}` }];
    case "AgentProfile":
      return [{ label: "role", value: shown.role }];
    case "KeyEvent":
      return [{ label: "event", value: `${shown.event}, seq ${shown.seq}` }];
    case "Report":
      return [
        { label: "about", value: await who(shown.subject) },
        { label: "category", value: shown.category },
        ...evidence(shown.evidence),
      ];
  }
}

/** The note that a statement names; a registry may keep none, and what was erased is gone. */
async function noteFacts(url: string, shown: Statement): Promise<Fact[]> {
  const digest = "noteDigest" in shown ? shown.noteDigest : undefined;
  if (digest === undefined) return [];
  const note = await fetchNote(url, digest).catch(() => undefined);
  const text = note && [note.name, note.text, ...(note.urls ?? [])].filter((part) => part !== undefined).join(" · ");
  return [
    { label: "note", value: text === undefined ? "not kept by this registry, or erased" : visible(text, 1_200) },
    { label: "", value: digest },
  ];
}

function evidence(digests: readonly Digest[]): Fact[] {
  return digests.map((digest) => ({ label: "evidence", value: digest }));
}
