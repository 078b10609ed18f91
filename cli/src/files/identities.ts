import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Did, type Digest, type Identity, type MultibaseKey, parseDid } from "@peerage/core";
import { CliError, usage } from "../errors.ts";
import type { Settings } from "./config.ts";
import { inspectKeyFile, loadKeyFile } from "./key-file.ts";
import type { Paths } from "./paths.ts";
import { codeOf } from "./safe-file.ts";

/** The name of an identity on this machine. */
export const identityName: RegExp = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** An identity of this machine, its key still closed. */
export interface IdentityFile {
  readonly name: string;
  readonly path: string;
  readonly did: Did;
  /** The key in the file: the DID's own, or after a rotation another. */
  readonly key: MultibaseKey;
  readonly locked: boolean;
  /** Its seal is opened by the system's keychain, so that nobody is asked. */
  readonly keychain?: string;
}

/** Where the keys of an identity stand. */
export interface KeyPaths {
  readonly current: string;
  readonly next: string;
  readonly recovery: string;
  /** While keys change: the key after the next one, and a recovered one. */
  readonly after: string;
  readonly recovered: string;
  /** A key that was retired by the event of this id; it is kept, and signs nothing any more. */
  retired(event: Digest, which: "key" | "next"): string;
}

export function keyPaths(paths: Paths, name: string): KeyPaths {
  const at = (ending: string): string => join(paths.keys, `${name}.${ending}`);
  return {
    current: at("key"),
    next: at("next"),
    recovery: at("recovery"),
    after: at("after"),
    recovered: at("recovered"),
    retired: (event, which) => at(`${which}.retired-${event.slice(7, 15)}`),
  };
}

/** The key files that an identity has: those in use, and those that an event retired. Files are not opened. */
export async function keyFilesOf(
  paths: Paths,
  { name, path }: Pick<IdentityFile, "name" | "path">,
): Promise<{ readonly used: string[]; readonly retired: string[] }> {
  // A key that stands elsewhere, by PEERAGE_KEY_FILE, has no other beside it.
  if (path !== keyPaths(paths, name).current) return { used: [path], retired: [] };
  const used: string[] = [];
  const retired: string[] = [];
  for (const file of (await readdir(paths.keys)).sort()) {
    if (!file.startsWith(`${name}.`)) continue;
    const ending = file.slice(name.length + 1);
    if (/^(next|recovery|after|recovered)$/.test(ending)) used.push(join(paths.keys, file));
    else if (/^(key|next)\.retired-[0-9a-f]{8}$/.test(ending)) retired.push(join(paths.keys, file));
  }
  // The current key last: what it says of itself is then true of all.
  return { used: [...used, path], retired };
}

/** The names of this machine's identities, sorted. Files are not opened. */
export async function identityNames(paths: Paths): Promise<string[]> {
  let files: string[];
  try {
    files = await readdir(paths.keys);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
  const names = files.filter((file) => file.endsWith(".key")).map((file) => file.slice(0, -4));
  return names.filter((name) => identityName.test(name)).sort();
}

/**
 * The identity that is meant: `PEERAGE_KEY_FILE`, else the configured name, else the only one there is.
 * @throws {CliError} ERR_IDENTITY_MISSING, ERR_USAGE if several could be meant
 */
export async function chooseIdentity(paths: Paths, settings: Settings, env: NodeJS.ProcessEnv): Promise<IdentityFile> {
  const chosen = settings.get("identity");
  const file = env["PEERAGE_KEY_FILE"];
  if (file !== undefined && file !== "" && chosen?.origin !== "flag") return describe(file, "key-file");
  if (chosen !== undefined) return describe(keyPaths(paths, chosen.value).current, chosen.value);
  const names = await identityNames(paths);
  const [name] = names;
  if (name === undefined)
    throw new CliError("ERR_IDENTITY_MISSING", "there is no identity on this machine yet", {
      hint: "peerage init <name>",
    });
  if (names.length > 1) throw usage(`several identities could be meant: ${names.join(", ")}`, "--identity <name>");
  return describe(keyPaths(paths, name).current, name);
}

/** The identity kept under a name, or undefined. @throws {CliError} if its file is unsafe or damaged */
export async function findIdentity(paths: Paths, name: string): Promise<IdentityFile | undefined> {
  const { current } = keyPaths(paths, name);
  return (await inspectKeyFile(current)) === undefined ? undefined : describe(current, name);
}

async function describe(path: string, name: string): Promise<IdentityFile> {
  const info = await inspectKeyFile(path);
  if (!info) {
    throw new CliError("ERR_IDENTITY_MISSING", `there is no key at ${path}`, { hint: `peerage init ${name}` });
  }
  const { keychain } = info;
  return { name, path, did: parseDid(info.did), key: info.key, locked: info.locked, ...(keychain && { keychain }) };
}

/**
 * Opens an identity's key to sign with.
 * @throws {CliError} ERR_KEY_LOCKED if it needs a passphrase and none can be had, and all of `loadKeyFile`
 */
export async function openIdentity(file: IdentityFile, passphrase: () => Promise<string>): Promise<Identity> {
  return loadKeyFile(file.path, passphrase);
}

/**
 * The passphrase from where it may come without a prompt: a file, named by flag or `PEERAGE_PASSPHRASE_FILE` (also
 * `/dev/fd/3`), or `PEERAGE_PASSPHRASE`; undefined if there is none.
 */
export async function givenPassphrase(env: NodeJS.ProcessEnv, file: string | undefined): Promise<string | undefined> {
  const path = file ?? env["PEERAGE_PASSPHRASE_FILE"];
  if (path !== undefined && path !== "") {
    const text = await readFile(path, "utf8").catch((error: unknown) => {
      throw new CliError("ERR_KEY_LOCKED", `the passphrase file cannot be read (${codeOf(error) ?? "unknown"})`);
    });
    return text.replace(/\r?\n$/, "");
  }
  return env["PEERAGE_PASSPHRASE"] || undefined;
}
