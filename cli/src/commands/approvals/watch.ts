import { setTimeout as sleep } from "node:timers/promises";
import { ApprovalStore } from "@peerage/mcp-middleware";
import { itemData } from "../../approvals/describe.ts";
import type { Context } from "../../context.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import { envelope, plainLines } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { watching } from "../../ui/watching.ts";
import { Labels } from "../../viewpoint.ts";
import { itemCells, plainItem } from "./list.ts";

const POLL_MS = 250;

/** `peerage approvals watch`: each request that begins to wait for a person, as it comes, until q or Ctrl-C. */
export async function run(context: Context, { options }: Args): Promise<number> {
  const path = await findAuditFile(context, options);
  const { json, plain } = context.globals;
  const labels = new Labels(context);
  const known = new Set<string>();
  let open = 0;
  let seq = 0;
  using store = new ApprovalStore(path, { now: context.io.now });
  using watch = watching(context, () => `${open} waiting   peerage approvals show <request>`);
  while (!watch.signal.aborted) {
    const items = store.list(["open"]);
    open = items.length;
    for (const item of items) {
      if (known.has(item.id)) continue;
      known.add(item.id);
      const told = { exit: 8 as const, data: { seq: seq++, ...itemData(item, []) }, text: [] };
      const cells = await itemCells(context, item, labels);
      if (json === true) watch.add(() => [envelope("approvals watch", told)]);
      else watch.add((ui) => (plain === true ? plainLines([plainItem(item)]) : ui.table([cells(ui)])));
    }
    await sleep(POLL_MS, undefined, { signal: watch.signal }).catch(() => undefined);
  }
  return await watch.exit;
}
