import { dirname, resolve } from "node:path";
import {
  completeInput,
  decide,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJson,
  requestDigest,
} from "@peerage/core";
import { z } from "zod";
import type { Context, Options } from "../context.ts";
import { CliError, describeError } from "../errors.ts";
import { tilde } from "../files/paths.ts";
import type { Result } from "../output.ts";
import { loadPolicy } from "../policy/source.ts";
import type { Args } from "../tree.ts";
import { rfc3339 } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import { ownCommand, shellWord } from "../own-command.ts";
import { recordStep, type RecordedStep, runFileOf } from "./hook-record.ts";

const MAX_EVENT_BYTES = 8 * 1_048_576;

/** What a host sends on stdin before and after a tool call; members that are not read here may be anything. */
const eventForm = z.looseObject({
  hook_event_name: z.enum(["PreToolUse", "PostToolUse", "PostToolUseFailure"]),
  session_id: z.string().min(1).max(512),
  tool_name: z.string().min(1).max(256),
  // Anything else would be judged as if there were no arguments.
  tool_input: z.custom<JsonObject>((input) => isJsonObject(input as JsonValue)),
  tool_use_id: z.string().max(512).optional(),
});
type HookEvent = z.infer<typeof eventForm>;

/** What the host is told: nothing, which leaves the call to its own rules, or a no, or a question to the person. */
interface Ruling {
  readonly decision: "none" | "deny" | "ask";
  readonly reason?: string;
}

/**
 * `peerage hook`: what a host such as Claude Code runs before and after each tool call. Each becomes a signed step of the
 * agent's history, by the digest of its arguments; with `--policy` what the policy denies is denied. It answers in the
 * host's own form, and never allows anything that the host would have asked about.
 *
 * A fault of ours is told and blocks nothing (exit 1 is that to hosts, exit 2 blocks), unless the owner asked for it:
 * with `--require` what cannot be recorded is denied, with `--policy` what cannot be decided, and with either what cannot
 * be read, the reason beside it. What the policy denies stays denied where it cannot be recorded.
 */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const event = await readEvent(context, options["require"] === true || options["policy"] !== undefined);
  const before = event.hook_event_name === "PreToolUse";
  const ruling: Ruling = before ? await rule(context, options, event) : { decision: "none" };
  let recorded: RecordedStep | undefined;
  let fault: string | undefined;
  try {
    recorded = await recordStep(context, options, stepOf(event, ruling));
  } catch (error) {
    const { message, hint } = describeError(error);
    fault = `not recorded: ${message}${hint === undefined ? "" : ` (${hint})`}`;
    const isAnswered = before && (options["require"] === true || ruling.decision !== "none");
    if (!isAnswered) throw unblocking(error);
    context.warn(fault);
  }
  const answer: Ruling =
    fault !== undefined && options["require"] === true ? { decision: "deny", reason: `peerage: ${fault}` } : ruling;
  return {
    data: {
      event: event.hook_event_name,
      tool: event.tool_name,
      ...answer,
      recorded: recorded !== undefined,
      ...(recorded === undefined ? {} : { digest: recorded.digest, run: recorded.run, file: recorded.file }),
    },
    text: [JSON.stringify(hostAnswer(event, answer))],
  };
}

/** `peerage hook settings`: how a host is told to run the hook, and where the steps of a session are kept. */
export function settings(context: Context, { options }: Args): Promise<Result> {
  // A host that does not find the command lets the call pass, so it is named whole.
  const command = [...ownCommand, ...flagsOf(context, options)].map(shellWord).join(" ");
  // A hook that is late is passed over by the host: far more than it ever takes, so that a busy machine lets nothing by.
  const hooks = [{ matcher: "*", hooks: [{ type: "command", command, timeout: 60 }] }];
  // Not PostToolUseFailure: a host that does not know it passes over the whole file, and with it what denies.
  const document = { hooks: { PreToolUse: hooks, PostToolUse: hooks } };
  const { ui } = context;
  return Promise.resolve({
    data: {
      host: "claude-code",
      file: "~/.claude/settings.json",
      settings: document,
      steps: dirname(runFileOf(context, "")),
    },
    text: [
      ...JSON.stringify(document, null, 2).split("\n"),
      "",
      ...ui.table([
        [ui.dim("put it"), "into ~/.claude/settings.json, or the project's .claude/settings.json"],
        [
          ui.dim("steps"),
          `${tilde(context.paths, dirname(runFileOf(context, "")))}: one file a session (peerage history show)`,
        ],
      ]),
    ],
  });
}

/** The policy is named whole: a host runs the hook in whatever folder its agent works in. */
function flagsOf({ io, globals }: Context, options: Options): string[] {
  const policy = options["policy"];
  return [
    ...(globals.identity === undefined ? [] : ["--identity", globals.identity]),
    "hook",
    ...(typeof policy === "string" ? ["--policy", resolve(io.cwd, policy)] : []),
    ...(options["require"] === true ? ["--require"] : []),
  ];
}

/**
 * An agent chooses its arguments, and so whether they can be read: what is not read passes by no policy.
 * @param isAsked - true if the owner wants no call that was not looked at
 * @throws {CliError} ERR_REQUEST_INVALID: exit 2, which blocks, if it is asked for, else exit 1
 */
async function readEvent({ io }: Context, isAsked: boolean): Promise<HookEvent> {
  const unreadable = (why: string): CliError =>
    new CliError("ERR_REQUEST_INVALID", `this is no hook of a tool call: ${why}`, {
      exit: isAsked ? 2 : 1,
      hint: "a host runs this command: peerage hook settings",
    });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of io.stdin) {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    size += bytes.length;
    if (size > MAX_EVENT_BYTES) throw unreadable("it is longer than 8 MiB");
    chunks.push(bytes);
  }
  let json: unknown;
  try {
    json = parseJson(Buffer.concat(chunks), { maxBytes: MAX_EVENT_BYTES });
  } catch {
    throw unreadable(size === 0 ? "nothing came on stdin" : "it is not strict JSON");
  }
  const event = eventForm.safeParse(json);
  if (event.success) return event.data;
  throw unreadable(`its ${event.error.issues[0]?.path.join(".") || "form"} is none of a tool call's hook`);
}

/** What the policy says of the call; a policy that cannot be read denies, since it was asked for. */
async function rule(context: Context, options: Options, event: HookEvent): Promise<Ruling> {
  const path = options["policy"];
  if (typeof path !== "string") return { decision: "none" };
  try {
    const policy = await loadPolicy(context, path);
    const { did } = await context.identityFile();
    const call = { method: "tools/call", tool: event.tool_name, target: event.tool_name, args: event.tool_input };
    const input = completeInput({
      ...call,
      now: rfc3339(context.io.now().getTime() / 1000),
      caller: { did, binding: "message" },
    });
    const decision = decide(policy, input, { spent: () => false });
    if (decision.effect === "allow") return { decision: "none" };
    const rule = decision.rule === undefined ? "no rule allows it" : `rule ${decision.rule}`;
    const reason = `peerage: ${decision.reason}, ${rule} (peerage policy check ${path})`;
    return { decision: decision.effect, reason };
  } catch (error) {
    const { message, hint } = describeError(error);
    return { decision: "deny", reason: `peerage: not decided: ${message}${hint === undefined ? "" : ` (${hint})`}` };
  }
}

function stepOf(event: HookEvent, ruling: Ruling): Parameters<typeof recordStep>[2] {
  const before = event.hook_event_name === "PreToolUse";
  const results = { none: "requested", ask: "asked", deny: "refused" } as const;
  return {
    session: event.session_id,
    step: "tool_call",
    result: before ? results[ruling.decision] : event.hook_event_name === "PostToolUse" ? "executed" : "failed",
    tool: visible(event.tool_name, 256),
    // The arguments stay with the host: what stands in the history is what they were, by digest.
    req: requestDigest("tools/call", { name: event.tool_name, arguments: event.tool_input }),
  };
}

/** An answer in the form that the host reads. To leave it alone is to say nothing about the decision. */
function hostAnswer({ hook_event_name: hookEventName }: HookEvent, { decision, reason }: Ruling): object {
  if (decision === "none") return { suppressOutput: true };
  const output = { hookEventName, permissionDecision: decision, permissionDecisionReason: visible(reason ?? "", 400) };
  return { hookSpecificOutput: output };
}

/** The same error with an exit code that tells a host of it and blocks nothing. */
function unblocking(error: unknown): CliError {
  const { code, message, hint } = describeError(error);
  return new CliError(code, `the call was not recorded: ${message}`, {
    exit: 1,
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}
