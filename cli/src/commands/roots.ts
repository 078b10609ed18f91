import type { Did } from "@peerage/core";
import { checkedDid, findAgent, findAgentToSign, ownName } from "../agents.ts";
import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { writeRoots } from "../files/book.ts";
import { directoryOf, suggestedRoots } from "../network.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { styledDid } from "../ui/agent.ts";

/** `peerage roots list`. */
export async function list(context: Context, _args: Args): Promise<Result> {
  const roots = await Promise.all(
    (await context.roots()).map(async (did) => ({ did, name: await ownName(context, did) })),
  );
  const { ui } = context;
  return {
    data: { roots: roots.map(({ did, name }) => ({ did, ...(name === undefined ? {} : { name }) })) },
    text: roots.length
      ? ui.table(roots.map(({ did, name }) => [styledDid(ui, did), name ?? ""]))
      : [`  none yet: everyone is unknown to you   ${ui.dim("peerage roots add <agent>")}`],
    plain: roots.map(({ did, name }) => [did, name ?? ""]),
  };
}

/** `peerage roots add`: from now on trust starts there too. */
export async function add(context: Context, { words: [text], options }: Args): Promise<Result> {
  const from = options["from"];
  if ((text === undefined) === (from === undefined))
    throw usage("name one agent, or take them --from registry", "peerage help roots add");
  if (from !== undefined && from !== "registry")
    throw usage("roots come --from registry", "peerage roots add --from registry");
  let added: Did[];
  if (text === undefined) {
    added = await suggestedRoots(context);
    if (added.length === 0)
      throw new CliError("ERR_NOT_FOUND", "the registry publishes no roots", { hint: "peerage roots add <agent>" });
    for (const did of added) context.say(`  ${styledDid(context.err, did)}`);
    if (!(await context.confirm(`start to trust from these ${added.length}?`))) throw usage("nothing was done");
  } else {
    added = [(await findAgentToSign(context, text, "a root", () => directoryOf(context))).did];
  }
  const before = await context.roots();
  const fresh = added.filter((did) => !before.includes(did));
  const dryRun = options["dryRun"] === true;
  if (!dryRun && fresh.length > 0) await writeRoots(context.paths, [...before, ...fresh]);
  const { ui } = context;
  const total = before.length + fresh.length;
  return {
    data: { added: fresh, roots: total, dryRun },
    text: ui.facts([
      ...added.map((did) => ({
        mark: dryRun ? ("none" as const) : ("ok" as const),
        label: !fresh.includes(did) ? "already" : dryRun ? "would add" : "root",
        value: styledDid(ui, did),
      })),
      { label: "now", value: total === 1 ? "1 root" : `${total} roots` },
    ]),
  };
}

/** `peerage roots remove`: every gain through it is gone at once. */
export async function remove(context: Context, { words: [text = ""], options }: Args): Promise<Result> {
  const before = await context.roots();
  const did = text.startsWith("did:") ? checkedDid(text) : (await findAgent(context, text)).did;
  if (!before.includes(did))
    throw new CliError("ERR_NOT_FOUND", `${did} is none of your roots`, { hint: "peerage roots list" });
  const dryRun = options["dryRun"] === true;
  if (!dryRun)
    await writeRoots(
      context.paths,
      before.filter((root) => root !== did),
    );
  const { ui } = context;
  return {
    data: { removed: did, roots: before.length - 1, dryRun },
    text: ui.facts([
      { mark: dryRun ? "none" : "ok", label: dryRun ? "would remove" : "removed", value: styledDid(ui, did) },
      { label: "now", value: before.length === 2 ? "1 root" : `${before.length - 1} roots` },
    ]),
  };
}
