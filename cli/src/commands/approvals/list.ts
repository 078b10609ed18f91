import { type ApprovalItem, ApprovalStore } from "@peerage/mcp-middleware";
import { itemData } from "../../approvals/describe.ts";
import { allStates, wordOf } from "../../approvals/find.ts";
import type { Context } from "../../context.ts";
import { CliError } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
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
    plain: items.map((item) => [
      item.id,
      item.state,
      item.caller,
      item.method,
      item.target,
      item.req,
      item.expiresAt.toISOString(),
    ]),
  };
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
export async function itemRow(context: Context, item: ApprovalItem, labels: Labels): Promise<string[]> {
  const { ui } = context;
  const left = (item.expiresAt.getTime() - context.io.now().getTime()) / 1000;
  const mark =
    item.state === "open"
      ? ui.warn(ui.mark.wait)
      : item.state === "approved" || item.state === "used"
        ? ui.good(ui.mark.ok)
        : ui.bad(ui.mark.no);
  return [
    ui.accent(wordOf(item)),
    `${mark} ${item.state === "open" ? "waits" : item.state}`,
    await labels.of(item.caller),
    visible(item.target, 24),
    item.state === "open" ? `${span(left)} left` : item.filedAt.toISOString().slice(0, 19).replace("T", " "),
  ];
}
