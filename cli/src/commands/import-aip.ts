import { basename } from "node:path";
import { type Did, type JsonValue, parseJson, PeerageError } from "@peerage/core";
import { type AipDocument, type AipIdentity, readAipDocument } from "../bridges/aip/document.ts";
import { keepClaims, type KeptClaim, keptClaim, readClaims } from "../bridges/claims.ts";
import type { Context } from "../context.ts";
import { describeError, usage } from "../errors.ts";
import { petname, writeNames } from "../files/book.ts";
import { readInput } from "../files/read-input.ts";
import type { Result } from "../output.ts";
import { download, isWebAddress } from "../proofs/web.ts";
import type { Args } from "../tree.ts";
import { styledDid } from "../ui/agent.ts";
import type { Fact, Terminal } from "../ui/terminal.ts";
import { count } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";

const MAX_BYTES = 1_048_576;

/**
 * `peerage import aip`: agents and vouches of AIP as names and claims of this user's own. They raise no score and admit
 * nobody; each member says whether its voucher signed it. Exit 6, and nothing kept, if a part does not verify.
 */
export async function run(context: Context, { words: [source], options }: Args): Promise<Result> {
  if (source === undefined) return kept(context);
  const found = await read(context, source);
  if (found.refused.length > 0) return refused(context, found);
  const named = options["names"] === false ? [] : await namesFor(context, found.identities);
  const dryRun = options["dryRun"] === true;
  if (!dryRun && named.length > 0) {
    for (const { name, did } of named) context.say(`  ${visible(name)} ${styledDid(context.err, did)}`);
    if (!(await context.confirm(`take ${count(named.length, "name")} of theirs as yours?`)))
      throw usage("nothing was kept", "--no-names");
  }
  if (!dryRun) {
    await keepClaims(context, found.identities, found.claims);
    if (named.length > 0)
      await writeNames(
        context.paths,
        new Map([...(await context.names()), ...named.map(({ name, did }) => [name, did] as const)]),
      );
  }
  const { ui } = context;
  const names = new Map(named.map(({ name, aip }) => [aip, name]));
  return {
    data: {
      agents: found.identities.map((one) => ({ ...agentData(one), petname: names.get(one.did) ?? null })),
      claims: found.claims.map(keptClaim),
      refused: [],
      dryRun,
    },
    text: [
      ...ui.facts([
        ...found.identities.map((one) => agentFact(ui, one, names.get(one.did))),
        ...found.claims.flatMap((one) => claimFacts(keptClaim(one), one.why)),
      ]),
      `  ${ui.dim(`${dryRun ? "would be kept" : "kept"} as others' word: no score rises by it. Yours is peerage vouch`)}`,
    ],
    plain: [
      ...found.identities.map(({ did, key, name }) => ["agent", did, key ?? "", name ?? ""]),
      ...found.claims.map(({ vouch, signed }) => ["claim", vouch.voucher, vouch.target, vouch.scope, signed.join(" ")]),
    ],
  };
}

async function read(context: Context, source: string): Promise<AipDocument> {
  const bytes = isWebAddress(source) ? await download(source, MAX_BYTES) : await readInput(context, source, MAX_BYTES);
  let json: JsonValue;
  const shown = visible(isWebAddress(source) ? source : basename(source), 200);
  let found: AipDocument;
  try {
    json = parseJson(bytes, { maxBytes: MAX_BYTES });
    found = readAipDocument(json);
  } catch (error) {
    throw new PeerageError("ERR_REQUEST_INVALID", `${shown}: ${describeError(error).message}`);
  }
  if (found.identities.length + found.claims.length + found.refused.length === 0)
    throw new PeerageError("ERR_REQUEST_INVALID", `${shown}: nothing in it is an agent or a vouch of AIP`);
  return found;
}

function refused(context: Context, { refused: parts }: AipDocument): Result {
  return {
    exit: 6,
    data: { agents: [], claims: [], refused: parts, dryRun: false },
    text: [
      ...context.ui.facts(
        parts.map(({ at, why }) => ({
          mark: "no" as const,
          label: visible(at === "" ? "it" : at, 60),
          value: visible(why, 200),
        })),
      ),
      `  ${context.ui.bad("Nothing was kept: what is forged in one part is not believed in another.")}`,
    ],
    plain: parts.map(({ at, why }) => ["refused", at, why]),
  };
}

/** What was imported so far. */
async function kept(context: Context): Promise<Result> {
  const { agents, claims } = await readClaims(context);
  const { ui } = context;
  return {
    data: { agents, claims, refused: [], dryRun: false },
    text:
      agents.length + claims.length === 0
        ? [`  nothing yet   ${ui.dim("peerage import aip <file|url>")}`]
        : ui.facts([
            ...agents.map((one) => agentFact(ui, one, undefined)),
            ...claims.flatMap((one) => claimFacts(one)),
          ]),
    plain: [
      ...agents.map(({ did, key, name }) => ["agent", did, key ?? "", name ?? ""]),
      ...claims.map(({ voucher, target, scope, signed }) => ["claim", voucher, target, scope, signed.join(" ")]),
    ],
  };
}

/**
 * Names for agents whose key is proven by their DID, where they say one: under `aip.`, so that the user sees whose word
 * it is, and never in place of a name that means somebody else.
 */
async function namesFor(
  context: Context,
  identities: readonly AipIdentity[],
): Promise<{ readonly name: string; readonly did: Did; readonly aip: string }[]> {
  const taken = new Map<string, string>(await context.names());
  const named: { name: string; did: Did; aip: string }[] = [];
  for (const { did: aip, key, name } of identities) {
    if (key === undefined || [...taken.values()].includes(key)) continue;
    const slug = (name ?? "")
      .normalize("NFKC")
      .toLowerCase()
      .replace(/[^a-z0-9._-]+/g, "-")
      .replace(/^[-._]+|[-._]+$/g, "");
    const hash = aip.slice("did:aip:".length, "did:aip:".length + 8);
    const first = `aip.${(slug === "" ? hash : slug).slice(0, 48)}`;
    const own = taken.has(first) ? `${first}.${hash}` : first;
    if (taken.has(own) || !petname.safeParse(own).success) continue;
    taken.set(own, key);
    named.push({ name: own, did: key, aip });
  }
  return named;
}

function agentData({ did, key, name, why }: AipIdentity): object {
  return {
    did,
    ...(key === undefined ? {} : { key }),
    ...(name === undefined ? {} : { name }),
    ...(why === undefined ? {} : { why }),
  };
}

function agentFact(
  ui: Terminal,
  { did, key, name, why }: { did: string; key?: string | undefined; name?: string | undefined; why?: string },
  own: string | undefined,
): Fact {
  const called = name === undefined ? "" : `, calls itself ${visible(name, 48)}`;
  const is = key === undefined ? `: ${why ?? "no key of it is known"}` : ` is ${styledDid(ui, key as Did)}`;
  return { mark: key === undefined ? "none" : "ok", label: own ?? "agent", value: `${visible(did, 60)}${is}${called}` };
}

function claimFacts({ voucher, target, scope, statement, signed, unverifiable }: KeptClaim, why?: string): Fact[] {
  const words = statement === "" ? "" : `: ${visible(statement, 160)}`;
  return [
    {
      mark: signed.length > 0 ? "ok" : "none",
      label: "vouch",
      value: `${voucher} for ${target} in ${visible(scope, 40)}${words}`,
    },
    ...(signed.length > 0 ? [{ label: "signed", value: signed.join(", ") }] : []),
    ...(unverifiable.length > 0
      ? [{ label: "unverifiable", value: `${unverifiable.join(", ")}${why === undefined ? "" : `: ${why}`}` }]
      : []),
  ];
}
