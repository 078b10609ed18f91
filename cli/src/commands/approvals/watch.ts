import { setTimeout as sleep } from "node:timers/promises";
import { ApprovalStore } from "@peerage/mcp-middleware";
import { itemData } from "../../approvals/describe.ts";
import type { Context } from "../../context.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import { exitAfter, stopSignal } from "../../interrupt.ts";
import { envelope } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { Labels } from "../../viewpoint.ts";
import { itemRow } from "./list.ts";

const POLL_MS = 250;

/** `peerage approvals watch`: each request that begins to wait for a person, as it comes, until Ctrl-C. */
export async function run(context: Context, { options }: Args): Promise<number> {
  const path = await findAuditFile(context, options);
  const labels = new Labels(context);
  const stop = new AbortController();
  const stopped = stopSignal().finally(() => stop.abort());
  const known = new Set<string>();
  let seq = 0;
  using store = new ApprovalStore(path, { now: context.io.now });
  const isOver = (): boolean => stop.signal.aborted;
  while (!isOver()) {
    for (const item of store.list(["open"])) {
      if (known.has(item.id)) continue;
      known.add(item.id);
      const lines =
        context.globals.json === true
          ? [envelope("approvals watch", { exit: 8, data: { seq: seq++, ...itemData(item, []) }, text: [] })]
          : context.ui.table([await itemRow(context, item, labels)]);
      for (const line of lines) context.io.stdout.write(`${line}\n`);
    }
    await sleep(POLL_MS, undefined, { signal: stop.signal }).catch(() => undefined);
  }
  return exitAfter(await stopped);
}
