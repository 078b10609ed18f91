import { type Did, parseDid } from "@peerage/core";
import { z } from "zod";
import { CliError } from "../errors.ts";
import { identityName } from "../files/identities.ts";
import { checkMembership, type KeptMembership } from "../files/join.ts";
import { checkKeyForm, describeKeyForm, type KeyFileInfo, type KeyForm, openKeyForm } from "../files/key-file.ts";
import { createPrivateFile, readPrivateFile } from "../files/safe-file.ts";
import { isCommitted } from "./chain.ts";

/** Which key of an identity: the one that signs, the next one, the one that takes the identity back. */
export type Which = "recovery" | "next" | "key";

/** The order in which keys are put in place: the one that signs last, since with it the identity exists. */
export const order: readonly Which[] = ["recovery", "next", "key"];

/** An identity on its way to another machine: its keys in the form of their files, and the statements it joined with. */
export interface Bundle {
  readonly name: string;
  readonly did: Did;
  readonly keys: ReadonlyMap<Which, { readonly form: KeyForm; readonly info: KeyFileInfo }>;
  /** True if every key in it is sealed. */
  readonly sealed: boolean;
  readonly membership: KeptMembership | undefined;
}

const form = z.strictObject({
  v: z.literal(1),
  type: z.literal("peerage-keys"),
  name: z.string().regex(identityName),
  keys: z.strictObject({
    key: z.unknown().refine((key) => key !== undefined),
    next: z.unknown().optional(),
    recovery: z.unknown().optional(),
  }),
  membership: z.unknown().optional(),
});

/** Writes a bundle to a new file, 0600, never over another. @throws {CliError} ERR_KEY_FILE_UNSAFE */
export async function writeBundle(
  path: string,
  bundle: { name: string; keys: ReadonlyMap<Which, KeyForm>; membership: KeptMembership | undefined },
): Promise<void> {
  const { name, keys, membership } = bundle;
  const content = {
    v: 1,
    type: "peerage-keys",
    name,
    keys: Object.fromEntries(keys),
    ...(membership && { membership }),
  };
  await createPrivateFile(path, `${JSON.stringify(content)}\n`);
}

/**
 * Reads a bundle and checks what can be checked without its passphrase: forms, names, and that the keys in it are those
 * that the identity's own events name.
 * @throws {CliError} ERR_NOT_FOUND, ERR_KEY_FILE_UNSAFE, ERR_KEY_FILE_INVALID
 */
export async function readBundle(path: string): Promise<Bundle> {
  const text = await readPrivateFile(path);
  if (text === undefined) throw new CliError("ERR_NOT_FOUND", `there is no file at ${path}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalid(path, "it is not JSON");
  }
  const parsed = form.safeParse(json);
  if (!parsed.success)
    throw invalid(path, `${parsed.error.issues[0]?.path.join(".") || "its members"} is not as written by peerage`);
  const { name, keys: raw, membership } = parsed.data;
  const keys = new Map<Which, { form: KeyForm; info: KeyFileInfo }>();
  for (const which of order) {
    if (raw[which] === undefined) continue;
    const key = checkKeyForm(raw[which], `${path} (${which})`);
    if ("keychain" in key) throw invalid(path, "it is sealed by another machine's keychain");
    keys.set(which, { form: key, info: describeKeyForm(key, `${path} (${which})`) });
  }
  const current = keys.get("key");
  if (!current) throw invalid(path, "it holds no key");
  const did = parseDid(current.info.did);
  const checked = membership === undefined ? undefined : await checkMembership(membership, did);
  const next = keys.get("next");
  if (checked && next && !isCommitted(next.info.key, checked.last.next))
    throw invalid(path, "its next key is not the one that the identity committed");
  const sealed = [...keys.values()].every(({ info }) => info.locked);
  return { name, did, keys, sealed, membership: checked?.kept };
}

/** Opens every key of a bundle, to be wiped by the caller. @throws {CliError} ERR_KEY_LOCKED */
export async function openBundle(
  { keys }: Bundle,
  passphrase: () => Promise<string>,
  path: string,
): Promise<Map<Which, { readonly seed: Uint8Array; readonly did: Did }>> {
  const opened = new Map<Which, { seed: Uint8Array; did: Did }>();
  for (const [which, key] of keys) opened.set(which, await openKeyForm(key.form, passphrase, `${path} (${which})`));
  return opened;
}

function invalid(path: string, why: string): CliError {
  return new CliError("ERR_KEY_FILE_INVALID", `${path} is no usable export: ${why}`, {
    hint: "export it again: peerage key export --out <file>",
  });
}
