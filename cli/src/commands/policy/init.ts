import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isJsonObject, type JsonValue, member, parsePolicy } from "@peerage/core";
import type { Endpoint } from "@peerage/mcp-middleware";
import type { Context, Options } from "../../context.ts";
import { CliError, usage } from "../../errors.ts";
import { codeOf } from "../../files/safe-file.ts";
import { McpClient } from "../../mcp-client.ts";
import { headersOf, serverUrl, signerFor } from "../../mcp-signer.ts";
import type { Result } from "../../output.ts";
import { templates } from "../../policy/templates.ts";
import type { Args } from "../../tree.ts";
import { visible } from "../../ui/visible.ts";

/** `peerage policy init`: writes a commented policy to start from. Never over a file that is there. */
export async function run(context: Context, { words: [word = "laptop"], rest, options }: Args): Promise<Result> {
  const template = Object.entries(templates).find(([name]) => name === word)?.[1];
  if (template === undefined)
    throw usage(`there is no policy called ${visible(word)}`, `one of: ${Object.keys(templates).join(", ")}`);
  const path = typeof options["out"] === "string" ? options["out"] : "policy.yaml";
  const tools = await proposedTools(context, rest, options);
  const approvers = word === "approvals" ? await someApprover(context) : undefined;
  const text = template({
    schema: schemaLine(resolve(context.io.cwd, path)),
    readonly: tools?.filter(({ isReadonly }) => isReadonly).map(({ name }) => name),
    others: tools?.filter(({ isReadonly }) => !isReadonly).map(({ name }) => name),
    approver: approvers,
  });
  // What is handed out is read first, as a guard will read it.
  const { digest } = parsePolicy(text);
  const dryRun = options["dryRun"] === true;
  if (!dryRun) await create(resolve(context.io.cwd, path), text);
  const { ui } = context;
  return {
    data: { path, template: word, digest, dryRun, text, ...(tools ? { tools } : {}) },
    text: dryRun
      ? text
          .trimEnd()
          .split("\n")
          .map((line) => visible(line, 400))
      : [
          ...ui.facts([
            { mark: "ok", label: "wrote", value: visible(path, 200) },
            ...(tools
              ? [
                  {
                    label: "tools",
                    value: `${tools.length} of the server, ${tools.filter(({ isReadonly }) => isReadonly).length} said to be read-only`,
                  },
                ]
              : []),
          ]),
          ...ui.table([
            [ui.dim("Next"), `peerage policy check ${visible(path, 200)}`],
            ["", `peerage guard --policy ${visible(path, 200)} -- <command${ui.mark.ellipsis}>`],
          ]),
        ],
    plain: [[path, digest]],
  };
}

async function create(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: "wx", mode: 0o644 });
  } catch (error) {
    if (codeOf(error) === "EEXIST")
      throw usage(`${visible(path, 200)} is there already and is never overwritten`, "--out <another file>");
    throw error;
  }
}

interface ListedTool {
  readonly name: string;
  /** The server's own word, `readOnlyHint`: a hint, so the operator reads what is proposed. */
  readonly isReadonly: boolean;
}

/** The tools of a server that is named by `--from` or by a command after `--`. */
async function proposedTools(
  context: Context,
  rest: readonly string[],
  options: Options,
): Promise<ListedTool[] | undefined> {
  const [command, ...args] = rest;
  const from = options["from"];
  if (command !== undefined && from !== undefined) throw usage("name one server: --from <url>, or a command after --");
  if (command === undefined && typeof from !== "string") return undefined;
  const endpoint: Endpoint = command === undefined ? { url: serverUrl(String(from)) } : { command, args };
  const { signer } = await signerFor(context, endpoint, options, (text) => context.warn(text));
  await using client = new McpClient(endpoint, {
    signer,
    headers: headersOf(options),
    env: context.io.env,
    cwd: context.io.cwd,
    log: () => undefined,
  });
  await client.initialize(30);
  const tools: ListedTool[] = [];
  let cursor: JsonValue | undefined;
  do {
    const reply = await client.request("tools/list", cursor === undefined ? {} : { cursor }, 30);
    if ("error" in reply) throw new CliError("ERR_UPSTREAM_UNAVAILABLE", "the server does not list its tools");
    const listed = reply.result["tools"];
    for (const tool of Array.isArray(listed) ? listed : []) {
      // A name with a star would be a pattern in the policy.
      if (!isJsonObject(tool) || typeof tool["name"] !== "string" || tool["name"].includes("*")) continue;
      tools.push({ name: tool["name"], isReadonly: member(tool["annotations"], "readOnlyHint") === true });
    }
    cursor = reply.result["nextCursor"];
  } while (typeof cursor === "string" && tools.length < 1_000);
  return tools.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** An identity of this machine that can stand in the template where an approver's own DID belongs. */
async function someApprover(context: Context): Promise<string> {
  return (await context.identityFile()).did;
}

/** Names the schema for editors, relative to the policy, if this installation has it. */
function schemaLine(path: string): string | undefined {
  const schema = fileURLToPath(new URL("../schema/policy.v1.json", import.meta.resolve("@peerage/core")));
  return existsSync(schema) ? `# yaml-language-server: $schema=${relative(dirname(path), schema)}` : undefined;
}
