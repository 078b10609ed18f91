import { join } from "node:path";
import {
  type AgentProfile,
  createNote,
  type Did,
  fromUtf8,
  issueKeyInit,
  issueProfile,
  keyDigest,
  type KeyEvent,
  multibaseOf,
  type Note,
  noteDigest,
  parseDid,
  parseNote,
  type Signer,
  type Statement,
  type Verified,
  verifyStatement,
} from "@peerage/core";
import { z } from "zod";
import { CliError } from "../errors.ts";
import { readBook, writeBook } from "./book.ts";
import { keyPaths } from "./identities.ts";
import { inspectKeyFile } from "./key-file.ts";
import type { Paths } from "./paths.ts";

/** The statements with which an identity joins registries: always the same bytes, so that joining twice changes nothing. */
export interface Membership {
  readonly init: Verified<Statement>;
  /** Key events after the first, in order. */
  readonly events: readonly Verified<Statement>[];
  readonly profile: Verified<Statement>;
  readonly note: Note;
}

export const roles = ["agent", "server", "person", "organization"] as const;

const form = z.strictObject({
  v: z.literal(1),
  init: z.string(),
  events: z.array(z.string()).optional(),
  profile: z.string(),
  note: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
});

/** The identity's membership, made and kept at the first call. Signing needs its key; reading does not. */
export async function membershipOf(
  paths: Paths,
  name: string,
  signer: () => Promise<Signer>,
  options: { role: (typeof roles)[number]; now: Date },
): Promise<Membership> {
  const path = membershipPath(paths, name);
  const kept = await readBook(path, form);
  if (kept) return read(kept);
  const key = await signer();
  const { next, recovery } = keyPaths(paths, name);
  const nextDid = await didAt(next);
  const recoveryDid = await didAt(recovery);
  if (nextDid === undefined) throw new TypeError("an identity is made with its next key");
  const note = createNote({ name });
  const init = await issueKeyInit(key, {
    next: keyDigest(multibaseOf(nextDid)),
    ...(recoveryDid ? { recovery: { threshold: 1, keys: [keyDigest(multibaseOf(recoveryDid))] } } : {}),
    now: options.now,
  });
  const profile = await issueProfile(key, { role: options.role, noteDigest: noteDigest(note), now: options.now });
  await writeBook(path, { v: 1, init: fromUtf8(init.bytes), profile: fromUtf8(profile.bytes), note });
  return { init, events: [], profile, note };
}

/**
 * Keeps a key event, and a profile by the key that it brings, so that other registries can be joined by this key.
 * Nothing happens where the event is kept already, or where no registry was ever joined.
 */
export async function keepKeyEvent(
  paths: Paths,
  name: string,
  event: Verified<KeyEvent>,
  signer: Signer | undefined,
  now: Date,
): Promise<void> {
  const path = membershipPath(paths, name);
  const kept = await readBook(path, form);
  const bytes = fromUtf8(event.bytes);
  if (!kept || kept.events?.includes(bytes) === true) return;
  const { profile } = await read(kept);
  const { role, noteDigest: digest } = profile as Verified<AgentProfile>;
  const next = signer && (await issueProfile(signer, { role, ...(digest ? { noteDigest: digest } : {}), now }));
  await writeBook(path, {
    ...kept,
    events: [...(kept.events ?? []), bytes],
    ...(next ? { profile: fromUtf8(next.bytes) } : {}),
  });
}

/** The membership that was made; undefined where no registry was ever joined. */
export async function madeMembership(paths: Paths, name: string): Promise<Membership | undefined> {
  const kept = await readBook(membershipPath(paths, name), form);
  return kept && read(kept);
}

/** Keeps a newer profile with its note, so that other registries are joined with it. */
export async function keepProfile(
  paths: Paths,
  name: string,
  profile: Verified<AgentProfile>,
  note: Note,
): Promise<void> {
  const path = membershipPath(paths, name);
  const kept = await readBook(path, form);
  if (kept) await writeBook(path, { ...kept, profile: fromUtf8(profile.bytes), note });
}

/** An identity's membership as it is kept: public, and of use on another machine. */
export interface KeptMembership {
  readonly v: 1;
  readonly init: string;
  readonly events?: string[] | undefined;
  readonly profile: string;
  readonly note: Readonly<Record<string, string | string[]>>;
}

/** The membership as it is kept; undefined where no registry was ever joined. */
export async function keptMembership(paths: Paths, name: string): Promise<KeptMembership | undefined> {
  return readBook(membershipPath(paths, name), form);
}

/**
 * Checks a membership that came from elsewhere: every statement is the DID's own and its signature holds.
 * @returns what is to be kept, and its last key event
 * @throws {CliError} ERR_KEY_FILE_INVALID, or {PeerageError} for a statement that does not verify
 */
export async function checkMembership(
  value: unknown,
  did: Did,
): Promise<{ readonly kept: KeptMembership; readonly last: Verified<KeyEvent> }> {
  const parsed = form.safeParse(value);
  if (!parsed.success) throw new CliError("ERR_KEY_FILE_INVALID", "the membership in it is not as written by peerage");
  const { init, events, profile, note } = await read(parsed.data);
  const chain = [init, ...events].filter((event): event is Verified<KeyEvent> => event.kind === "KeyEvent");
  const last = chain.at(-1);
  const isOwn = [init, ...events, profile].every(({ issuer }) => issuer === did);
  const isChain = chain.length === events.length + 1 && chain.every((event, i) => event.seq === i);
  if (!isOwn || !isChain || last === undefined || profile.kind !== "AgentProfile")
    throw new CliError("ERR_KEY_FILE_INVALID", "the membership in it is another identity's, or incomplete");
  if (profile.noteDigest !== undefined && profile.noteDigest !== noteDigest(note))
    throw new CliError("ERR_KEY_FILE_INVALID", "the note in it is not the profile's");
  return { kept: parsed.data, last };
}

/** Keeps a membership that was checked, where none is kept yet. */
export async function keepMembership(paths: Paths, name: string, kept: KeptMembership): Promise<void> {
  const path = membershipPath(paths, name);
  if (!(await readBook(path, form))) await writeBook(path, kept);
}

async function read(kept: z.infer<typeof form>): Promise<Membership> {
  // Of whichever key was the identity's at the time: registries judge that by all events.
  const verify = (text: string): Promise<Verified<Statement>> => verifyStatement(text, { keysOf: "any" });
  return {
    init: await verify(kept.init),
    events: await Promise.all((kept.events ?? []).map(verify)),
    profile: await verify(kept.profile),
    note: parseNote(kept.note),
  };
}

function membershipPath(paths: Paths, name: string): string {
  return join(paths.data, "identities", `${name}.json`);
}

async function didAt(path: string): Promise<Did | undefined> {
  const info = await inspectKeyFile(path);
  return info && parseDid(info.did);
}
