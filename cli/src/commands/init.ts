import { generateSeed, parseDid } from "@peerage/core";
import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { writeRoots } from "../files/book.ts";
import { isRegistryUrl, writeSetting } from "../files/config.ts";
import { findIdentity, identityName, identityNames, keyPaths, openIdentity } from "../files/identities.ts";
import { type Membership, membershipOf, roles } from "../files/join.ts";
import { createKeyFile, inspectKeyFile } from "../files/key-file.ts";
import { tilde } from "../files/paths.ts";
import { chosenPassphrase } from "../keys/passphrase.ts";
import { suggestedRoots } from "../network.ts";
import type { Result } from "../output.ts";
import { submit, submitNote } from "../submit.ts";
import type { Args } from "../tree.ts";
import { styledDid } from "../ui/agent.ts";
import type { Fact } from "../ui/terminal.ts";
import { visible } from "../ui/visible.ts";

/** `peerage init`: makes an identity, and joins a registry if one is named. Safe to run again. */
export async function run(context: Context, { words: [word], options }: Args): Promise<Result> {
  const name = await chooseName(context, word);
  const role = roles.find((known) => known === (options["role"] ?? "agent"));
  if (role === undefined) throw usage(`${visible(String(options["role"]))} is no role`, `one of: ${roles.join(", ")}`);
  if (options["roots"] !== undefined && options["roots"] !== "registry")
    throw usage("roots come from the registry", "--roots registry");
  const registry = await context.registry();
  if (options["dryRun"] === true) return plan(context, name, registry);

  const { facts, created } = await makeKeys(context, name, options);
  const file = await findIdentity(context.paths, name);
  if (!file) throw new CliError("ERR_IDENTITY_MISSING", `the key of ${name} is not there`);
  if ((await context.settings()).value("identity") === undefined) await writeSetting(context.paths, "identity", name);

  const joined = registry === undefined ? undefined : await join(context, name, role, registry, options);
  if (joined) facts.push({ mark: "ok", label: "joined", value: `${registry ?? ""}, log entry #${joined.index}` });
  const roots = await takeRoots(context, registry, options["roots"] === "registry");
  facts.push(roots.fact);
  const { ui } = context;
  return {
    data: {
      name,
      did: file.did,
      path: file.path,
      created,
      locked: file.locked,
      recovery: keyPaths(context.paths, name).recovery,
      registry: registry ?? null,
      ...(joined ? { index: joined.index } : {}),
      roots: roots.mine,
      suggestedRoots: roots.suggested,
    },
    text: [
      ...ui.facts(facts),
      "",
      ...(created && role === "agent" ? ["  Nobody vouches for you yet, so most servers will refuse you."] : []),
      ...ui.table(
        nextSteps(role, name).map(([line, what], i) => [ui.dim(i === 0 ? "Next" : ""), ui.pad(line, 38), what]),
      ),
    ],
    plain: [[file.did, file.path]],
  };
}

/** What one usually does next: an agent calls, a server is guarded, people decide whom to trust. */
function nextSteps(role: (typeof roles)[number], name: string): [string, string][] {
  switch (role) {
    case "agent":
      return [
        ["peerage whoami --share", "a message to ask for a vouch"],
        ["peerage proxy -- npx some-mcp-server", "sign every call of this client"],
        ["peerage call <url> <tool>", "one signed call, to try a server"],
      ];
    case "server":
      return [
        ["peerage policy init server", "write a policy to start from"],
        ["peerage help guard", "put the gate before your server"],
      ];
    case "person":
    case "organization":
      return [
        [`peerage roots add ${name}`, "begin your trust with yourself"],
        ["peerage find", "who is there"],
        ["peerage vouch <agent>", "stand for an agent, in public"],
      ];
  }
}

async function chooseName(context: Context, word: string | undefined): Promise<string> {
  const name =
    word ?? (await context.settings()).value("identity") ?? (await identityNames(context.paths))[0] ?? "agent";
  if (!identityName.test(name))
    throw usage(`${visible(name)} is no name for an identity`, "lower-case letters, digits, - and _");
  if ((await context.names()).has(name))
    throw usage(`${name} is your name for another agent`, `peerage names remove ${name}`);
  return name;
}

function plan(context: Context, name: string, registry: string | undefined): Result {
  const { current, next, recovery } = keyPaths(context.paths, name);
  const { ui } = context;
  return {
    data: { name, dryRun: true, path: current, next, recovery, registry: registry ?? null },
    text: ui.facts([
      { mark: "none", label: "would make", value: `${tilde(context.paths, current)} (0600)` },
      { label: "next key", value: tilde(context.paths, next) },
      { label: "recovery", value: tilde(context.paths, recovery) },
      { label: "join", value: registry ?? "no registry is named" },
    ]),
  };
}

/** Makes what is missing, the current key last: an identity exists once all of its keys do. */
async function makeKeys(
  context: Context,
  name: string,
  options: Args["options"],
): Promise<{ facts: Fact[]; created: boolean }> {
  const { paths, ui } = context;
  const { current, next, recovery } = keyPaths(paths, name);
  const known = await inspectKeyFile(current);
  if (known) {
    await findIdentity(paths, name);
    return {
      created: false,
      facts: [
        { mark: "ok", label: "have a key", value: styledDid(ui, parseDid(known.did)) },
        {
          label: "kept at",
          value: `${tilde(paths, current)} ${ui.dim(known.locked ? "(0600, sealed)" : "(0600, no passphrase)")}`,
        },
      ],
    };
  }
  const passphrase = await chosenPassphrase(context, options);
  for (const path of [next, recovery])
    if (!(await inspectKeyFile(path))) await createKeyFile(path, generateSeed(), passphrase);
  const did = await createKeyFile(current, generateSeed(), passphrase);
  return {
    created: true,
    facts: [
      { mark: "ok", label: "made a key", value: styledDid(ui, did) },
      {
        label: "kept at",
        value: `${tilde(paths, current)} ${ui.dim(passphrase === undefined ? "(0600, no passphrase)" : "(0600, sealed)")}`,
      },
      { mark: "ok", label: "recovery", value: `${tilde(paths, recovery)} ${ui.dim("(move it away)")}` },
    ],
  };
}

async function join(
  context: Context,
  name: string,
  role: (typeof roles)[number],
  registry: string,
  options: Args["options"],
): Promise<{ index: number }> {
  const file = await findIdentity(context.paths, name);
  if (!file) throw new CliError("ERR_IDENTITY_MISSING", `the key of ${name} is not there`);
  const passphraseFile = options["passphraseFile"];
  const membership: Membership = await membershipOf(
    context.paths,
    name,
    () =>
      openIdentity(file, () =>
        context.passphrase(name, typeof passphraseFile === "string" ? passphraseFile : undefined),
      ),
    { role, now: context.io.now() },
  );
  const { index } = await submit(registry, membership.init, { wait: false });
  for (const event of membership.events) await submit(registry, event);
  await submit(registry, membership.profile);
  try {
    await submitNote(registry, membership.note);
  } catch (error) {
    // A registry may keep no notes, and an erased one stays erased; the statements stand without it.
    if (!(error instanceof CliError) || error.exit === 7) throw error;
  }
  if (isRegistryUrl(registry) && (await context.settings()).get("registry")?.origin === "flag") {
    const user = await context.userSetting("registry");
    if (user === undefined) await writeSetting(context.paths, "registry", registry);
  }
  return { index };
}

async function takeRoots(
  context: Context,
  registry: string | undefined,
  take: boolean,
): Promise<{ fact: Fact; mine: number; suggested: number }> {
  const mine = await context.roots();
  const suggested = registry === undefined ? [] : (await suggestedRoots(context)).filter((did) => !mine.includes(did));
  const count = (n: number): string => (n === 1 ? "1 root" : `${n} roots`);
  if (
    suggested.length > 0 &&
    (take ||
      (context.canAsk &&
        (await context.confirm(`start to trust from the ${suggested.length} roots of ${registry ?? ""}?`))))
  ) {
    await writeRoots(context.paths, [...mine, ...suggested]);
    const value = `${count(suggested.length)} taken from the registry (peerage roots list)`;
    return { fact: { mark: "ok", label: "roots", value }, mine: mine.length + suggested.length, suggested: 0 };
  }
  if (mine.length > 0)
    return {
      fact: { mark: "ok", label: "roots", value: count(mine.length) },
      mine: mine.length,
      suggested: suggested.length,
    };
  const value =
    suggested.length > 0
      ? `none yet; the registry suggests ${suggested.length} (peerage roots add --from registry)`
      : "none yet: everyone is unknown to you (peerage roots add)";
  return { fact: { mark: "warn", label: "roots", value }, mine: 0, suggested: suggested.length };
}
