import {
  type Digest,
  isPeerageError,
  type LogLeaf,
  type Statement,
  type Verified,
  verifyStatement,
} from "@peerage/core";
import type { AgentRef, Asked } from "./page.ts";

/** One entry of the log, as pages and the feed tell it. */
export interface EntryData {
  readonly index: number;
  /** Time of the first checkpoint that covers it, Unix seconds. */
  readonly at: number;
  readonly kind: Statement["kind"] | "invalid";
  readonly id?: Digest;
  readonly from?: AgentRef;
  readonly to?: AgentRef;
  readonly scope?: readonly string[];
  readonly confidence?: number;
  /** The vouch that a revocation takes back. */
  readonly target?: Digest;
  /** What exactly happened, where the kind alone does not say it. */
  readonly what?: string;
}

/** What reading entries needs of a request. */
export type Reading = Pick<Asked, "source" | "ref"> & { readonly seen: Pick<Asked["seen"], "view"> };

/** Reads entries, oldest first. A leaf that does not verify is shown as what it is: it counts for nothing. */
export async function readEntries(from: number, to: number, reading: Reading): Promise<EntryData[]> {
  const entries: EntryData[] = [];
  for await (const leaf of reading.source.leaves(from, to)) entries.push(await entryData(leaf, reading));
  return entries;
}

/** One leaf as data. */
export async function entryData(leaf: LogLeaf, reading: Reading): Promise<EntryData> {
  const { index } = leaf;
  const statement = await statementOf(leaf);
  const { view } = reading.seen;
  if (typeof statement === "string") return { index, at: view.time, kind: "invalid", what: statement };
  const { id, kind } = statement;
  const logged = view.statement(id);
  const base = {
    index,
    at: logged?.index === index ? logged.time : view.time,
    kind,
    id,
    from: reading.ref(statement.issuer),
  };
  return { ...base, ...details(statement, reading) };
}

/** The statement of a leaf, or the code of what is wrong with it. */
export async function statementOf({ statement, leaf }: LogLeaf): Promise<Verified<Statement> | string> {
  if (statement) return statement;
  try {
    return await verifyStatement(leaf);
  } catch (error) {
    if (isPeerageError(error)) return error.code;
    throw error;
  }
}

function details(statement: Statement, { ref, seen }: Reading): Partial<EntryData> {
  switch (statement.kind) {
    case "Vouch":
      return { to: ref(statement.subject), scope: statement.scope, confidence: statement.confidence };
    case "Revocation": {
      if (statement.revokes === "self") return { what: "self" };
      if (statement.revokes === "subject")
        return { what: "subject", to: ref(statement.target as typeof statement.issuer) };
      const target = statement.target as typeof statement.id;
      const vouch = seen.view.vouch(target);
      return { what: "statement", target, ...(vouch ? { to: ref(vouch.statement.subject) } : {}) };
    }
    case "AgentProfile":
      return { what: statement.role };
    case "KeyEvent":
      return { what: statement.event };
    case "Report":
      return { to: ref(statement.subject), what: statement.category };
  }
}

/** The words between the parties of an entry. */
export function entryVerb({ kind, what, to }: EntryData): string {
  switch (kind) {
    case "Vouch":
      return "vouched for";
    case "Revocation":
      if (what === "self") return "burnt its own identity";
      if (what === "subject") return "withdrew every vouch for";
      return to ? "withdrew a vouch for" : "withdrew a statement";
    case "AgentProfile":
      return what === "agent"
        ? "introduced itself as an agent"
        : `introduced itself as ${what === "organization" ? "an" : "a"} ${what ?? ""}`;
    case "KeyEvent":
      return what === "init" ? "registered its key" : `published a key event: ${what ?? ""}`;
    case "Report":
      return `filed a report (${what ?? ""}) about`;
    case "invalid":
      return `does not verify (${what ?? ""}) and counts for nothing`;
  }
}
