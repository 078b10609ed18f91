import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, lstat, mkdir, open, readdir, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CliError } from "../errors.ts";

// Windows has neither modes nor these flags; there the profile's own access list holds.
const noFollow = constants.O_NOFOLLOW as number | undefined;
const nonBlock = constants.O_NONBLOCK as number | undefined;

/** Makes a folder that only its owner enters. @throws {CliError} ERR_KEY_FILE_UNSAFE if it is a link, foreign or writable by others */
export async function privateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const stat = await lstat(path);
  if (!stat.isDirectory()) throw unsafe(`${path} is not a folder`, `move it away`);
  if (process.getuid === undefined) return;
  if (stat.uid !== process.getuid()) throw unsafe(`${path} belongs to another user`, `chown "$USER" ${path}`);
  if ((stat.mode & 0o022) !== 0) throw unsafe(`others can write to ${path}`, `chmod 700 ${path}`);
}

/**
 * Creates a file that only its owner reads, 0600 from the first instant, whole or not at all, and never over another.
 * @throws {CliError} ERR_KEY_FILE_UNSAFE if the name is taken
 */
export async function createPrivateFile(path: string, content: string): Promise<void> {
  await privateFolder(dirname(path));
  const temporary = await writeTemporary(path, content);
  try {
    // A hard link fails where the name is taken, by whatever: rename would replace it.
    await link(temporary, path);
  } catch (error) {
    if (codeOf(error) === "EEXIST") throw unsafe(`${path} exists already and is never overwritten`);
    throw error;
  } finally {
    await unlink(temporary);
  }
  await syncFolder(dirname(path));
}

/** Replaces a file in one step (temporary file, fsync, rename), so that a crash leaves the old one or the new one. */
export async function replaceFile(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = await writeTemporary(path, content, mode);
  try {
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Gives a private file a second name, which no other file has; one that is the same file already is left alone. */
export async function keepAs(path: string, kept: string): Promise<void> {
  try {
    await link(path, kept);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    const [one, other] = await Promise.all([readPrivateFile(path), readPrivateFile(kept)]);
    if (one !== other) throw unsafe(`${kept} exists already and is never overwritten`, "move it away");
  }
  await syncFolder(dirname(kept));
}

/** Moves a file over another in one step. */
export async function moveOver(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

/**
 * What a crash left of files that were being written in a folder, a minute old at least, so that nobody writes them now.
 * They may hold keys in clear.
 */
export async function leftovers(folder: string, now: Date): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
  const found: string[] = [];
  for (const name of names.filter((file) => /^\..+\.[0-9a-f]{12}\.tmp$/.test(file)).sort()) {
    const path = join(folder, name);
    const stat = await lstat(path).catch(() => undefined);
    if (stat?.isFile() === true && now.getTime() - stat.mtimeMs >= 60_000) found.push(path);
  }
  return found;
}

async function writeTemporary(path: string, content: string | Uint8Array, mode = 0o600): Promise<string> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (noFollow ?? 0);
  const file = await open(temporary, flags, mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    await file.close();
    await unlink(temporary);
    throw error;
  }
  await file.close();
  return temporary;
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Reads a file that must be private: a regular file, not a link, of this user, closed to all others, at most 64 KiB.
 * Undefined if there is none.
 * @throws {CliError} ERR_KEY_FILE_UNSAFE with the command that mends it
 */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  let file: FileHandle;
  try {
    // Non-blocking, so that a FIFO in its place is noticed instead of waited for.
    file = await open(path, constants.O_RDONLY | (noFollow ?? 0) | (nonBlock ?? 0));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    if (codeOf(error) === "ELOOP")
      throw unsafe(`${path} is a link; a key must be the file itself`, `rm ${path}, then put the key there`);
    if (codeOf(error) === "ENXIO") throw unsafe(`${path} is not a regular file`, `move it away`);
    if (codeOf(error) === "EACCES") throw unsafe(`${path} cannot be read by this user`, `ls -l ${path}`);
    throw error;
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw unsafe(`${path} is not a regular file`, `move it away`);
    if (stat.size > 65_536) throw unsafe(`${path} is too large to be a key`, `move it away`);
    if (process.getuid !== undefined) {
      if (stat.uid !== process.getuid()) throw unsafe(`${path} belongs to another user`, `chown "$USER" ${path}`);
      if ((stat.mode & 0o077) !== 0) {
        const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
        throw unsafe(`others can read ${path} (mode ${mode})`, `chmod 600 ${path}`);
      }
    }
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/** The system's code of an error (`ENOENT`, …), if it has one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

function unsafe(message: string, hint?: string): CliError {
  return new CliError("ERR_KEY_FILE_UNSAFE", message, hint === undefined ? {} : { hint });
}
