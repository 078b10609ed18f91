import { readFile, writeFile } from "node:fs/promises";
import {
  CALL_META,
  canonicalAudience,
  type Did,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  member,
  parseJson,
  RECEIPT_META,
} from "@peerage/core";
import { type CallSigner, commandEndpoint, type Endpoint, REFUSAL_META } from "@peerage/mcp-middleware";
import type { Context, Options } from "../context.ts";
import { describeError, type Exit, exitOf, usage } from "../errors.ts";
import { openHistory, readTokens, writeTokens } from "../history-file.ts";
import { McpClient, type Reply } from "../mcp-client.ts";
import { headersOf, serverUrl, signerFor } from "../mcp-signer.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { fingerprint } from "../ui/agent.ts";
import type { Fact } from "../ui/terminal.ts";
import { visible, visibleLines } from "../ui/visible.ts";

/** `peerage call`: one signed call, its answer and its receipt. Exit 3 if it was refused. */
export async function run(context: Context, { words, rest, options }: Args): Promise<Result> {
  const { endpoint, tool } = target(words, rest);
  const message: JsonObject = { method: "tools/call", params: { name: tool, arguments: await argumentsOf(options) } };
  const timeout = Number(options["timeout"] ?? 60);
  if (!(timeout > 0 && timeout <= 86_400)) throw usage("--timeout is a number of seconds");
  const alarms: string[] = [];
  const path = typeof options["history"] === "string" ? options["history"] : undefined;
  const entries = path === undefined ? undefined : ((await readTokens(path)) ?? []);
  if (entries !== undefined && entries.length > 0) await openHistory(context, entries);
  const alarm = (text: string): void => {
    alarms.push(text);
    context.warn(text);
  };
  await using made = await signerFor(context, endpoint, options, alarm, { entries });
  const { signer, pins, receipts, received, agent } = made;
  if (options["dryRun"] === true) return await rehearse(context, signer, message);

  const recorded = recorder(signer);
  await using client = new McpClient(endpoint, {
    signer: recorded.signer,
    headers: headersOf(options),
    agent,
    env: context.io.env,
    cwd: context.io.cwd,
    log: (line) => {
      if (context.globals.verbose === true) context.say(`  ${visible(line, 300)}`);
    },
  });
  await client.initialize(timeout);
  const reply = await client.request("tools/call", message["params"] as JsonObject, timeout);
  await signer.settled();
  await receipts.flush();
  const server = pins.get(
    "url" in endpoint ? canonicalAudience(endpoint.url) : commandEndpoint(endpoint.command, endpoint.args),
  )?.did;
  const outcome = judge(reply, alarms, made.newest);
  if (path !== undefined && entries !== undefined && received.length > 0) {
    const grown = [...entries, ...received];
    await openHistory(context, grown);
    await writeTokens(path, grown);
  }
  const kept = await keep(options, outcome, recorded.token(), message, server);
  return present(context, outcome, { tool, server, signed: recorded.token() !== undefined, kept });
}

function target(words: readonly string[], rest: readonly string[]): { endpoint: Endpoint; tool: string } {
  const [first = "", second] = words;
  const [command, ...args] = rest;
  if (command !== undefined) {
    if (second !== undefined)
      throw usage("with a command after --, only the tool is named", "peerage call <tool> -- <command…>");
    return { endpoint: { command, args }, tool: first };
  }
  if (second === undefined)
    throw usage("the tool is missing", "peerage call <url> <tool>, or: peerage call <tool> -- <command…>");
  return { endpoint: { url: serverUrl(first) }, tool: second };
}

async function argumentsOf(options: Options): Promise<JsonObject> {
  const file = options["args"];
  let all: Record<string, JsonValue> = {};
  if (typeof file === "string") {
    const text = await readFile(file === "-" ? "/dev/stdin" : file);
    let json: JsonValue;
    try {
      json = parseJson(text);
    } catch (error) {
      throw usage(`--args: ${describeError(error).message}`);
    }
    if (!isJsonObject(json)) throw usage("--args is a file with a JSON object");
    all = { ...json };
  }
  for (const pair of (options["arg"] as string[] | undefined) ?? []) {
    const at = pair.indexOf("=");
    if (at < 1) throw usage(`${visible(pair)} is no argument`, "--arg name=value");
    all[pair.slice(0, at)] = valueOf(pair.slice(at + 1));
  }
  return all;
}

/** A value that is JSON is taken as such (`3`, `true`, `["a"]`); anything else is text. */
function valueOf(text: string): JsonValue {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

async function rehearse(context: Context, signer: CallSigner, message: JsonObject): Promise<Result> {
  if (signer.audience === undefined) {
    throw usage(
      "the server behind this command is not known yet, so nothing can be signed for it",
      "--audience <did>, or call it once",
    );
  }
  const signed = await signer.sign({ jsonrpc: "2.0", id: 1, ...message });
  const bytes = JSON.stringify(signed);
  const { ui } = context;
  return {
    data: { dryRun: true, audience: signer.audience, message: signed },
    text: [
      ...ui.facts([{ mark: "none", label: "would send", value: `to ${visible(signer.audience, 200)}` }]),
      "",
      bytes,
    ],
  };
}

/** The signer, remembering the proof of the tool call that it made. */
function recorder(signer: CallSigner): { signer: CallSigner; token: () => string | undefined } {
  let token: string | undefined;
  const recording: CallSigner = {
    get did() {
      return signer.did;
    },
    // A bridge looks at such a signer's receipts at once and not after it has answered: here the answer says what they are.
    presentsHistory: true,
    get audience() {
      return signer.audience;
    },
    sign: async (message) => {
      const signed = await signer.sign(message);
      const proof = member(member(signed["params"], "_meta"), CALL_META);
      if (message["method"] === "tools/call" && typeof proof === "string") token = proof;
      return signed;
    },
    signHeader: (subject) => signer.signHeader(subject),
    received: (message) => signer.received(message),
    settled: () => signer.settled(),
  };
  return { signer: recording, token: () => token };
}

interface Outcome {
  readonly exit: Exit;
  readonly admitted: boolean;
  readonly reason?: string;
  readonly message?: string;
  readonly result?: JsonObject;
  readonly receipt?: string;
  readonly receiptHolds: boolean;
}

/** @param verified - the receipt that was verified last: any other that came along does not hold */
function judge(reply: Reply, alarms: readonly string[], verified: string | undefined): Outcome {
  const isAlarmed = alarms.some((text) => text.startsWith("ERR_RECEIPT_INVALID"));
  const holds = (receipt: string | undefined): boolean => !isAlarmed && (receipt === undefined || receipt === verified);
  if ("error" in reply) {
    const { message, data } = reply.error;
    const reason = member(data, "reason");
    const told = typeof message === "string" ? message : "the server answered with an error";
    const receipt = text(member(data, "receipt"));
    const base = {
      admitted: typeof reason !== "string",
      message: told,
      receiptHolds: holds(receipt),
      ...(receipt === undefined ? {} : { receipt }),
    };
    if (typeof reason !== "string") return { ...base, exit: 1 };
    return {
      ...base,
      exit: reason.startsWith("ERR_APPROVAL_REQUIRED") ? 8 : reason === "ERR_UPSTREAM_UNAVAILABLE" ? exitOf(reason) : 3,
      reason,
    };
  }
  const { result } = reply;
  const meta = result["_meta"];
  const refusal = member(member(meta, REFUSAL_META), "reason");
  const receipt = text(member(meta, RECEIPT_META));
  const receiptHolds = holds(receipt);
  const base = { result, receiptHolds, ...(receipt === undefined ? {} : { receipt }) };
  if (typeof refusal === "string") {
    const { content } = result;
    const first = Array.isArray(content) ? text(member(content[0] as JsonValue, "text")) : undefined;
    return {
      ...base,
      exit: refusal === "ERR_APPROVAL_REQUIRED" ? 8 : 3,
      admitted: false,
      reason: refusal,
      message: first ?? refusal,
    };
  }
  if (!receiptHolds) return { ...base, exit: 6, admitted: true };
  return { ...base, exit: result["isError"] === true ? 1 : 0, admitted: true };
}

async function keep(
  options: Options,
  { receipt, result }: Outcome,
  token: string | undefined,
  request: JsonObject,
  server: Did | undefined,
): Promise<string | undefined> {
  const path = options["receipt"];
  if (typeof path !== "string" || receipt === undefined || token === undefined || server === undefined)
    return undefined;
  const record = `${JSON.stringify({ v: 1, server, proof: token, request, result: result ?? null, receipt }, null, 2)}\n`;
  await writeFile(path, record, { flag: "wx", mode: 0o600 });
  return path;
}

function present(
  context: Context,
  outcome: Outcome,
  { tool, server, signed, kept }: { tool: string; server: Did | undefined; signed: boolean; kept: string | undefined },
): Result {
  const { ui } = context;
  const { exit, admitted, reason, message, result, receipt, receiptHolds } = outcome;
  const who = server === undefined ? "a server that does not name itself" : fingerprint(server);
  const facts: Fact[] = [
    { mark: exit === 0 ? "ok" : exit === 8 ? "wait" : "no", label: visible(tool, 32), value: told(outcome, who) },
  ];
  if (!signed) facts.push({ mark: "warn", label: "signed", value: "no: the server asked for no proof, and got none" });
  if (receipt !== undefined) {
    facts.push({
      mark: receiptHolds ? "ok" : "no",
      label: "receipt",
      value: receiptHolds ? `signed by ${who}${kept === undefined ? "" : `, kept in ${kept}`}` : "does not hold",
    });
  }
  const lines = contentLines(result);
  return {
    exit,
    data: {
      tool,
      server: server ?? null,
      signed,
      admitted,
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
      ...(result === undefined ? {} : { result }),
      receipt: receipt ?? null,
      receiptHolds: receipt === undefined ? null : receiptHolds,
      ...(kept === undefined ? {} : { record: kept }),
    },
    text: [...ui.facts(facts), ...(admitted && lines.length > 0 ? ["", ...lines.map((line) => `  ${line}`)] : [])],
    plain: lines.map((line) => [line]),
  };
}

function told({ admitted, message, result, exit }: Outcome, who: string): string {
  if (!admitted) return visible(message ?? "refused", 400);
  if (message !== undefined) return visible(message, 400);
  return result?.["isError"] === true || exit === 1 ? `answered by ${who} with an error` : `answered by ${who}`;
}

/** What a tool answered, as lines: text as it is, everything else by its kind. */
function contentLines(result: JsonObject | undefined): string[] {
  const content = result?.["content"];
  if (!Array.isArray(content)) return [];
  return content.flatMap((item: JsonValue) => {
    const shown = text(member(item, "text"));
    if (shown !== undefined) return visibleLines(shown);
    const type = text(member(item, "type")) ?? "something";
    const mime = text(member(item, "mimeType"));
    return [`[${visible(type)}${mime === undefined ? "" : ` ${visible(mime)}`}]`];
  });
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
