import { rotateAudit } from "@peerage/mcp-middleware";
import type { Context } from "../../context.ts";
import { usage } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { count } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";

/** `peerage audit rotate`: what the guard has signed goes into an archive beside the log, and the chain goes on. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const { keep = "0" } = options;
  if (typeof keep !== "string" || !/^\d{1,9}$/.test(keep)) throw usage("--keep is a number of records", "--keep 1000");
  const rotated = rotateAudit(await findAuditFile(context, options), { keep: Number(keep) });
  const { ui } = context;
  return {
    data: { rotated: rotated ?? null },
    text: ui.facts(
      rotated
        ? [
            {
              mark: "ok",
              label: "archived",
              value: `${count(rotated.to - rotated.from, "record")}, #${rotated.from} to #${rotated.to - 1}`,
            },
            { label: "in", value: visible(rotated.path, 300) },
          ]
        : [{ mark: "none", label: "nothing", value: "the guard has signed no records that could be archived" }],
    ),
    plain: rotated ? [[rotated.path, rotated.from, rotated.to]] : [],
  };
}
