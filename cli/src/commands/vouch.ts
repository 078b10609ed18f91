import { writeFile } from "node:fs/promises";
import {
  createNote,
  type Did,
  type Digest,
  fromUtf8,
  isDigest,
  issueVouch,
  type Note,
  noteDigest,
  type Statement,
  unixSeconds,
} from "@peerage/core";
import { findAgentToSign } from "../agents.ts";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { directoryOf } from "../network.ts";
import type { Result } from "../output.ts";
import { timeOrDuration } from "../policy/durations.ts";
import { submit, submitNote, type Submitted } from "../submit.ts";
import type { Args } from "../tree.ts";
import { styledDid } from "../ui/agent.ts";
import type { Fact } from "../ui/terminal.ts";
import { rfc3339 } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import { readVouchLink, type VouchLink } from "../vouch-link.ts";

/** `peerage vouch`: signs a vouch and hands it to the registry, where it is public for ever. */
export async function run(context: Context, { words: [text], options }: Args): Promise<Result> {
  if (text === undefined) {
    if (options["fromCalls"] === true) return (await import("./vouch-proposals.ts")).propose(context, options);
    throw usage(
      "an agent is missing",
      "peerage vouch <agent>, or peerage vouch --from-calls to see who has earned one",
    );
  }
  const link = readVouchLink(text);
  const asked = await read(context, link?.scope === undefined ? options : { scope: [link.scope], ...options });
  const agent = link ?? (await findAgentToSign(context, text, "a vouch", () => directoryOf(context)));
  const me = await context.identityFile();
  const calls = options["fromCalls"] === true ? await callsWith(context, me.did, agent.did, options) : [];
  const wanted = { ...asked, evidence: [...calls, ...asked.evidence].slice(0, 16) };
  if (me.did === agent.did) throw usage("nobody vouches for itself", "peerage whoami --share");
  const dryRun = options["dryRun"] === true;
  const registry = link
    ? await registryOf(context, link)
    : await (dryRun || typeof options["out"] === "string" ? context.registry() : context.needRegistry());
  if (!dryRun) await agree(context, agent.did, wanted);
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  const { note, ...members } = wanted;
  const named = note ? { noteDigest: noteDigest(note) } : {};
  const vouch = await issueVouch(signer, { subject: agent.did, ...members, ...named });
  const submitted = await deliver(registry, vouch, options, dryRun);
  if (note && submitted && registry !== undefined) await submitNote(registry, note);
  const { ui } = context;
  const facts: Fact[] = [
    { mark: dryRun ? "none" : "ok", label: dryRun ? "would sign" : "vouched", value: styledDid(ui, agent.did) },
    {
      label: "scope",
      value: `${ui.accent(vouch.scope.join(" "))}, confidence ${vouch.confidence}, until ${rfc3339(vouch.validUntil)}`,
    },
    { label: "id", value: vouch.id },
  ];
  if (calls.length > 0) facts.push({ label: "evidence", value: `${calls.length} of the calls that were done` });
  if (note?.text !== undefined) facts.push({ label: "note", value: visible(note.text, 1_000) });
  if (!submitted && !dryRun)
    facts.push({ label: "log", value: "none: give the file to whom it is for (peerage call --present)" });
  if (submitted) facts.push({ label: "log", value: `entry #${submitted.index} of ${registry ?? ""}` });
  return statementResult(context, vouch, facts, submitted, dryRun, {
    subject: agent.did,
    scope: vouch.scope,
    confidence: vouch.confidence,
    validUntil: rfc3339(vouch.validUntil),
    evidence: vouch.evidence,
    ...(note ? { note, ...named } : {}),
  });
}

/** The newest calls with an agent, as evidence; a person has looked and signs. */
async function callsWith(context: Context, me: Did, agent: Did, options: Options): Promise<readonly Digest[]> {
  const { workedWith } = await import("../from-calls.ts");
  const found = (await workedWith(context, me, options)).filter(({ did, done }) => did === agent && done > 0);
  if (found.length === 0) throw usage("no call with this agent is recorded", "leave --from-calls out");
  return [...new Set(found.flatMap(({ evidence }) => evidence))].sort().slice(0, 16);
}

/** Where the vouch goes. A link names its registry; one that is not the user's own is never used unsaid. */
async function registryOf(context: Context, { registry }: VouchLink): Promise<string> {
  const own = await context.registry();
  if (own !== undefined && own !== registry)
    throw usage(`the link is of ${registry}, and yours is ${own}`, `--registry ${registry}`);
  return registry;
}

interface Wanted {
  readonly scope: string[];
  readonly confidence: number;
  readonly validFrom: Date;
  readonly validUntil: Date;
  readonly evidence: Digest[];
  readonly note?: Note;
}

async function read(context: Context, options: Options): Promise<Wanted> {
  const given = options["scope"];
  const scope = Array.isArray(given) ? given : [await context.scope(undefined)];
  for (const word of scope) await context.scope(word);
  const confidence = whole(options["confidence"] ?? "80", 1, 100, "--confidence");
  const validFrom = new Date(unixSeconds(context.io.now()) * 1000);
  const until = options["until"];
  if (until !== undefined && options["days"] !== undefined) throw usage("give --days or --until, not both");
  const days = whole(options["days"] ?? "90", 1, 180, "--days");
  const validUntil =
    typeof until === "string"
      ? timeOrDuration(until, "--until", validFrom)
      : new Date(validFrom.getTime() + days * 86_400_000);
  const held = validUntil.getTime() - validFrom.getTime();
  if (held <= 0 || held > 180 * 86_400_000)
    throw new CliError("ERR_STATEMENT_INVALID", "a vouch ends after now, and within 180 days", {
      exit: 2,
      hint: "--until 90d",
    });
  const evidence = (options["evidence"] as string[] | undefined) ?? [];
  for (const digest of evidence)
    if (!isDigest(digest)) throw usage(`${visible(digest)} is no digest`, "sha256: and 64 hex digits");
  const text = options["note"];
  const note = typeof text === "string" ? createNote({ text: text.normalize("NFC") }) : undefined;
  return { scope, confidence, validFrom, validUntil, evidence: evidence as Digest[], ...(note ? { note } : {}) };
}

/** Signing tools say what cannot be undone before they sign. Without a terminal the command itself is the yes. */
async function agree(context: Context, subject: Did, { scope, confidence, note }: Wanted): Promise<void> {
  if (context.globals.yes === true || !context.canAsk) return;
  context.say(`  ${styledDid(context.err, subject)}`);
  const yes = await context.confirm(
    `Vouch for it in ${scope.join(", ")} with confidence ${confidence}? A vouch is public for ever.${note ? " Its note can be erased." : ""}`,
  );
  if (!yes) throw usage("nothing was signed");
}

/** Keeps a signed statement in a file if asked to, and hands it to the registry unless this is a rehearsal. */
export async function deliver(
  registry: string | undefined,
  statement: Statement,
  options: Options,
  dryRun: boolean,
): Promise<Submitted | undefined> {
  if (dryRun) return undefined;
  if (typeof options["out"] === "string") await writeFile(options["out"], statement.bytes, { mode: 0o600, flag: "wx" });
  if (registry === undefined) return undefined;
  return submit(registry, statement);
}

/** What `vouch` and `unvouch` answer: the facts, and in a rehearsal the exact bytes. */
export function statementResult(
  context: Context,
  statement: Statement,
  facts: readonly Fact[],
  submitted: Submitted | undefined,
  dryRun: boolean,
  data: object,
): Result {
  const bytes = fromUtf8(statement.bytes);
  return {
    data: {
      id: statement.id,
      issuer: statement.issuer,
      ...data,
      dryRun,
      ...(dryRun ? { statement: bytes } : {}),
      ...(submitted ? { index: submitted.index, fresh: submitted.fresh } : {}),
    },
    text: [...context.ui.facts(facts), ...(dryRun ? ["", bytes] : [])],
    plain: [[statement.id, submitted?.index ?? ""]],
  };
}

function whole(value: string | boolean | string[], min: number, max: number, flag: string): number {
  const number = typeof value === "string" && /^\d{1,4}$/.test(value) ? Number(value) : NaN;
  if (!(number >= min && number <= max)) throw usage(`${flag} is a whole number from ${min} to ${max}`);
  return number;
}
