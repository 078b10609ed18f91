import type { Did, PolicyDocument } from "@peerage/core";
import { checkedDid, findAgent, findAgentToSign, ownName } from "../../agents.ts";
import type { Context } from "../../context.ts";
import { CliError, type Exit, usage } from "../../errors.ts";
import { directoryOf } from "../../network.ts";
import type { Result } from "../../output.ts";
import { apply, patch, plan } from "../../policy/edit.ts";
import { loadPolicy, policyPath } from "../../policy/source.ts";
import { addToGroup, removeFromGroup } from "../../policy/yaml-lines.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";
import { visible } from "../../ui/visible.ts";

/** In a folder of policies a group that no file has yet gets a file of its own. */
const GROUPS = "approvers.yaml";

/** `peerage approvers list`: who may approve, by the policy's groups and by the rules that ask for an approval. */
export async function list(context: Context, { options }: Args): Promise<Result> {
  const { document } = await loadPolicy(context, await policyPath(context, options["policy"]));
  const group = groupName(options["group"]);
  const rules = document.allow.flatMap(({ id, approval }, place) =>
    approval === undefined
      ? []
      : [{ rule: id ?? `allow[${place}]`, by: words(approval.by), count: approval.count ?? 1 }],
  );
  const members = await Promise.all(
    membersOf(document, group).map(async (did) => ({ did, name: await ownName(context, did as Did) })),
  );
  const { ui } = context;
  const known = members.map(({ did, name }) => [
    did.startsWith("did:") ? styledDid(ui, did as Did) : visible(did, 120),
    name ?? "",
  ]);
  return {
    data: {
      group,
      approvers: members.map(({ did, name }) => ({ approver: did, ...(name === undefined ? {} : { name }) })),
      rules,
    },
    text: [
      ...(known.length > 0
        ? ui.table(known)
        : [`  nobody is in ${group} yet   ${ui.dim("peerage approvers add <agent>")}`]),
      ...ui.table(
        rules.map(({ rule, by, count }) => [
          ui.dim("rule"),
          visible(rule),
          `${count > 1 ? `${count} of ` : ""}${by.map((word) => visible(word, 120)).join(" ")}`,
        ]),
      ),
    ],
    plain: members.map(({ did, name }) => [did, name ?? ""]),
  };
}

/** `peerage approvers add`: from now on this person's key may approve what rules put to the group. */
export function add(context: Context, args: Args): Promise<Result> {
  return change(context, args, "added");
}

/** `peerage approvers remove`: what they signed and was not used yet does not count any more either. */
export function remove(context: Context, args: Args): Promise<Result> {
  return change(context, args, "removed");
}

async function change(
  context: Context,
  { words: [text = ""], options }: Args,
  what: "added" | "removed",
): Promise<Result> {
  const path = await policyPath(context, options["policy"]);
  const group = groupName(options["group"]);
  const { document } = await loadPolicy(context, path);
  const agent =
    what === "added"
      ? await findAgentToSign(context, text, "an approver", () => directoryOf(context))
      : await removed(context, text);
  const before = membersOf(document, group);
  if (what === "removed" && !before.includes(agent.did))
    throw new CliError("ERR_NOT_FOUND", `${agent.did} is not in ${group}`, { hint: "peerage approvers list" });
  const isThere = what === "added" && before.includes(agent.did);
  const after = what === "added" ? [...before, agent.did] : before.filter((one) => one !== agent.did);
  const dryRun = options["dryRun"] === true;
  const made = isThere
    ? undefined
    : await plan(context, path, {
        file: (files) => [...files].find(([, source]) => source.includes(`${group}:`))?.[0] ?? GROUPS,
        edit: (source) =>
          what === "added"
            ? addToGroup(source, group, agent.did, agent.name)
            : removeFromGroup(source, group, agent.did),
        expected: (old) => ({ ...old, groups: { ...old.groups, [group]: after } }),
        byHand: [`under groups: ${group}: ${JSON.stringify(after)}`],
      });
  const written = made !== undefined && !dryRun && (await apply(made));
  const exit: Exit = isThere || dryRun || written ? 0 : 3;
  const unused =
    made?.policy.document.allow.every(({ approval }) => !words(approval?.by ?? []).includes(`@${group}`)) === true;
  const { ui } = context;
  return {
    exit,
    data: {
      group,
      approver: agent.did,
      approvers: after.length,
      change: isThere ? "none" : what,
      written,
      dryRun,
      ...(made ? { policy: made.policy.digest } : {}),
    },
    text: [
      ...ui.facts([
        {
          mark: dryRun ? "none" : exit === 3 ? "no" : "ok",
          label: isThere ? "already" : exit === 3 ? "read-only" : dryRun ? `would be ${what}` : what,
          value: styledDid(ui, agent.did),
        },
        ...(unused
          ? [{ mark: "warn" as const, label: "unused", value: `no rule asks @${group} for an approval` }]
          : []),
      ]),
      ...(exit === 3 ? ["  Nothing was written; this is the change to make:"] : []),
      ...(made ? ["", ...patch(ui, made)] : []),
    ],
    plain: [[what, agent.did]],
  };
}

async function removed(context: Context, text: string): Promise<{ did: Did; name?: string | undefined }> {
  return text.startsWith("did:") ? { did: checkedDid(text) } : findAgent(context, text, () => directoryOf(context));
}

function groupName(value: unknown): string {
  if (value === undefined) return "approvers";
  if (typeof value === "string" && /^[a-z][a-z0-9-]{0,63}$/.test(value)) return value;
  throw usage("--group is the name of a group", "--group approvers");
}

function membersOf({ groups }: PolicyDocument, group: string): readonly string[] {
  return words(groups !== undefined && Object.hasOwn(groups, group) ? (groups[group] ?? []) : []);
}

function words(value: string | readonly string[]): readonly string[] {
  return typeof value === "string" ? [value] : value;
}
