import type { AllowRule, DenyRule, Did, PolicyDocument } from "@peerage/core";
import { checkedDid, findAgent, findAgentToSign } from "../../agents.ts";
import type { Context } from "../../context.ts";
import { CliError, type Exit, usage } from "../../errors.ts";
import { directoryOf } from "../../network.ts";
import type { Result } from "../../output.ts";
import { timeOrDuration } from "../../policy/durations.ts";
import { apply, type Change, patch, plan, type Plan } from "../../policy/edit.ts";
import { loadPolicy, policyPath } from "../../policy/source.ts";
import { appendRule, placeOfRule, removeRules } from "../../policy/yaml-lines.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";
import { rfc3339 } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";

/** In a folder of policies grants have a file of their own. */
const GRANTS = "grants.yaml";

/** `peerage policy grant`: adds a rule for one agent and some tools to the text of a policy. A running guard takes it up. */
export async function grant(context: Context, { words: [who = "", ...tools], options }: Args): Promise<Result> {
  const path = await policyPath(context, options["policy"]);
  const { document } = await loadPolicy(context, path);
  const agent = await findAgentToSign(context, who, "a grant", () => directoryOf(context));
  const rule: AllowRule = {
    id: freeId(document, "grant"),
    tools,
    agents: agent.did,
    ...(typeof options["spiffe"] === "string" ? { spiffe: options["spiffe"] } : {}),
    ...(options["trust"] === undefined ? {} : { trust: share(options["trust"]) }),
    ...(typeof options["until"] === "string"
      ? { until: rfc3339(Math.floor(timeOrDuration(options["until"], "--until", context.io.now()).getTime() / 1000)) }
      : {}),
  };
  const change: Change = {
    file: () => GRANTS,
    edit: (text) => appendRule(text, "allow", rule),
    expected: (old) => ({ ...old, allow: [...old.allow, rule] }),
    byHand: [`under allow: - ${JSON.stringify(rule)}`],
  };
  const made = await plan(context, path, change);
  return finish(context, made, options["dryRun"] === true, {
    label: "granted",
    agent: agent.did,
    rules: [rule.id ?? ""],
    data: { agent: agent.did, rule },
  });
}

/** `peerage policy revoke`: takes an agent's grants away, and refuses it if another rule would still let it in. */
export async function revoke(context: Context, { words: [word = ""], options }: Args): Promise<Result> {
  const path = await policyPath(context, options["policy"]);
  const { document } = await loadPolicy(context, path);
  const named = document.allow.findIndex(({ id }) => id === word);
  const agent = named >= 0 ? undefined : await agentOf(context, word);
  const gone = named >= 0 ? [named] : grantsOf(document, agent);
  const removed = gone.map((place) => document.allow[place]?.id ?? "");
  const rest = { ...document, allow: document.allow.filter((_, place) => !gone.includes(place)) };
  const denied = agent === undefined ? [] : denials(rest, agent);
  if (gone.length === 0 && denied.length === 0) {
    throw new CliError("ERR_NOT_FOUND", "no rule lets this agent in", { hint: "peerage policy check" });
  }
  const change: Change = {
    file: (files) => [...files].find(([, text]) => removed.some((id) => text.includes(id)))?.[0] ?? GRANTS,
    edit: (text) => edited(text, removed, denied),
    expected: () => (denied.length === 0 ? rest : { ...rest, deny: [...(rest.deny ?? []), ...denied] }),
    byHand: [
      ...removed.map((id) => `take out the rule ${id}`),
      ...denied.map((rule) => `under deny: - ${JSON.stringify(rule)}`),
    ],
  };
  const made = await plan(context, path, change);
  return finish(context, made, options["dryRun"] === true, {
    label: "revoked",
    agent,
    rules: removed,
    data: { ...(agent === undefined ? {} : { agent }), removed, denied },
  });
}

async function finish(
  context: Context,
  made: Plan,
  dryRun: boolean,
  about: { label: string; agent: Did | undefined; rules: readonly string[]; data: object },
): Promise<Result> {
  const written = !dryRun && (await apply(made));
  const exit: Exit = dryRun || written ? 0 : 3;
  const { ui } = context;
  const lines = patch(ui, made);
  const value = [about.agent === undefined ? "" : styledDid(ui, about.agent), about.rules.join(", ")]
    .filter(Boolean)
    .join("  ");
  return {
    exit,
    data: { ...about.data, policy: made.policy.digest, path: made.path, written, dryRun, text: made.after },
    text: [
      ...ui.facts([
        {
          mark: dryRun ? "none" : written ? "ok" : "no",
          label: dryRun ? `would be ${about.label}` : written ? about.label : "read-only",
          value,
        },
        { label: "policy", value: `${visible(made.path, 200)}, ${made.policy.digest.slice(0, 19)}${ui.mark.ellipsis}` },
      ]),
      ...(exit === 3 ? ["  Nothing was written; this is the change to make:"] : []),
      "",
      ...lines,
    ],
    plain: about.rules.map((rule) => [about.label, rule]),
  };
}

/** Takes rules of these ids out, and adds denials before all others. */
function edited(text: string, ids: readonly string[], denied: readonly DenyRule[]): string | undefined {
  let now: string | undefined = text;
  for (const id of ids) {
    if (now === undefined) return undefined;
    const place = placeOfRule(now, "allow", id);
    now = place === undefined ? undefined : removeRules(now, "allow", [place]);
  }
  for (const rule of denied) now = now === undefined ? undefined : appendRule(now, "deny", rule);
  return now;
}

async function agentOf(context: Context, word: string): Promise<Did> {
  return word.startsWith("did:") ? checkedDid(word) : (await findAgent(context, word, () => directoryOf(context))).did;
}

/** Rules that `grant` made for exactly this agent. */
function grantsOf({ allow }: PolicyDocument, agent: Did | undefined): number[] {
  return allow.flatMap(({ id, agents }, place) => {
    const isOwn = agents === agent || (Array.isArray(agents) && agents.length === 1 && agents[0] === agent);
    return isOwn && /^grant-\d+$/.test(id ?? "") ? [place] : [];
  });
}

const kinds = ["tools", "prompts", "resources", "methods"] as const;

/** A denial for each kind of target that some other rule may still open to an agent. */
function denials(document: PolicyDocument, agent: Did): DenyRule[] {
  const open = kinds.filter((kind) =>
    document.allow.some((rule) => rule[kind] !== undefined && mayMatch(document, rule, agent)),
  );
  const isDenied = (kind: (typeof kinds)[number]): boolean =>
    (document.deny ?? []).some(
      (rule) => rule.id?.startsWith("revoked-") === true && rule.agents === agent && rule[kind] !== undefined,
    );
  let next = document;
  return open
    .filter((kind) => !isDenied(kind))
    .map((kind) => {
      const rule: DenyRule = { id: freeId(next, "revoked"), [kind]: kind === "resources" ? "**" : "*", agents: agent };
      next = { ...next, deny: [...(next.deny ?? []), rule] };
      return rule;
    });
}

/** False only where a rule names its callers and this agent is none of them. */
function mayMatch({ groups }: PolicyDocument, { agents }: AllowRule, agent: Did): boolean {
  if (agents === undefined) return true;
  const words = typeof agents === "string" ? [agents] : agents;
  return words.some((word) => {
    const group = word.startsWith("@") ? groups?.[word.slice(1)] : undefined;
    const members = group === undefined ? [word] : typeof group === "string" ? [group] : group;
    return members.some((member) => member === "*" || member === agent || member.startsWith("spiffe://"));
  });
}

/** `grant-1`, or the next number that no rule has. */
function freeId({ allow, deny = [] }: PolicyDocument, stem: string): string {
  const taken = new Set([...allow, ...deny].map(({ id }) => id));
  for (let n = 1; ; n++) if (!taken.has(`${stem}-${n}`)) return `${stem}-${n}`;
}

function share(value: unknown): number {
  const number = typeof value === "string" && /^(0(\.\d{1,6})?|1(\.0{1,6})?)$/.test(value) ? Number(value) : NaN;
  if (!(number > 0 && number <= 1)) throw usage("--trust is a score above 0, at most 1", "--trust 0.5");
  return number;
}
