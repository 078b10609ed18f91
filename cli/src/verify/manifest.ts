import { basename, dirname } from "node:path";
import { type JsonValue, SKEW_SECONDS, type View } from "@peerage/core";
import { describeError } from "../errors.ts";
import { compare, type Differences } from "../manifest/folder.ts";
import { type Manifest, verifyManifest } from "../manifest/manifest.ts";
import { count } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import { type Check, failed, notChecked, passed, type Verdict, verdictOf } from "./check.ts";
import { keyCheck } from "./later-keys.ts";

/** What somebody asked about when its manifest was found: a folder, or the file of this name. */
export type Asked = { readonly folder: true } | { readonly file: string };

/**
 * The verdict of the manifest that stood where that of the thing in question belongs. It says something of the thing only
 * if it is a manifest and of just that: a true signature over something else, put in its place, says nothing (A-CLI-06).
 */
export function coversAsked(verdict: Verdict, asked: Asked): Verdict {
  const { covers, file } = (verdict.data ?? {}) as { readonly covers?: unknown; readonly file?: unknown };
  const isOfIt = "folder" in asked ? covers === "folder" : covers === "file" && file === asked.file.normalize("NFC");
  // What is no manifest at all, or a broken one, is told as that.
  if (verdict.type === "manifest" && (isOfIt || verdict.data === undefined)) return verdict;
  const other =
    verdict.type !== "manifest"
      ? `a ${verdict.type} stands where the manifest belongs`
      : covers === "folder"
        ? "the manifest is of a folder"
        : `the manifest is of ${visible(String(file), 200)}`;
  const thing = "folder" in asked ? "the folder" : visible(asked.file, 200);
  return {
    ...verdict,
    checks: [...verdict.checks, failed("covers", `${other}, and says nothing of ${thing}`, "ERR_STATEMENT_INVALID")],
    verdict: "invalid",
    summary: "Nobody has signed what you asked about.",
  };
}

/** A manifest against the files it names: signed by the one it names, and nothing changed, missing or extra. */
export async function verifyManifestFile(
  document: JsonValue,
  path: string,
  now: Date,
  view: View | undefined,
  onFile?: (done: number, total: number) => void,
): Promise<Verdict> {
  let manifest: Manifest;
  try {
    manifest = await verifyManifest(document);
  } catch (error) {
    const { code, message } = describeError(error);
    return {
      type: "manifest",
      checks: [failed("signature", message, code)],
      verdict: "invalid",
      summary: "The manifest is not what it pretends to be; its files were not looked at.",
    };
  }
  const issuedAt = Date.parse(manifest.issued) / 1000;
  const found = await compare(dirname(path), manifest, basename(path), onFile);
  const checks: Check[] = [
    passed("signature", "holds over the list of files"),
    passed("signer", manifest.issuer),
    keyCheck(manifest, issuedAt, view, now),
    issuedAt > now.getTime() / 1000 + SKEW_SECONDS
      ? failed("time", `signed ${manifest.issued}, which is yet to come`, "ERR_STATEMENT_NOT_YET_VALID")
      : passed("time", `signed ${manifest.issued}, by its own word`),
    filesCheck(manifest, found),
    ...differences(found),
    ...manifest.exclude.map((left) => notChecked("left out", `${visible(left, 200)} is not covered`)),
  ];
  const verdict = verdictOf(checks, ["time"]);
  return {
    type: "manifest",
    checks,
    verdict,
    summary: verdict === "valid" ? "Unchanged since it was signed." : "Not as it was signed.",
    signer: manifest.issuer,
    data: {
      issuer: manifest.issuer,
      issued: manifest.issued,
      covers: manifest.covers,
      ...(manifest.covers === "file" ? { file: manifest.files[0]?.path } : {}),
      files: manifest.files.length,
      ...found,
    },
  };
}

function filesCheck({ files, covers }: Manifest, { changed, missing, extra }: Differences): Check {
  const bad = changed.length + missing.length + extra.length;
  const whole = covers === "folder" ? ", and no other in the folder" : "";
  return bad === 0
    ? passed("files", `${count(files.length, "file")} as signed${whole}`)
    : failed(
        "files",
        `${changed.length} changed, ${missing.length} missing, ${extra.length} extra`,
        "ERR_STATEMENT_INVALID",
      );
}

const SHOWN = 20;

function differences(found: Differences): Check[] {
  const all = (["changed", "missing", "extra"] as const).flatMap((kind) =>
    found[kind].map((path) => failed(kind, visible(path, 200))),
  );
  return all.length <= SHOWN ? all : [...all.slice(0, SHOWN), failed("more", `${all.length - SHOWN} more, see --json`)];
}
