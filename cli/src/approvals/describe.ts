import {
  type Digest,
  type Entry,
  type Field,
  fieldsOf,
  isJsonObject,
  type JsonValue,
  parseCarriedEntry,
  revealed,
} from "@peerage/core";
import type { ApprovalItem, AuditReader } from "@peerage/mcp-middleware";
import type { Context } from "../context.ts";
import { styledDid } from "../ui/agent.ts";
import { fieldLines } from "../ui/field-lines.ts";
import type { Terminal } from "../ui/terminal.ts";
import { rfc3339, span } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import type { Labels } from "../viewpoint.ts";
import { wordOf } from "./find.ts";

const SHOWN_ENTRIES = 40;

/** An item with what it rests on, for `--json`: nothing is left out or altered. */
export function itemData(item: ApprovalItem, history: readonly Entry[]): object {
  const { filedAt, expiresAt, answers, ...rest } = item;
  return {
    ...rest,
    filedAt: filedAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    answers: answers.map(({ at, expiresAt: until, ...answer }) => ({
      ...answer,
      at: at.toISOString(),
      ...(until === undefined ? {} : { expiresAt: until.toISOString() }),
    })),
    history: history.map(({ digest, issuer, step, result, issuedAt }) => ({
      digest,
      agent: issuer,
      step,
      result,
      at: rfc3339(issuedAt),
    })),
  };
}

/** Everything that a person needs to decide on an item: who, what exactly, on what ground, until when. */
export async function itemLines(
  ui: Terminal,
  item: ApprovalItem,
  history: readonly Entry[],
  options: { readonly labels: Labels; readonly now: Date; readonly raw?: string | undefined },
): Promise<string[]> {
  const name = await options.labels.of(item.caller);
  const whoMay = item.approvers.map((word) => visible(word, 120)).join(" ");
  const left = item.expiresAt.getTime() - options.now.getTime();
  const lines = ui.facts([
    { mark: stateMark(item), label: item.state, value: stateText(item, left) },
    { label: "caller", value: `${styledDid(ui, item.caller)}  ${ui.bold(name)}` },
    { label: "wants", value: `${visible(item.method)} ${ui.bold(revealed(item.target))}` },
    { label: "req", value: item.req },
    { label: "rule", value: `${visible(item.rule)} of policy ${item.policy}` },
    { label: "approvers", value: `${item.count > 1 ? `${item.count} of ` : ""}${whoMay}` },
  ]);
  if (options.raw !== undefined) lines.push("", options.raw);
  else if (item.request) {
    lines.push("", `  ${ui.dim("asked for, every value as it will be executed")}`);
    lines.push(...fieldLines(requestFields(item.request.params), ui.columns, 4));
  } else lines.push("", `  ${ui.dim("what was asked for is not kept after the end; its digest is")}`);
  if (history.length > 0) {
    lines.push("", `  ${ui.dim("it rests on, each step signed")}`);
    lines.push(...(await historyLines(ui, history, options.labels)));
  }
  for (const { by, result, at } of item.answers) {
    const mark = result === "approved" ? ui.good(ui.mark.ok) : ui.bad(ui.mark.no);
    lines.push(...ui.table([[mark, `${result} by ${await options.labels.of(by)}`, at.toISOString()]], 4));
  }
  return lines;
}

/** The next steps, while there are any. */
export function nextLines({ ui }: Context, item: ApprovalItem): string[] {
  if (item.state !== "open") return [];
  const word = wordOf(item);
  return [
    "",
    ...ui.table([
      [ui.dim("Next"), `peerage approvals approve ${word}`, "a yes to exactly this, by your key"],
      ["", `peerage approvals deny ${word}`, "a no, which outweighs every yes"],
    ]),
  ];
}

/** The entries that an answer must build on, and what those rest on, oldest first; each signature holds. */
export function groundsOf(reader: AuditReader, { prev }: Pick<ApprovalItem, "prev">): Entry[] {
  const found = new Map<Digest, Entry>();
  const open: Digest[] = [...prev];
  for (let digest = open.pop(); digest !== undefined && found.size < SHOWN_ENTRIES; digest = open.pop()) {
    if (found.has(digest)) continue;
    const token = reader.entry(digest);
    if (token === undefined) continue;
    const entry = parseCarriedEntry(token);
    found.set(digest, entry);
    open.push(...entry.prev);
  }
  return [...found.values()].sort((a, b) => a.issuedAt - b.issuedAt || a.prev.length - b.prev.length);
}

async function historyLines(ui: Terminal, history: readonly Entry[], labels: Labels): Promise<string[]> {
  const rows = history.map(async ({ issuer, step, result, issuedAt, tool }) => [
    ui.good(ui.mark.on),
    await labels.of(issuer),
    `${visible(step)} ${visible(result)}${tool === undefined ? "" : ` ${visible(tool, 40)}`}`,
    rfc3339(issuedAt),
  ]);
  return ui.table(await Promise.all(rows), 4);
}

/** Arguments by their own names; whatever else a request holds, by its path. The target stands above. */
function requestFields(params: JsonValue): Field[] {
  if (!isJsonObject(params)) return fieldsOf(params, "params");
  const { name: _name, uri: _uri, arguments: args, ...rest } = params;
  const fields = [
    ...(args === undefined
      ? []
      : isJsonObject(args) && Object.keys(args).length > 0
        ? fieldsOf(args)
        : fieldsOf(args, "arguments")),
    ...Object.entries(rest as Readonly<Record<string, JsonValue>>).flatMap(([name, value]) =>
      fieldsOf({ [name]: value }, "params"),
    ),
  ];
  return fields.length > 0 ? fields : [{ path: "arguments", value: "none" }];
}

function stateMark({ state }: ApprovalItem): "wait" | "ok" | "no" {
  if (state === "open") return "wait";
  return state === "approved" || state === "used" ? "ok" : "no";
}

function stateText({ state, filedAt, answers, count }: ApprovalItem, leftMs: number): string {
  const since = `asked at ${filedAt.toISOString()}`;
  if (state === "open") return `${since}, expires in ${span(leftMs / 1000)}, ${answers.length} of ${count} answers`;
  if (state === "approved") return `${since}, must be repeated within ${span(leftMs / 1000)}`;
  return since;
}
