import { basename, resolve } from "node:path";
import { type Did, isJsonObject, type JsonObject, parseJson, PeerageError } from "@peerage/core";
import { type Agent, findAgent } from "../agents.ts";
import { newAgentCard, signAgentCard } from "../bridges/agent-card.ts";
import { chainTo } from "../bridges/chain.ts";
import type { Context, Options } from "../context.ts";
import { describeError, usage } from "../errors.ts";
import { isLoopback } from "../files/config.ts";
import { writeNewFile } from "../files/new-file.ts";
import { readInput } from "../files/read-input.ts";
import { directory, freshSnapshot, type Snapshot } from "../network.ts";
import { escaped, type Result } from "../output.ts";
import { presentedVouches } from "../presented.ts";
import type { Args } from "../tree.ts";
import { fingerprint, styledDid } from "../ui/agent.ts";
import { count, rfc3339 } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";

const MAX_CARD_BYTES = 262_144;

/** `peerage export a2a`: an A2A agent card that shows who stands for the agent, signed by the identity in use. */
export async function run(context: Context, { words: [text], options }: Args): Promise<Result> {
  if ((text === undefined) === (options["self"] !== true))
    throw usage("whose card is it?", "peerage export a2a --self, or peerage export a2a <agent>");
  const scope = await context.scope(options["scope"]);
  const snapshot =
    (await context.registry()) === undefined ? undefined : await freshSnapshot(context, options["maxAge"]);
  const agent = await agentOf(context, text, snapshot);
  const given = await givenCard(context, options);
  const card = given ?? newAgentCard(await textOf(agent, scope, options, snapshot));
  const vouches = await vouchesFor(context, agent.did, scope, options, snapshot);
  if (vouches.length === 0) context.warn(`nobody vouches for ${agent.did} in ${scope}: the card shows no one`);
  const had = given?.["signatures"];
  if (Array.isArray(had) && had.length > 0)
    context.warn(
      `${count(had.length, "signature")} of the given card would no longer hold and ${had.length > 1 ? "are" : "is"} left out`,
    );
  const signer = await context.signer({ passphraseFile: options["passphraseFile"] });
  const created = rfc3339(context.io.now().getTime() / 1000);
  const chain = { subject: agent.did, scope, created, registry: snapshot?.url, vouches };
  const signed = await signAgentCard(card, withoutUndefined(chain), signer);
  const json = `${JSON.stringify(signed, null, 2)}\n`;
  const out = typeof options["out"] === "string" ? resolve(context.io.cwd, options["out"]) : undefined;
  const dryRun = options["dryRun"] === true;
  if (out !== undefined && !dryRun) await writeNewFile(out, json);
  const { ui } = context;
  return {
    data: {
      agent: agent.did,
      signer: signer.did,
      scope,
      vouches: vouches.length,
      file: out ?? null,
      dryRun,
      card: signed,
    },
    text:
      out === undefined || dryRun
        ? [escaped(json.trimEnd())]
        : [
            ...ui.facts([
              {
                mark: "ok",
                label: "card",
                value: `${visible(basename(out), 200)}, of ${agent.name ?? fingerprint(agent.did)}`,
              },
              { label: "signed by", value: styledDid(ui, signer.did) },
              { label: "shows", value: `${count(vouches.length, "vouch")} in ${scope}` },
            ]),
            `  ${ui.dim("serve it at /.well-known/agent-card.json; others check it with peerage verify")}`,
          ],
    plain: [[agent.did, signer.did, scope, vouches.length]],
  };
}

async function agentOf(context: Context, text: string | undefined, snapshot: Snapshot | undefined): Promise<Agent> {
  if (text === undefined) {
    const { did, name } = await context.identityFile();
    return { did, name, how: "identity" };
  }
  return findAgent(context, text, async () => snapshot && directory(snapshot.view, snapshot.names));
}

/** The card of `--card`, to which the chain is added. */
async function givenCard(context: Context, options: Options): Promise<JsonObject | undefined> {
  const path = options["card"];
  if (typeof path !== "string") return undefined;
  const own = ["url", "name", "description", "binding", "cardVersion"].find((flag) => options[flag] !== undefined);
  if (own !== undefined)
    throw usage("what --card says is not said again by other flags", "give --card, or --url and the rest");
  const bytes = await readInput(context, path === "-" ? path : resolve(context.io.cwd, path), MAX_CARD_BYTES);
  try {
    const card = parseJson(bytes, { maxBytes: MAX_CARD_BYTES });
    if (isJsonObject(card)) return card;
  } catch (error) {
    throw new PeerageError("ERR_REQUEST_INVALID", `${visible(path, 200)}: ${describeError(error).message}`);
  }
  throw new PeerageError("ERR_REQUEST_INVALID", `${visible(path, 200)} is no agent card: it is no JSON object`);
}

async function textOf(
  { did, name, selfName }: Agent,
  scope: string,
  options: Options,
  snapshot: Snapshot | undefined,
): Promise<Parameters<typeof newAgentCard>[0]> {
  const text = (flag: string): string | undefined => {
    const value = options[flag];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const called = text("name") ?? selfName ?? (await snapshot?.names.of(snapshot.view, did)) ?? name ?? fingerprint(did);
  return {
    name: called,
    description: text("description") ?? `The agent ${did}`,
    version: text("cardVersion") ?? "1.0.0",
    url: endpoint(text("url")),
    binding: text("binding") ?? "JSONRPC",
    scope,
  };
}

function endpoint(text: string | undefined): string {
  if (text === undefined) throw usage("an agent card says where the agent answers", "--url <url>, or --card <file>");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname));
  if (!isSafe) throw usage(`${visible(text, 200)} is no https URL`, "--url https://agent.example/a2a");
  return text;
}

/** The vouches of `--present`, else those that the registry has. */
async function vouchesFor(
  context: Context,
  subject: Did,
  scope: string,
  options: Options,
  snapshot: Snapshot | undefined,
): Promise<readonly JsonObject[]> {
  const presented = await presentedVouches(context, options);
  if (presented.length > 0 || !snapshot) return presented;
  const given = (options["root"] as string[] | undefined) ?? [];
  const agents = given.map((one) => findAgent(context, one, () => directory(snapshot.view, snapshot.names)));
  const roots = (await Promise.all(agents)).map(({ did }) => did);
  return chainTo(snapshot.view, { subject, scope, roots }).map(({ statement }) => statement.document);
}

function withoutUndefined<T extends { registry?: string | undefined }>({ registry, ...rest }: T): T {
  return { ...rest, ...(registry === undefined ? {} : { registry }) } as T;
}
