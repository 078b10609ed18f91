import { canonicalize } from "@peerage/core";
import { ApprovalStore, AuditReader } from "@peerage/mcp-middleware";
import { groundsOf, itemData, itemLines, nextLines } from "../../approvals/describe.ts";
import { findItem } from "../../approvals/find.ts";
import type { Context } from "../../context.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import { jsonLine, type Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { Labels } from "../../viewpoint.ts";

/** `peerage approvals show`: one request that waits for a person, every byte of it visible. */
export async function run(context: Context, { words: [text = ""], options }: Args): Promise<Result> {
  const path = await findAuditFile(context, options);
  using store = new ApprovalStore(path, { now: context.io.now });
  using reader = new AuditReader(path);
  const item = findItem(store, text);
  const history = groundsOf(reader, item);
  // The one form over which the digest is; what a terminal would obey is escaped, so that it reads back the same.
  const raw =
    options["raw"] === true && item.request
      ? jsonLine(JSON.parse(canonicalize({ ...item.request })) as object)
      : undefined;
  return {
    data: itemData(item, history),
    text: [
      ...(await itemLines(context.ui, item, history, { labels: new Labels(context), now: context.io.now(), raw })),
      ...nextLines(context, item),
    ],
    plain: [[item.id, item.state, item.caller, item.method, item.target, item.req, item.expiresAt.toISOString()]],
  };
}
