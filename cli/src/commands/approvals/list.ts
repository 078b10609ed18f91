import { type ApprovalItem, ApprovalStore } from "@peerage/mcp-middleware";
import { itemData } from "../../approvals/describe.ts";
import { allStates, wordOf } from "../../approvals/find.ts";
import type { Context } from "../../context.ts";
import { CliError } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import type { Terminal } from "../../ui/terminal.ts";
import { span } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";
import { Labels } from "../../viewpoint.ts";

/** `peerage approvals list`: what waits for a person, oldest first. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const items = await itemsOf(context, options);
  const labels = new Labels(context);
  const rows = await Promise.all(items.map((item) => itemRow(context, item, labels)));
  return {
    data: { items: items.map((item) => itemData(item, [])) },
    text: rows.length > 0 ? context.ui.table(rows) : [`  ${context.ui.dim("nothing waits for a person")}`],
    plain: items.map(plainItem),
  };
}

/** A row of `--plain`. */
export function plainItem(item: ApprovalItem): string[] {
  const { id, state, caller, method, target, req, expiresAt } = item;
  return [id, state, caller, method, target, req, expiresAt.toISOString()];
}

/** A guard that has recorded nothing has asked nobody, which is no fault. */
async function itemsOf(context: Context, options: Args["options"]): Promise<readonly ApprovalItem[]> {
  let path: string;
  try {
    path = await findAuditFile(context, options);
  } catch (error) {
    if (error instanceof CliError && error.code === "ERR_NOT_FOUND" && options["audit"] === undefined) return [];
    throw error;
  }
  using store = new ApprovalStore(path, { now: context.io.now });
  return store.list(options["all"] === true ? allStates : ["open"]);
}

/** One item in a line: its word, who wants what, and how long it can be answered. */
async function itemRow(context: Context, item: ApprovalItem, labels: Labels): Promise<string[]> {
  return (await itemCells(context, item, labels))(context.ui);
}

/** {@link itemRow} for any terminal: who asks is looked up once. */
export async function itemCells(
  { io }: Context,
  item: ApprovalItem,
  labels: Labels,
): Promise<(ui: Terminal) => string[]> {
  const who = await labels.of(item.caller);
  return (ui) => cellsOf(ui, item, who, io.now());
}

function cellsOf(ui: Terminal, item: ApprovalItem, who: string, now: Date): string[] {
  const left = (item.expiresAt.getTime() - now.getTime()) / 1000;
  const mark =
    item.state === "open"
      ? ui.warn(ui.mark.wait)
      : item.state === "approved" || item.state === "used"
        ? ui.good(ui.mark.ok)
        : ui.bad(ui.mark.no);
  return [
    ui.accent(wordOf(item)),
    `${mark} ${item.state === "open" ? "waits" : item.state}`,
    who,
    visible(item.target, 24),
    item.state === "open" ? `${span(left)} left` : item.filedAt.toISOString().slice(0, 19).replace("T", " "),
  ];
}
