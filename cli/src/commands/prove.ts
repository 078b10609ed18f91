import { readFile } from "node:fs/promises";
import {
  formatPlaceFile,
  type JsonObject,
  parsePlace,
  parsePlaceFile,
  type Place,
  signPlaceProof,
  withPlaceProof,
} from "@peerage/core";
import type { Context, Options } from "../context.ts";
import { CliError, describeError, usage } from "../errors.ts";
import { codeOf, replaceFile } from "../files/safe-file.ts";
import type { Result } from "../output.ts";
import type { Listed } from "../proofs/profile.ts";
import { bareName } from "../proofs/verdict.ts";
import type { Args } from "../tree.ts";
import { styledDid } from "../ui/agent.ts";
import type { Fact } from "../ui/terminal.ts";
import { visible } from "../ui/visible.ts";

/** `peerage prove domain`: the file by which a domain and an agent name each other. */
export function domain(context: Context, args: Args): Promise<Result> {
  return prove(context, args, "domain");
}

/** `peerage prove repository`: the same for a repository. */
export function repository(context: Context, args: Args): Promise<Result> {
  return prove(context, args, "repository");
}

async function prove(context: Context, { words: [text = ""], options }: Args, kind: Place["kind"]): Promise<Result> {
  const place = placeFrom(text, kind);
  const list = options["list"] === true;
  if (list && options["unlist"] === true) throw usage("give --list or --unlist, not both");
  if (!list && options["unlist"] !== true) return sign(context, place, options);
  if (options["out"] !== undefined) throw usage("publish the file first, then list the place", "leave --out out");
  const { did } = await context.identityFile();
  const { listPlace } = await import("../proofs/profile.ts");
  return listResult(context, place, did, await listPlace(context, place, list ? "list" : "unlist", options), options);
}

async function sign(context: Context, place: Place, options: Options): Promise<Result> {
  const out = options["out"];
  const others = typeof out === "string" ? await othersIn(out) : [];
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  const document = await signPlaceProof(signer, place, context.io.now());
  const text = formatPlaceFile(withPlaceProof(others, document));
  const dryRun = options["dryRun"] === true;
  const isWritten = typeof out === "string" && !dryRun;
  if (isWritten) await replaceFile(out, text, 0o644);
  const { ui } = context;
  const name = bareName(place);
  return {
    data: {
      issuer: signer.did,
      place: place.url,
      kind: place.kind,
      file: place.file,
      ...(isWritten ? { path: out } : {}),
      dryRun,
      document,
      text,
    },
    text: [
      ...ui.facts([
        { mark: "ok", label: "signed", value: `${place.url} is the ${place.kind} of` },
        { label: "", value: styledDid(ui, signer.did) },
        ...(isWritten ? [{ label: "written", value: visible(out, 200) }] : []),
        ...(others.length > 0 ? [{ label: "beside", value: `${others.length} that were in the file` }] : []),
        { label: "publish it", value: whereTo(place) },
      ]),
      ...(isWritten ? [""] : ["", ...text.trimEnd().split("\n"), ""]),
      ...ui.table([
        [ui.dim("Next"), `peerage verify ${place.url}`],
        ["", `peerage prove ${place.kind} ${name} --list`],
      ]),
    ],
    plain: [[place.url, place.file, signer.did]],
  };
}

function listResult(context: Context, place: Place, did: string, listed: Listed, options: Options): Result {
  const dryRun = options["dryRun"] === true;
  const { ui } = context;
  const facts: Fact[] = [
    { mark: dryRun ? "none" : "ok", label: dryRun ? "would name" : "profile", value: linksOf(listed.urls) },
    listed.index === undefined
      ? { label: "log", value: dryRun ? "nothing was sent" : "unchanged: it said so already" }
      : { label: "log", value: `entry #${listed.index}` },
  ];
  return {
    data: {
      issuer: did,
      place: place.url,
      kind: place.kind,
      file: place.file,
      urls: listed.urls,
      ...(listed.index === undefined ? {} : { index: listed.index }),
      dryRun,
    },
    text: [...ui.facts(facts), `  ${ui.dim("check it: peerage show")} ${did}`],
    plain: [[place.url, listed.index ?? ""]],
  };
}

function linksOf(urls: readonly string[]): string {
  return urls.length === 0 ? "names no place" : `names ${urls.map((url) => visible(url, 300)).join(" ")}`;
}

function placeFrom(text: string, kind: Place["kind"]): Place {
  let place: Place;
  try {
    place = parsePlace(text);
  } catch (error) {
    throw usage(
      `${visible(text, 120)} is no ${kind}: ${describeError(error).message}`,
      kind === "domain" ? "peerage prove domain example.org" : "peerage prove repository github.com/owner/name",
    );
  }
  if (place.kind !== kind)
    throw usage(`${place.url} is a ${place.kind}`, `peerage prove ${place.kind} ${bareName(place)}`);
  return place;
}

function whereTo({ kind, file, url }: Place): string {
  if (kind === "domain") return `at ${file}`;
  return `as ${file.slice(file.lastIndexOf("/") + 1)} at the top of ${url}, on its default branch`;
}

/** The proofs that a file holds already, which stay in it. What is no such file is never overwritten. */
async function othersIn(path: string): Promise<readonly JsonObject[]> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw new CliError("ERR_USAGE", `${visible(path, 200)} cannot be read (${codeOf(error) ?? "unknown"})`);
  }
  try {
    return parsePlaceFile(bytes);
  } catch (error) {
    throw usage(`${visible(path, 200)} is left as it is: ${describeError(error).message}`, "--out <another file>");
  }
}
