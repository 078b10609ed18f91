import { type Did, parseDid } from "@peerage/core";
import type { Context } from "./context.ts";
import { CliError, usage } from "./errors.ts";
import { findIdentity, identityNames } from "./files/identities.ts";
import { fingerprint, styledDid } from "./ui/agent.ts";
import { nearest } from "./ui/nearest.ts";
import { visible } from "./ui/visible.ts";

/** Agents that a registry knows, as far as names need them. */
export interface Directory {
  agents(): Iterable<{ readonly did: Did; readonly name?: string | undefined }>;
}

/** Who was meant, and what the user calls it. */
export interface Agent {
  readonly did: Did;
  /** The user's own name, or the name of an identity on this machine. */
  readonly name: string | undefined;
  /** The name that the agent chose for itself: a claim, never shown without the fingerprint. */
  readonly selfName?: string | undefined;
  readonly how: "did" | "petname" | "identity" | "self-name" | "prefix";
}

/**
 * Finds who is meant: a full DID, a petname, an identity of this machine, a unique self-chosen name, or a unique prefix of
 * at least five characters after `z6Mk`.
 * @param directory - asked only if nothing local fits
 * @throws {CliError} ERR_NOT_FOUND with the nearest names, ERR_USAGE if several fit, ERR_DID_INVALID
 */
export async function findAgent(
  context: Context,
  text: string,
  directory?: () => Promise<Directory | undefined>,
): Promise<Agent> {
  if (text.startsWith("did:")) {
    const did = checkedDid(text);
    return { did, name: await ownName(context, did), how: "did" };
  }
  const names = await context.names();
  const named = names.get(text);
  if (named !== undefined) return { did: named, name: text, how: "petname" };
  if ((await identityNames(context.paths)).includes(text)) {
    const file = await findIdentity(context.paths, text);
    if (file) return { did: file.did, name: text, how: "identity" };
  }
  const known = new Map<Did, string | undefined>();
  for (const did of [...names.values(), ...(await context.roots())]) known.set(did, undefined);
  for (const { did, name } of (await directory?.())?.agents() ?? []) known.set(did, name);
  const matches = matching(text, known);
  const [match] = matches;
  if (match === undefined) throw await notFound(context, text, known);
  if (matches.length > 1) {
    const list = matches
      .slice(0, 5)
      .map((entry) => `${entry.did}${entry.selfName === undefined ? "" : ` (${visible(entry.selfName)})`}`);
    throw usage(`${visible(text)} could be ${matches.length} agents: ${list.join(" ")}`, "give more of the DID");
  }
  return { ...match, name: await ownName(context, match.did) };
}

/**
 * As {@link findAgent}, for what will be signed or believed: only a full DID, a petname or an own identity stands alone.
 * Names and prefixes can be ground out, so for them the whole DID is shown and a yes is asked for.
 */
export async function findAgentToSign(
  context: Context,
  text: string,
  what: string,
  directory?: () => Promise<Directory | undefined>,
): Promise<Agent> {
  const agent = await findAgent(context, text, directory);
  if (agent.how === "self-name" || agent.how === "prefix") {
    context.say(`  ${visible(text)} is ${styledDid(context.err, agent.did)}`);
    if (!context.canAsk)
      throw usage(
        `${what} needs the full DID or a name of your own`,
        `${agent.did}, or: peerage names set <name> ${agent.did}`,
      );
    if (!(await context.confirm(`${what}: is this the agent you mean?`)))
      throw usage("nothing was done: not the agent you mean");
  }
  return agent;
}

/** The user's own name for a DID: a petname, or the name of an identity on this machine. */
export async function ownName(context: Context, did: Did): Promise<string | undefined> {
  const name = await context.nameOf(did);
  if (name !== undefined) return name;
  for (const identity of await identityNames(context.paths)) {
    const file = await findIdentity(context.paths, identity).catch(() => undefined);
    if (file?.did === did) return identity;
  }
  return undefined;
}

/** @throws {CliError} ERR_DID_INVALID, exit 2: it was typed, not received */
export function checkedDid(text: string): Did {
  try {
    return parseDid(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : "not acceptable";
    throw new CliError("ERR_DID_INVALID", `${visible(text)} is no usable DID: ${why}`, { exit: 2 });
  }
}

function matching(text: string, known: ReadonlyMap<Did, string | undefined>): (Agent & { name: undefined })[] {
  const entries = [...known];
  const bySelfName = entries.filter(([, name]) => name === text);
  if (bySelfName.length > 0)
    return bySelfName.map(([did, selfName]) => ({ did, name: undefined, selfName, how: "self-name" }));
  const multibase = text.startsWith("z6Mk") ? text : `z6Mk${text}`;
  if (multibase.length < 9) return [];
  const byPrefix = entries.filter(([did]) => did.startsWith(`did:key:${multibase}`));
  return byPrefix.map(([did, selfName]) => ({ did, name: undefined, selfName, how: "prefix" }));
}

async function notFound(
  context: Context,
  text: string,
  known: ReadonlyMap<Did, string | undefined>,
): Promise<CliError> {
  const labels = new Map<string, Did>();
  for (const [did, name] of known) if (name !== undefined) labels.set(name, did);
  for (const [name, did] of await context.names()) labels.set(name, did);
  const near = nearest(text, labels.keys());
  const hint = near.map((name) => `${visible(name)} (${fingerprint(labels.get(name) ?? ("" as Did))})`).join(", ");
  return new CliError("ERR_NOT_FOUND", `no agent is called ${visible(text)}`, {
    hint: hint === "" ? "peerage find, or give the full DID" : `did you mean ${hint}?`,
  });
}
