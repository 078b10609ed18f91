import { constants } from "node:fs";
import { link, mkdir, open, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { fromBase64url, generateSeed, isJsonObject, parseJson, PeerageError, toBase64url } from "@peerage/core";

/** What a key is for. A file of one purpose is refused for another, so two roles never share a key by accident. */
export type KeyPurpose = "log" | "witness" | "mirror";

/**
 * Reads the 32-byte seed of a key file, or undefined if there is none.
 * @throws {PeerageError} ERR_KEY_FILE_UNSAFE if others may read it or it is not a plain file; ERR_KEY_FILE_INVALID
 */
export async function readKeyFile(path: string, purpose: KeyPurpose): Promise<Uint8Array | undefined> {
  let file;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return undefined;
    throw new PeerageError("ERR_KEY_FILE_UNSAFE", `the key file ${path} cannot be opened as a plain file`, {
      cause: error,
    });
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new PeerageError("ERR_KEY_FILE_UNSAFE", `${path} is not a plain file`);
    if ((stat.mode & 0o077) !== 0) {
      throw new PeerageError(
        "ERR_KEY_FILE_UNSAFE",
        `others may read ${path}: chmod 600 it, and consider the key stolen`,
      );
    }
    return parseSeed(await file.readFile("utf8"), path, purpose);
  } finally {
    await file.close();
  }
}

/**
 * Makes a fresh key: a file that was never readable by others and appears whole or not at all.
 * @throws {PeerageError} ERR_KEY_FILE_INVALID if the file exists: a key is never overwritten
 */
export async function createKeyFile(path: string, purpose: KeyPurpose): Promise<Uint8Array> {
  const seed = generateSeed();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.new`;
  const file = await open(temporary, "wx", 0o600);
  try {
    await file.writeFile(`${JSON.stringify({ type: "peerage-registry-key", purpose, seed: toBase64url(seed) })}\n`);
    await file.sync();
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new PeerageError("ERR_KEY_FILE_INVALID", `the key file ${path} exists already`, { cause: error });
  } finally {
    await file.close();
    await unlink(temporary);
  }
  await syncDirectory(dirname(path));
  return seed;
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function parseSeed(text: string, path: string, purpose: KeyPurpose): Uint8Array {
  try {
    const json = parseJson(text, { maxBytes: 1_024 });
    if (isJsonObject(json) && json["type"] === "peerage-registry-key" && json["purpose"] === purpose) {
      const seed = typeof json["seed"] === "string" ? fromBase64url(json["seed"]) : new Uint8Array(0);
      if (seed.length === 32 && Object.keys(json).length === 3) return seed;
    }
  } catch {
    // The content of a key file is never quoted, not even by a parser's message.
  }
  throw new PeerageError("ERR_KEY_FILE_INVALID", `${path} is not a ${purpose} key of a registry`);
}
