import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  formatTime,
  isJsonObject,
  isPeerageError,
  type JsonValue,
  parseEntry,
  parseJson,
  PeerageError,
} from "@peerage/core";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { codeOf, replaceFile } from "../files/safe-file.ts";
import type { Result } from "../output.ts";
import { durationSeconds } from "../policy/durations.ts";
import { type OpenedSpiffe, openSpiffe, type SpiffeLibrary } from "../spiffe/open.ts";
import type { Args } from "../tree.ts";
import { styledDid } from "../ui/agent.ts";
import type { Fact } from "../ui/terminal.ts";
import { count, span } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";

/** A Workload API answers at once or is not there. */
const START_TIMEOUT_MS = 5_000;

function open(context: Context, options: Options, own: boolean): Promise<OpenedSpiffe> {
  return openSpiffe(context, options, { log: (line) => context.warn(line), startTimeoutMs: START_TIMEOUT_MS, own });
}

/** `peerage spiffe show`: the own SPIFFE IDs and the trust domains. Exit 1 if one of these verifies nothing. */
export async function show(context: Context, { options }: Args): Promise<Result> {
  await using opened = await open(context, options, true);
  const { spiffe } = opened;
  const now = context.io.now();
  const seconds = now.getTime() / 1000;
  const own = [
    { kind: "x509", identity: spiffe.x509?.current(now) },
    { kind: "wit", identity: spiffe.wit?.currentWit(now) },
  ].flatMap(({ kind, identity }) => (identity ? [{ kind, ...identity }] : []));
  const identities = own.map(({ kind, spiffeId, expiresAt }) => ({ kind, spiffeId, expires: formatTime(expiresAt) }));
  const trustDomains = spiffe.states().map(({ trustDomain, bundle, ageSeconds }) => ({
    trustDomain,
    bundle: bundle?.digest ?? null,
    ageSeconds: ageSeconds ?? null,
    sequence: bundle?.sequence === undefined ? null : String(bundle.sequence),
    x509Authorities: bundle?.x509Authorities.length ?? 0,
    jwtAuthorities: bundle?.jwtAuthorities.size ?? 0,
    witAuthorities: bundle?.witAuthorities.size ?? 0,
  }));
  const facts: Fact[] = [
    ...own.map(({ kind, spiffeId, expiresAt }): Fact => {
      return {
        mark: "ok",
        label: kind === "wit" ? "own WIT" : "own ID",
        value: `${spiffeId}, for ${span(expiresAt - seconds)}`,
      };
    }),
    ...trustDomains.map(({ trustDomain, bundle, ageSeconds, sequence, ...keys }): Fact => {
      if (bundle === null) return { mark: "no", label: trustDomain, value: "no bundle: nothing of it verifies" };
      const total = keys.x509Authorities + keys.jwtAuthorities + keys.witAuthorities;
      const value = [
        total === 0
          ? "an empty bundle: everything is revoked"
          : `${String(keys.x509Authorities)} X.509, ${String(keys.jwtAuthorities)} JWT, ${String(keys.witAuthorities)} WIT`,
        `${span(ageSeconds ?? 0)} old`,
        ...(sequence === null ? [] : [`sequence ${sequence}`]),
      ];
      return { mark: total === 0 ? "warn" : "ok", label: trustDomain, value: value.join(", ") };
    }),
  ];
  if (facts.length === 0) throw usage("nothing to show", "--spiffe-socket <address>, or --spiffe-bundle domain=file");
  return {
    exit: trustDomains.some(({ bundle }) => bundle === null) ? 1 : 0,
    data: { identities, trustDomains },
    text: context.ui.facts(facts),
    plain: [
      ...identities.map(({ kind, spiffeId, expires }) => [kind, spiffeId, expires]),
      ...trustDomains.map(({ trustDomain, bundle, ageSeconds }) => [trustDomain, bundle ?? "-", ageSeconds ?? "-"]),
    ],
  };
}

/** What a file turned out to be. */
interface Shown {
  readonly kind: "x509-svid" | "jwt-svid" | "binding";
  readonly spiffeId: string;
  readonly expiresAt: number;
  readonly bundle: string;
  readonly did?: string;
  readonly proof?: string;
  readonly note?: string;
}

/** `peerage spiffe verify`: exit 6 if it does not hold. */
export async function verify(context: Context, { words: [path = ""], options }: Args): Promise<Result> {
  const text = await read(context, path);
  await using opened = await open(context, options, false);
  const kind = kindOf(text);
  try {
    const { expiresAt, note, ...rest } = judge(kind, text, opened, options, context.io.now());
    const facts: Fact[] = [
      { mark: "ok", label: rest.kind, value: rest.spiffeId },
      { label: "until", value: formatTime(expiresAt) },
      ...(rest.did === undefined
        ? []
        : [{ label: "bound to", value: `${styledDid(context.ui, rest.did as never)}, ${rest.proof ?? ""}` }]),
      { label: "bundle", value: rest.bundle },
      ...(note === undefined ? [] : [{ label: "but", value: note }]),
    ];
    return { data: { valid: true, ...rest, expires: formatTime(expiresAt) }, text: context.ui.facts(facts) };
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    const { code, detail = "" } = error;
    const why = `${code}${detail === "" ? "" : ` (${visible(detail)})`}`;
    return {
      exit: 6,
      data: { valid: false, kind, code, detail },
      text: context.ui.facts([{ mark: "no", label: kind, value: `does not hold: ${why}` }]),
    };
  }
}

function kindOf(text: string): Shown["kind"] {
  if (text.includes("-----BEGIN")) return "x509-svid";
  return text.trimStart().startsWith("{") ? "binding" : "jwt-svid";
}

function judge(
  kind: Shown["kind"],
  text: string,
  { library, spiffe }: OpenedSpiffe,
  options: Options,
  now: Date,
): Shown {
  const { bundles } = spiffe;
  const audience = options["audience"];
  switch (kind) {
    case "x509-svid": {
      const chain = library.parsePemCertificates(text).map(({ der }) => der);
      return { kind, ...pick(library.verifyX509Svid(chain, bundles, now)), note: "nobody has shown its key here" };
    }
    case "jwt-svid": {
      if (typeof audience !== "string") throw usage("a JWT-SVID is for one audience", "--audience <value>");
      const svid = library.verifyJwtSvid(text.trim(), { bundles, audience, now });
      return { kind, ...pick(svid), note: "a bearer token: whoever sees it has it" };
    }
    case "binding":
      return judgeBinding(parseJson(text), library, bundles, audience, now);
  }
}

function judgeBinding(
  value: JsonValue,
  library: SpiffeLibrary,
  bundles: OpenedSpiffe["spiffe"]["bundles"],
  audience: Options[string],
  now: Date,
): Shown {
  const token = isJsonObject(value) ? value["did"] : undefined;
  if (token === undefined && isJsonObject(value) && Array.isArray(value["x5c"])) {
    const chain = value["x5c"].map((der) => new Uint8Array(Buffer.from(String(der), "base64")));
    const note = "the call beside it must be signed by this very key";
    return { kind: "binding", ...pick(library.verifyX509Svid(chain, bundles, now)), proof: "same-key", note };
  }
  const { issuer, kid } = parseEntry(token);
  const binding = library.verifyBinding(value, { bundles, now, proof: { issuer, kid } });
  const foreign = binding.audiences.find((one) => audience !== undefined && one !== audience);
  if (foreign !== undefined)
    throw new PeerageError("ERR_SPIFFE_BINDING", `it is for ${foreign}`, { detail: "audience" });
  const { did, proof, spiffe: spiffeId, expiresAt, bundle, audiences } = binding;
  const note = audience === undefined && audiences.length > 0 ? `only for ${audiences.join(", ")}` : undefined;
  return { kind: "binding", spiffeId, did, proof, expiresAt, bundle, ...(note === undefined ? {} : { note }) };
}

function pick({
  spiffeId,
  expiresAt,
  bundle,
}: {
  spiffeId: string;
  expiresAt: number;
  bundle: string;
}): Pick<Shown, "spiffeId" | "expiresAt" | "bundle"> {
  return { spiffeId, expiresAt, bundle };
}

async function read(context: Context, path: string): Promise<string> {
  try {
    return await readFile(path === "-" ? "/dev/stdin" : resolve(context.io.cwd, path), "utf8");
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    throw new CliError("ERR_NOT_FOUND", `there is no file ${visible(path, 200)}`);
  }
}

/** `peerage spiffe bind`: the binding goes into a file, because it holds an SVID; what is printed holds none. */
export async function bind(context: Context, { options }: Args): Promise<Result | number> {
  const out = options["out"];
  if (typeof out !== "string") throw usage("where the binding goes is missing", "--out binding.json");
  const lifetime = options["lifetime"];
  const lifetimeSeconds = lifetime === undefined ? undefined : durationSeconds(lifetime, "--lifetime");
  const audience = options["audience"];
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  await using opened = await open(context, options, true);
  const { library, spiffe } = opened;
  const now = context.io.now();
  const terms = {
    now,
    ...(lifetimeSeconds === undefined ? {} : { lifetimeSeconds }),
    ...(typeof audience === "string" ? { audience } : {}),
  };
  const x509 = spiffe.x509?.current(now);
  const wit = spiffe.wit?.currentWit(now);
  const made = async (): Promise<[string, Awaited<ReturnType<SpiffeLibrary["bindX509"]>>]> => {
    if (x509)
      return [library.isSameKey(x509, signer) ? "same-key" : "mutual", await library.bindX509(signer, x509, terms)];
    if (wit) return ["wit", await library.bindWit(signer, wit, terms)];
    if (!spiffe.jwt) throw usage("there is no SPIFFE ID to bind", "--spiffe-socket <address>, or --spiffe-svid <file>");
    return [
      "token",
      await library.bindToken(signer, await spiffe.jwt.fetchJwtSvid(library.bindingAudience(signer.did)), terms),
    ];
  };
  const [proof, binding] = await made();
  const text = `${JSON.stringify(binding.value, null, 2)}\n`;
  if (out === "-") {
    context.io.stdout.write(text);
    return 0;
  }
  await replaceFile(resolve(context.io.cwd, out), text);
  const expires = formatTime(binding.expiresAt);
  const spiffeId = x509?.spiffeId ?? wit?.spiffeId;
  return {
    data: { did: signer.did, ...(spiffeId === undefined ? {} : { spiffeId }), proof, expires, path: out },
    text: context.ui.facts([
      { mark: "ok", label: "bound", value: `${spiffeId ?? "the own SPIFFE ID"}, ${proof}` },
      { label: "to", value: styledDid(context.ui, signer.did) },
      { label: "until", value: `${expires}, ${count(Math.round(binding.expiresAt - now.getTime() / 1000), "second")}` },
      { label: "in", value: visible(out, 200) },
    ]),
  };
}
