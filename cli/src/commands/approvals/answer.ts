import type { Did, ErrorCode, MultibaseKey } from "@peerage/core";
import { type ApprovalItem, ApprovalStore, AuditReader, mayAnswer, signAnswer } from "@peerage/mcp-middleware";
import { groundsOf, itemLines } from "../../approvals/describe.ts";
import { findItem } from "../../approvals/find.ts";
import type { Context } from "../../context.ts";
import { CliError, usage } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import type { Result } from "../../output.ts";
import { durationSeconds } from "../../policy/durations.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";
import { span } from "../../ui/time.ts";
import { Labels } from "../../viewpoint.ts";

/** `peerage approvals approve`: signs a yes to exactly the request that was shown, by a person's own key. */
export function approve(context: Context, args: Args): Promise<Result> {
  return answer(context, args, "approved");
}

/** `peerage approvals deny`: signs a no, which no earlier or parallel yes outweighs. */
export function deny(context: Context, args: Args): Promise<Result> {
  return answer(context, args, "denied");
}

async function answer(
  context: Context,
  { words: [text = ""], options }: Args,
  result: "approved" | "denied",
): Promise<Result> {
  const lifetimeSeconds = options["for"] === undefined ? undefined : durationSeconds(options["for"], "--for");
  if (lifetimeSeconds !== undefined && lifetimeSeconds > 86_400)
    throw usage("an approval holds for at most 24 h", "--for 15m");
  const path = await findAuditFile(context, options);
  const me = await context.identityFile();
  const mine: MultibaseKey[] = [];
  // A person's own file says which key is theirs now; whether the log says so too is for the guard, when the call is made.
  const keysOf = (did: Did): readonly MultibaseKey[] => (did === me.did ? mine : []);
  using store = new ApprovalStore(path, { now: context.io.now, keysOf });
  const item = findItem(store, text);
  checkAnswerable(item);
  if (result === "approved" && !item.request)
    throw refused("ERR_STORE_CORRUPT", "what was asked for is not there to be shown");
  if (!mayAnswer(item, me.did)) {
    const why =
      me.did === item.caller ? "nobody approves a request of their own" : `${me.name} is none of those who may answer`;
    throw refused("ERR_APPROVAL_INVALID", why, "--identity <name>");
  }
  const dryRun = options["dryRun"] === true;
  await agree(context, path, item, result, dryRun);
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  mine.push(signer.kid.slice(signer.kid.indexOf("#") + 1) as MultibaseKey);
  // What was shown is what is signed: an item that is another by now has another digest, caller or policy.
  const current = store.show(item.id);
  if (identity(current) !== identity(item))
    throw refused("ERR_APPROVAL_INVALID", "the request was changed while it was shown; nothing was signed");
  const token = await signAnswer(signer, item, result, {
    now: context.io.now(),
    ...(lifetimeSeconds === undefined ? {} : { lifetimeSeconds }),
  });
  const after = dryRun ? item : store.submit(item.id, token);
  const missing = result === "approved" && after.state === "open" ? after.count - after.answers.length : 0;
  const { ui } = context;
  return {
    exit: missing > 0 && !dryRun ? 8 : 0,
    data: {
      id: item.id,
      req: item.req,
      caller: item.caller,
      approver: signer.did,
      result,
      state: after.state,
      missing,
      dryRun,
      token,
    },
    text: [
      ...ui.facts([
        {
          mark: dryRun ? "none" : result === "approved" ? "ok" : "no",
          label: dryRun ? `would be ${result}` : result,
          value: styledDid(ui, item.caller),
        },
        { label: "req", value: item.req },
        ...(dryRun ? [] : [{ label: "now", value: nowText(after, missing, context.io.now()) }]),
      ]),
      ...(dryRun ? ["", token] : []),
    ],
    plain: [[item.id, after.state]],
  };
}

function nowText({ state, expiresAt }: ApprovalItem, missing: number, now: Date): string {
  if (missing > 0) return missing === 1 ? "one more person must approve" : `${missing} more people must approve`;
  if (state === "denied") return "the call is refused, and the denial recorded";
  return `the caller may repeat the same call, once, within ${span((expiresAt.getTime() - now.getTime()) / 1000)}`;
}

/** Shows the request and asks. `--yes` takes it as read; where nobody can be asked and it is not given, nothing is signed. */
async function agree(
  context: Context,
  path: string,
  item: ApprovalItem,
  result: string,
  dryRun: boolean,
): Promise<void> {
  if (dryRun || context.globals.yes === true) return;
  if (context.canAsk) {
    using reader = new AuditReader(path);
    const options = { labels: new Labels(context), now: context.io.now() };
    for (const line of await itemLines(context.err, item, groundsOf(reader, item), options)) context.say(line);
  }
  const question = result === "approved" ? "approve exactly this, once?" : "deny this?";
  if (!(await context.confirm(question))) throw usage("nothing was signed");
}

function checkAnswerable(item: ApprovalItem): void {
  if (item.state === "open" || item.state === "approved") return;
  throw refused(
    "ERR_APPROVAL_EXPIRED",
    `this request cannot be answered any more: ${item.state}`,
    "peerage approvals list",
  );
}

/** All that an answer speaks of. */
function identity(item: ApprovalItem): string {
  const { id, guard, caller, req, run, prev, policy, rule, approvers, request } = item;
  return JSON.stringify([id, guard, caller, req, run, prev, policy, rule, approvers, request]);
}

function refused(code: ErrorCode, message: string, hint?: string): CliError {
  return new CliError(code, message, { exit: 3, ...(hint === undefined ? {} : { hint }) });
}
