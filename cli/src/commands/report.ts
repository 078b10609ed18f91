import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  createNote,
  type Did,
  type Digest,
  isDigest,
  isJsonObject,
  isPeerageError,
  issueReport,
  type JsonValue,
  member,
  noteDigest,
  parseCarriedEntry,
  parseJson,
  type Report,
} from "@peerage/core";
import { findAgentToSign } from "../agents.ts";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";
import { directoryOf } from "../network.ts";
import type { Result } from "../output.ts";
import { submitNote } from "../submit.ts";
import type { Args } from "../tree.ts";
import { agentLabel, styledDid } from "../ui/agent.ts";
import type { Fact } from "../ui/terminal.ts";
import { visible } from "../ui/visible.ts";
import { deliver, statementResult } from "./vouch.ts";

/** What an agent is reported for; logs have `peerage log report`. */
const categories = [
  "unapproved-action",
  "false-claim",
  "data-misuse",
  "malware",
  "impersonation",
  "spam",
] as const satisfies readonly Report["category"][];
const MAX_EVIDENCE = 16;

/** `peerage report`: signs a report about an agent, with what it rests on. It is shown beside vouches and changes no score. */
export async function run(context: Context, { words: [text = ""], options }: Args): Promise<Result> {
  const category = categories.find((word) => word === options["category"]);
  if (category === undefined) throw usage(`--category is one of ${categories.join(", ")}`);
  const agent = await findAgentToSign(context, text, "a report", () => directoryOf(context));
  const me = await context.identityFile();
  if (me.did === agent.did) throw usage("nobody reports itself", "peerage key revoke");
  const evidence = await evidenceOf(context, agent.did, options);
  const dryRun = options["dryRun"] === true;
  const registry = await (dryRun ? context.registry() : context.needRegistry());
  const told = typeof options["note"] === "string" ? options["note"].normalize("NFC") : undefined;
  const note = told === undefined ? undefined : createNote({ text: told });
  if (!dryRun && context.globals.yes !== true && context.canAsk) {
    context.say(`  ${styledDid(context.err, agent.did)}`);
    if (!(await context.confirm(`Report it for ${category}? A report is public for ever, and signed by you.`)))
      throw usage("nothing was reported");
  }
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  const report = await issueReport(signer, {
    subject: agent.did,
    category,
    evidence,
    now: context.io.now(),
    ...(note ? { noteDigest: noteDigest(note) } : {}),
  });
  const submitted = await deliver(registry, report, options, dryRun);
  if (note && submitted && registry !== undefined) await submitNote(registry, note);
  const { ui } = context;
  const facts: Fact[] = [
    {
      mark: dryRun ? "none" : "ok",
      label: dryRun ? "would sign" : "reported",
      value: agentLabel(ui, agent.did, agent.name),
    },
    { label: "for", value: category },
    ...report.evidence.map((digest) => ({ label: "evidence", value: digest })),
    { label: "id", value: report.id },
  ];
  if (told !== undefined) facts.push({ label: "note", value: visible(told, 1_000) });
  if (submitted) facts.push({ label: "log", value: `entry #${submitted.index} of ${registry ?? ""}` });
  return statementResult(context, report, facts, submitted, dryRun, {
    subject: agent.did,
    category,
    evidence: report.evidence,
    ...(note ? { note, noteDigest: noteDigest(note) } : {}),
  });
}

/** Digests as they are; of a file, the digest of the signed receipt or step in it, which must be by the agent or for it. */
async function evidenceOf(context: Context, subject: Did, options: Options): Promise<Digest[]> {
  const given = (options["evidence"] as string[] | undefined) ?? [];
  const found = new Set<Digest>();
  for (const word of given)
    found.add(isDigest(word) ? word : await digestOfFile(subject, resolve(context.io.cwd, word)));
  if (found.size === 0)
    throw usage("a report rests on evidence", "--evidence <digest>, or a file that peerage call --receipt kept");
  if (found.size > MAX_EVIDENCE) throw usage(`a report names at most ${MAX_EVIDENCE} pieces of evidence`);
  return [...found].sort();
}

async function digestOfFile(subject: Did, path: string): Promise<Digest> {
  const shown = visible(path, 200);
  let text: string;
  try {
    text = (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw new CliError("ERR_NOT_FOUND", `${shown} is no digest and cannot be read (${codeOf(error) ?? "unknown"})`);
  }
  try {
    const token = text.startsWith("{") ? receiptIn(parseJson(text)) : text;
    const { issuer, audience, digest } = parseCarriedEntry(token);
    if (issuer !== subject && audience !== subject)
      throw usage(`${shown} holds a step that is neither by this agent nor for it`);
    return digest;
  } catch (error) {
    if (isPeerageError(error))
      throw new CliError(error.code, `${shown} holds no evidence: ${error.message}`, { exit: 6 });
    throw error;
  }
}

/** Of a call that was kept with `peerage call --receipt`. */
function receiptIn(value: JsonValue): string {
  const receipt = isJsonObject(value) ? member(value, "receipt") : undefined;
  return typeof receipt === "string" ? receipt : "";
}
