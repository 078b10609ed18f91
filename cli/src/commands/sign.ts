import { stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { codeOf, replaceFile } from "../files/safe-file.ts";
import { describeFile, describeFolder } from "../manifest/folder.ts";
import {
  FILE_MANIFEST_ENDING,
  FOLDER_MANIFEST,
  isPortablePath,
  type Manifest,
  signManifest,
} from "../manifest/manifest.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { styledDid } from "../ui/agent.ts";
import { Progress } from "../ui/progress.ts";
import { count } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";

/** `peerage sign`: a manifest of a file or a whole folder, signed by the identity in use. */
export async function run(context: Context, { words: [path = ""], options }: Args): Promise<Result> {
  const isFolder = await folderOrFile(path);
  const out = outOf(path, isFolder, options);
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  const content = isFolder ? await folderContent(context, path, out, options) : await fileContent(path, options);
  const document = await signManifest(signer, content, context.io.now());
  const text = `${JSON.stringify(document, null, 2)}\n`;
  const dryRun = options["dryRun"] === true;
  if (!dryRun) await replaceFile(out, text, 0o644);
  const bytes = content.files.reduce((sum, { size }) => sum + size, 0);
  const { ui } = context;
  return {
    data: {
      issuer: signer.did,
      covers: content.covers,
      files: content.files.length,
      bytes,
      path: out,
      dryRun,
      document,
    },
    text: [
      ...ui.facts([
        {
          mark: dryRun ? "none" : "ok",
          label: dryRun ? "would sign" : "signed",
          value: `${count(content.files.length, "file")}, ${bytes.toLocaleString("en-US")} bytes`,
        },
        { label: "by", value: styledDid(ui, signer.did) },
        ...(content.exclude.length > 0
          ? [
              {
                mark: "warn" as const,
                label: "left out",
                value: content.exclude.map((one) => visible(one, 60)).join(" "),
              },
            ]
          : []),
        { label: dryRun ? "would be" : "manifest", value: visible(out, 200) },
      ]),
      ...(dryRun ? ["", text.trimEnd()] : [`  ${ui.dim(`check it: peerage verify ${visible(path, 200)}`)}`]),
    ],
    plain: [[out, signer.did, content.files.length]],
  };
}

async function folderOrFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (codeOf(error) === "ENOENT") throw new CliError("ERR_NOT_FOUND", `there is no file ${visible(path, 200)}`);
    throw error;
  }
}

function outOf(path: string, isFolder: boolean, options: Options): string {
  const given = options["out"];
  if (typeof given === "string") {
    // A manifest names files beside or below itself, so that both can be moved together.
    if (!isFolder && dirname(resolve(given)) !== dirname(resolve(path)))
      throw usage("the manifest of a file stands beside it", `--out ${join(dirname(path), basename(given))}`);
    if (isFolder && dirname(resolve(given)) !== resolve(path))
      throw usage("the manifest of a folder stands in it", `--out ${join(path, basename(given))}`);
    return given;
  }
  return isFolder ? join(path, FOLDER_MANIFEST) : `${path}${FILE_MANIFEST_ENDING}`;
}

type Content = Pick<Manifest, "covers" | "exclude" | "files">;

async function folderContent(context: Context, folder: string, out: string, options: Options): Promise<Content> {
  const exclude = ((options["exclude"] as string[] | undefined) ?? []).map((given) => {
    const path = given.replace(/\/+$/, "").split(sep).join("/");
    if (!isPortablePath(path)) throw usage(`--exclude ${visible(given, 80)} is no path inside the folder`);
    return path;
  });
  const own = relative(resolve(folder), resolve(out)).split(sep).join("/");
  const progress = new Progress(context, "reading files");
  try {
    const files = await describeFolder(folder, [...exclude, own], (done, total) => progress.show(done, total));
    if (files.length === 0) throw usage(`there is nothing to sign in ${visible(folder, 200)}`);
    return { covers: "folder", exclude: [...new Set(exclude)], files };
  } finally {
    progress.end();
  }
}

async function fileContent(path: string, options: Options): Promise<Content> {
  if (options["exclude"] !== undefined) throw usage("--exclude is for folders");
  const name = basename(path).normalize("NFC");
  if (!isPortablePath(name)) throw usage(`${visible(name, 200)} is no name that every system can keep`, "rename it");
  return { covers: "file", exclude: [], files: [{ path: name, ...(await describeFile(path)) }] };
}
