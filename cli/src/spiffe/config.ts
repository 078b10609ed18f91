import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { spiffeProofs } from "@peerage/core";
import type { loadSpiffe } from "@peerage/mcp-middleware";
import { z } from "zod";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { tilde } from "../files/paths.ts";
import { codeOf } from "../files/safe-file.ts";
import { durationSeconds } from "../policy/durations.ts";
import { visible } from "../ui/visible.ts";

type SpiffeLibrary = Awaited<ReturnType<typeof loadSpiffe>>;
/** What the middleware opens; see docs/spiffe.md. */
export type SpiffeConfig = NonNullable<Parameters<SpiffeLibrary["openSpiffe"]>[0]>;
type Domain = NonNullable<SpiffeConfig["trustDomains"]>[string];

const path = z.string().min(1).max(4096);
const id = z.string().startsWith("spiffe://").max(2048);
const domain = z.strictObject({
  file: path.optional(),
  workloadApi: z.literal(true).optional(),
  profile: z.enum(["https_web", "https_spiffe"]).optional(),
  url: z.url({ protocol: /^https$/ }).optional(),
  endpointId: id.optional(),
  bootstrap: path.optional(),
});
const file = z.strictObject({
  trustDomains: z.record(z.string(), domain).optional(),
  workloadApi: z.string().optional(),
  accept: z.array(z.enum(spiffeProofs)).min(1).optional(),
  required: z.boolean().optional(),
  matchConnection: z.boolean().optional(),
  wimseEdDsa: z.boolean().optional(),
  maxBundleAge: z.string().optional(),
  svid: z.strictObject({ certificates: path, key: path.optional() }).optional(),
});

/**
 * The configuration of a file and, over it, of flags.
 * @throws {CliError} ERR_USAGE, ERR_CONFIG_INVALID
 */
export async function spiffeConfig(context: Context, options: Options): Promise<SpiffeConfig> {
  const { cwd } = context.io;
  const named = options["spiffeConfig"];
  const base = typeof named === "string" ? await readConfig(context, resolve(cwd, named)) : {};
  const flags = (options["spiffeBundle"] as string[] | undefined) ?? [];
  const trustDomains = { ...base.trustDomains, ...Object.fromEntries(flags.map((flag) => bundleFlag(flag, cwd))) };
  const [socket, svid, key] = ["spiffeSocket", "spiffeSvid", "spiffeKey"].map((name) => options[name]);
  if (key !== undefined && svid === undefined) throw usage("--spiffe-key is the key of --spiffe-svid");
  const at = (value: Options[string]): string => resolve(cwd, String(value));
  const required = options["spiffeRequire"] === true || base.required === true;
  if (required && Object.keys(trustDomains).length === 0)
    throw usage("--spiffe-require needs a trust domain", "--spiffe-bundle acme.example=acme.bundle.json");
  return {
    ...base,
    trustDomains,
    ...(typeof socket === "string" ? { workloadApi: socket } : {}),
    ...(typeof svid === "string" ? { svid: { certificates: at(svid), key: at(key ?? svid) } } : {}),
    ...(required ? { required } : {}),
  };
}

/** `acme.example=bundle.json`, `acme.example=https://…`, or `acme.example` for the Workload API. */
function bundleFlag(flag: string, cwd: string): [string, Domain] {
  const [, name = "", source] = /^([a-z0-9._-]{1,255})(?:=(.+))?$/.exec(flag) ?? [];
  if (name === "")
    throw usage(`${visible(flag, 200)} names no trust domain`, "--spiffe-bundle acme.example=acme.bundle.json");
  if (source === undefined) return [name, { workloadApi: true }];
  if (source.startsWith("https://")) return [name, { profile: "https_web", url: source }];
  return [name, { file: resolve(cwd, source) }];
}

/** Paths in the file are relative to it. */
async function readConfig(context: Context, at: string): Promise<SpiffeConfig> {
  const wrong = (why: string, cause?: unknown): CliError =>
    new CliError("ERR_CONFIG_INVALID", `${tilde(context.paths, at)} ${visible(why, 300)}`, { cause });
  let json: unknown;
  try {
    json = JSON.parse(await readFile(at, "utf8"));
  } catch (error) {
    throw wrong(codeOf(error) === "ENOENT" ? "is not there" : "is not readable JSON", error);
  }
  const parsed = file.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw wrong(`${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim());
  }
  const { trustDomains = {}, maxBundleAge, svid, ...rest } = parsed.data;
  const here = (name: string): string => resolve(dirname(at), name);
  const domains = Object.entries(trustDomains).map(([name, { file, bootstrap, ...source }]) => {
    const files = { ...(file && { file: here(file) }), ...(bootstrap && { bootstrap: here(bootstrap) }) };
    return [name, { ...source, ...files }] as const;
  });
  return {
    ...rest,
    trustDomains: Object.fromEntries(domains),
    ...(maxBundleAge && { maxBundleAgeSeconds: durationSeconds(maxBundleAge, "maxBundleAge") }),
    ...(svid && { svid: { certificates: here(svid.certificates), key: here(svid.key ?? svid.certificates) } }),
  };
}
