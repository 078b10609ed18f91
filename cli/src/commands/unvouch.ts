import { type Did, type Digest, isDigest, issueRevocation, type VouchRecord } from "@peerage/core";
import { findAgentToSign } from "../agents.ts";
import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { directory, openSnapshot } from "../network.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { styledDid } from "../ui/agent.ts";
import type { Fact } from "../ui/terminal.ts";
import { deliver, statementResult } from "./vouch.ts";

/** `peerage unvouch`: withdraws one vouch by its id, or all of mine for an agent. It cannot be taken back. */
export async function run(context: Context, { words: [text = ""], options }: Args): Promise<Result> {
  const me = await context.identityFile();
  const { url, view, names } = await openSnapshot(context);
  const { ui } = context;
  const dryRun = options["dryRun"] === true;
  let target: Digest | Did;
  let mine: VouchRecord[];
  if (isDigest(text)) {
    const vouch = view.vouch(text);
    if (!vouch) throw new CliError("ERR_NOT_FOUND", `the log has no vouch ${text}`, { hint: "peerage whoami" });
    if (vouch.statement.issuer !== me.did)
      throw usage("only whoever signed a vouch withdraws it", `--identity <name> of ${vouch.statement.issuer}`);
    [target, mine] = [text, [vouch]];
  } else {
    const agent = await findAgentToSign(context, text, "a revocation", () => directory(view, names));
    mine = (view.agent(me.did)?.given ?? []).filter(({ statement }) => statement.subject === agent.did);
    target = agent.did;
  }
  const live = mine.filter(({ status }) => status !== "revoked" && status !== "expired");
  if (live.length === 0)
    throw new CliError("ERR_NOT_FOUND", "you have no vouch to withdraw there", { hint: `peerage show ${text}` });
  if (
    !dryRun &&
    context.canAsk &&
    !(await context.confirm(
      `Withdraw ${live.length === 1 ? "this vouch" : `these ${live.length} vouches`}? It cannot be taken back.`,
    ))
  ) {
    throw usage("nothing was signed");
  }
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  const revocation = await issueRevocation(signer, {
    revokes: isDigest(text) ? "statement" : "subject",
    target,
    now: context.io.now(),
  });
  const submitted = await deliver(url, revocation, options, dryRun);
  const subject = live[0]?.statement.subject ?? (target as Did);
  const facts: Fact[] = [
    {
      mark: dryRun ? "none" : "ok",
      label: dryRun ? "would sign" : "withdrew",
      value: `${live.length === 1 ? "1 vouch" : `${live.length} vouches`} for`,
    },
    { label: "", value: styledDid(ui, subject) },
    { label: "id", value: revocation.id },
  ];
  if (submitted) facts.push({ label: "log", value: `entry #${submitted.index} of ${url}` });
  return statementResult(context, revocation, facts, submitted, dryRun, {
    subject,
    revokes: revocation.revokes,
    target,
    vouches: live.map(({ statement, index }) => ({ id: statement.id, index })),
  });
}
