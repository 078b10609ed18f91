import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { CliError, usage } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";
import { visible } from "../ui/visible.ts";
import { isPortablePath, type Manifest, MAX_FILES, type SignedFile } from "./manifest.ts";

/** What stands in a folder: regular files, and what is none (links, sockets, devices), which nobody can sign. */
export interface Found {
  readonly files: readonly string[];
  readonly others: readonly string[];
}

/** Every path below a folder but those left out, relative to it, `/` between, sorted. Links are not followed. */
async function listFolder(folder: string, leaveOut: readonly string[]): Promise<Found> {
  const skipped = new Set(leaveOut);
  const files: string[] = [];
  const others: string[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (skipped.has(path)) continue;
      if (entry.isDirectory()) await walk(path);
      else (entry.isFile() ? files : others).push(path);
      if (files.length > MAX_FILES) throw usage(`there are more than ${MAX_FILES} files`, "--exclude <path>");
    }
  };
  await walk("");
  return { files: files.sort(), others: others.sort() };
}

/** The size and digest of a file, read once as a stream. @throws {CliError} ERR_NOT_FOUND, ERR_USAGE */
export async function describeFile(path: string): Promise<Omit<SignedFile, "path">> {
  const stat = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") throw new CliError("ERR_NOT_FOUND", `there is no file ${visible(path, 200)}`);
    throw error;
  });
  if (!stat.isFile()) throw usage(`${visible(path, 200)} is no regular file: only those can be signed`);
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk as Buffer);
    size += (chunk as Buffer).length;
  }
  return { size, digest: `sha256:${hash.digest("hex")}` };
}

/** How a folder differs from what was signed; empty lists: not at all. */
export interface Differences {
  readonly changed: readonly string[];
  readonly missing: readonly string[];
  /** In the folder and not in the manifest, links and other things that are no files included. */
  readonly extra: readonly string[];
}

/** Compares what stands on disk with what was signed. @param own - the manifest's own name in the folder, if it is there */
export async function compare(
  folder: string,
  manifest: Pick<Manifest, "covers" | "exclude" | "files">,
  own: string | undefined,
  onFile: (done: number, total: number) => void = () => undefined,
): Promise<Differences> {
  const changed: string[] = [];
  const missing: string[] = [];
  for (const [done, file] of manifest.files.entries()) {
    onFile(done, manifest.files.length);
    const now = await describeFile(join(folder, ...file.path.split("/"))).catch((error: unknown) => {
      // A folder where a file was, or nothing at all.
      if (error instanceof CliError || codeOf(error) === "ENOTDIR") return undefined;
      throw error;
    });
    if (now === undefined) missing.push(file.path);
    else if (now.size !== file.size || now.digest !== file.digest) changed.push(file.path);
  }
  if (manifest.covers === "file") return { changed, missing, extra: [] };
  const found = await listFolder(folder, [...manifest.exclude, ...(own === undefined ? [] : [own])]);
  const signed = new Set(manifest.files.map(({ path }) => path));
  // macOS may hand back the decomposed form of a name.
  const extra = [...found.files, ...found.others].filter((path) => !signed.has(path.normalize("NFC")));
  return { changed, missing, extra };
}

/** The files of a folder as they are signed. @throws {CliError} ERR_USAGE names what cannot be signed */
export async function describeFolder(
  folder: string,
  leaveOut: readonly string[],
  onFile: (done: number, total: number) => void = () => undefined,
): Promise<SignedFile[]> {
  const { files, others } = await listFolder(folder, leaveOut);
  const [other] = others;
  if (other !== undefined)
    throw usage(`${visible(other, 200)} is a link or no file: only files can be signed`, `--exclude ${visible(other)}`);
  const signed: SignedFile[] = [];
  for (const [done, name] of files.entries()) {
    onFile(done, files.length);
    const path = name.normalize("NFC");
    if (!isPortablePath(path)) throw usage(`${visible(name, 200)} is no name that every system can keep`, "rename it");
    signed.push({ path, ...(await describeFile(join(folder, ...name.split("/")))) });
  }
  return signed;
}
