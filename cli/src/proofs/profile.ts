import { type AgentProfile, createNote, issueProfile, noteDigest, type Place, type Verified } from "@peerage/core";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { keepProfile, madeMembership } from "../files/join.ts";
import { submit, submitNote } from "../submit.ts";

/** What became of the list of places in a profile. */
export interface Listed {
  readonly urls: readonly string[];
  /** Log index; undefined where nothing had to change, or this is a rehearsal. */
  readonly index?: number;
}

/**
 * Names a place in the links of an agent's own profile, or takes it out: a new profile with a new note. The log has its
 * digest only; the note can be erased.
 * @throws {CliError} ERR_IDENTITY_MISSING if no registry was joined, ERR_USAGE if the note has no room
 */
export async function listPlace(
  context: Context,
  place: Place,
  how: "list" | "unlist",
  options: Options,
): Promise<Listed> {
  const registry = await context.needRegistry();
  const { name } = await context.identityFile();
  const membership = await madeMembership(context.paths, name);
  if (!membership) {
    throw new CliError("ERR_IDENTITY_MISSING", `${name} has not joined a registry, so it has no profile`, {
      hint: `peerage init ${name} --registry ${registry}`,
    });
  }
  const { profile, note } = membership;
  const { role, issuedAt } = profile as Verified<AgentProfile>;
  const before = note.urls ?? [];
  const others = before.filter((url) => url !== place.url);
  const urls = how === "list" ? [...others, place.url] : others;
  if (urls.length === before.length) return { urls: before };
  if (!place.url.startsWith("https:")) throw usage("a profile names https addresses only");
  const { salt: _, urls: __, ...rest } = note;
  // A fresh salt: otherwise an erased note could be told from its successor.
  const next = createNote({ ...rest, ...(urls.length > 0 ? { urls } : {}) });
  if (options["dryRun"] === true) return { urls };
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  // Of two profiles of one second the smaller id would count, and that is chance.
  const now = new Date(Math.max(context.io.now().getTime(), (issuedAt + 1) * 1000));
  const issued = await issueProfile(signer, { role, noteDigest: noteDigest(next), now });
  const { index } = await submit(registry, issued);
  await submitNote(registry, next);
  await keepProfile(context.paths, name, issued, next);
  return { urls, index };
}
