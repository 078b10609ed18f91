import { checkedDid } from "../agents.ts";
import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { petname, writeNames } from "../files/book.ts";
import { identityNames } from "../files/identities.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { styledDid } from "../ui/agent.ts";
import { nearest } from "../ui/nearest.ts";
import { visible } from "../ui/visible.ts";

/** `peerage names list`. */
export async function list(context: Context, _args: Args): Promise<Result> {
  const names = [...(await context.names())].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, did]) => ({ name, did }));
  const { ui } = context;
  return {
    data: { names },
    text: names.length
      ? ui.table(names.map(({ name, did }) => [ui.bold(name), styledDid(ui, did)]))
      : [`  none yet   ${ui.dim("peerage names set <name> <did>")}`],
    plain: names.map(({ name, did }) => [name, did]),
  };
}

/** `peerage names set`: a name that no agent can choose for itself. */
export async function set(context: Context, { words: [name = "", text = ""], options }: Args): Promise<Result> {
  const parsed = petname.safeParse(name);
  if (!parsed.success) throw usage(`${visible(name)} is no name: it ${parsed.error.issues[0]?.message ?? ""}`);
  if ((await identityNames(context.paths)).includes(name)) throw usage(`${name} is the name of your own identity`);
  const did = checkedDid(text);
  const names = new Map(await context.names());
  const before = names.get(name);
  if (
    before !== undefined &&
    before !== did &&
    !(await context.confirm(`${name} is ${before}; rename it to ${did}?`))
  ) {
    throw usage("nothing was done");
  }
  const dryRun = options["dryRun"] === true;
  if (!dryRun) await writeNames(context.paths, names.set(name, did));
  const { ui } = context;
  return {
    data: { name, did, dryRun },
    text: ui.facts([{ mark: dryRun ? "none" : "ok", label: name, value: styledDid(ui, did) }]),
  };
}

/** `peerage names remove`. */
export async function remove(context: Context, { words: [name = ""], options }: Args): Promise<Result> {
  const names = new Map(await context.names());
  const did = names.get(name);
  if (did === undefined) {
    const near = nearest(name, names.keys()).join(", ");
    throw new CliError("ERR_NOT_FOUND", `no name ${visible(name)}`, {
      hint: near === "" ? "peerage names list" : `did you mean ${near}?`,
    });
  }
  names.delete(name);
  const dryRun = options["dryRun"] === true;
  if (!dryRun) await writeNames(context.paths, names);
  const { ui } = context;
  return {
    data: { name, did, dryRun },
    text: ui.facts([
      {
        mark: dryRun ? "none" : "ok",
        label: dryRun ? "would forget" : "forgot",
        value: `${name}  ${styledDid(ui, did)}`,
      },
    ]),
  };
}
