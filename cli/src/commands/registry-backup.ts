import { join, resolve } from "node:path";
import { toHex } from "@peerage/core";
import { backupRegistry } from "@peerage/registry";
import type { Context } from "../context.ts";
import { tilde } from "../files/paths.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { Progress } from "../ui/progress.ts";
import { count } from "../ui/time.ts";

/** `peerage registry backup`: a checked copy of a log on this machine, whose registry may be running. */
export async function run(context: Context, { words: [file = ""], options }: Args): Promise<Result> {
  const { cwd } = context.io;
  const data = options["data"];
  const dataDir = resolve(cwd, typeof data === "string" ? data : join(context.paths.data, "registry"));
  const to = resolve(cwd, file);
  const progress = new Progress(context, "copying the log");
  const { size, root } = await backupRegistry({
    dataDir,
    to,
    onProgress: (done, total) => progress.show(done, total),
  }).finally(() => progress.end());
  return {
    data: { file: to, size, root: toHex(root) },
    text: context.ui.facts([
      { mark: "ok", label: "copied", value: `${count(size, "entry")} to ${tilde(context.paths, to)}` },
      { label: "root", value: toHex(root) },
      { label: "not in it", value: "keys, head file and notes: docs/operating.md says why" },
    ]),
    plain: [[to, size, toHex(root)]],
  };
}
