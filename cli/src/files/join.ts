import { join } from "node:path";
import {
  createNote,
  type Did,
  fromUtf8,
  issueKeyInit,
  issueProfile,
  keyDigest,
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
import { readBook, writeBook } from "./book.ts";
import { keyPaths } from "./identities.ts";
import { inspectKeyFile } from "./key-file.ts";
import type { Paths } from "./paths.ts";

/** The statements with which an identity joins registries: always the same bytes, so that joining twice changes nothing. */
export interface Membership {
  readonly init: Verified<Statement>;
  readonly profile: Verified<Statement>;
  readonly note: Note;
}

export const roles = ["agent", "server", "person", "organization"] as const;

const form = z.strictObject({
  v: z.literal(1),
  init: z.string(),
  profile: z.string(),
  note: z.record(z.string(), z.string()),
});

/** The identity's membership, made and kept at the first call. Signing needs its key; reading does not. */
export async function membershipOf(
  paths: Paths,
  name: string,
  signer: () => Promise<Signer>,
  options: { role: (typeof roles)[number]; now: Date },
): Promise<Membership> {
  const path = join(paths.data, "identities", `${name}.json`);
  const kept = await readBook(path, form);
  if (kept) {
    return {
      init: await verifyStatement(kept.init),
      profile: await verifyStatement(kept.profile),
      note: parseNote(kept.note),
    };
  }
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
  return { init, profile, note };
}

async function didAt(path: string): Promise<Did | undefined> {
  const info = await inspectKeyFile(path);
  return info && parseDid(info.did);
}
