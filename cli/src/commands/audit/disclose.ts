import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { AuditReader, disclose, eraseOpenings } from "@peerage/mcp-middleware";
import { callNamed } from "../../call-named.ts";
import type { Context } from "../../context.ts";
import { CliError, usage } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import { codeOf } from "../../files/safe-file.ts";
import { escaped, type Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { count } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";

/** `peerage audit disclose`: proves one call to somebody, with the arguments that are named and no others. */
export async function run(context: Context, { words: [word = ""], options }: Args): Promise<Result> {
  const names = (options["arg"] as string[] | undefined) ?? [];
  using reader = new AuditReader(await findAuditFile(context, options));
  const { seq } = decisionOf(reader, word);
  const text = disclose(reader, seq, names);
  const { out } = options;
  if (typeof out !== "string") {
    const line = escaped(text.trimEnd());
    return { data: JSON.parse(text) as object, text: [line], plain: [[line]] };
  }
  const path = resolve(context.io.cwd, out);
  await writeFile(path, text, { mode: 0o600, flag: "wx" }).catch((error: unknown) => {
    const why = codeOf(error) === "EEXIST" ? "is there already" : `cannot be written (${codeOf(error) ?? "unknown"})`;
    throw new CliError("ERR_CONFIG_INVALID", `${visible(path, 200)} ${why}`, { hint: "--out <a new file>" });
  });
  const { ui } = context;
  return {
    data: JSON.parse(text) as object,
    text: ui.facts([
      {
        mark: "ok",
        label: "written",
        value: `call #${seq} with ${count(names.length, "argument")} to ${visible(path, 200)}`,
      },
      { label: "to check", value: `peerage audit verify ${visible(out, 200)}` },
    ]),
    plain: [[path, seq, names.length]],
  };
}

/** `peerage audit erase`: what stood in a call's arguments cannot be learned any more; the log verifies as before. */
export async function erase(context: Context, { words: [word = ""], options }: Args): Promise<Result> {
  const path = await findAuditFile(context, options);
  using reader = new AuditReader(path);
  const { seq, id } = decisionOf(reader, word);
  if (!(await context.confirm(`erase the arguments of call #${seq}, ${id}, for good?`)))
    throw usage("nothing was erased", "--yes");
  const erased = eraseOpenings(path, id);
  return {
    data: { seq, id, erased },
    text: context.ui.facts([{ mark: "ok", label: "erased", value: `${count(erased, "argument")} of call #${seq}` }]),
    plain: [[seq, erased]],
  };
}

function decisionOf(reader: AuditReader, word: string): { readonly seq: number; readonly id: string } {
  const call = callNamed(reader, word);
  if (!call) throw new CliError("ERR_NOT_FOUND", `no recorded call is ${visible(word)}`, { hint: "peerage calls" });
  return call.decision;
}
