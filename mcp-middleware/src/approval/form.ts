import { isJsonObject, type JsonObject, type JsonValue, member } from "@peerage/core";
import type { Inbound } from "../guard/message.ts";
import type { Context } from "../guard/types.ts";
import type { ApprovalItem } from "./item.ts";
import { APPROVAL_INPUT } from "./request-state.ts";

/** The envelope member in which a modern message repeats what its client can do. */
const CAPABILITIES_META = "io.modelcontextprotocol/clientCapabilities";
/** After so many rounds of `input_required` the answer is a plain one. */
export const MAX_ROUNDS = 3;

/**
 * How a caller is told that a person must approve. `input_required`: the modern question, answered by a retry.
 * `elicitation`: the legacy question, sent while the call waits. `plain`: text in the answer itself.
 */
export type AskForm = "input_required" | "elicitation" | "plain";

/** The question, as it goes into an answer. */
export interface Question {
  readonly form: AskForm;
  readonly item: ApprovalItem;
  /** Where a person can answer; without one the command line is named. */
  readonly url: string | undefined;
  /** Of `input_required`. */
  readonly requestState?: string;
}

const asksByRetry: ReadonlySet<string> = new Set(["tools/call", "prompts/get", "resources/read"]);

/** The first form that this caller's declared capabilities, and the way it came, allow. */
export function formFor(
  inbound: Extract<Inbound, { kind: "request" }>,
  context: Context,
  declared: JsonValue | undefined,
  url: string | undefined,
  round: number,
): AskForm {
  if (url === undefined) return "plain";
  if (inbound.modern !== undefined) {
    const isAble = canOpenUrls(member(inbound.meta, CAPABILITIES_META)) && asksByRetry.has(inbound.method);
    return isAble && round < MAX_ROUNDS ? "input_required" : "plain";
  }
  return context.send !== undefined && canOpenUrls(declared) ? "elicitation" : "plain";
}

/** True if a client said that it can lead its user to a URL; `elicitation: {}` means forms only. */
function canOpenUrls(capabilities: JsonValue | undefined): boolean {
  return isJsonObject(member(member(capabilities, "elicitation"), "url"));
}

/** What a person reads before the page or the command shows the request itself: nothing of the caller's own words. */
export function questionText({ item, url }: Pick<Question, "item" | "url">): string {
  const where = url ?? `run "peerage approvals show ${item.id}"`;
  return `A person must approve this call: ${where}. Approve, then repeat the same call.`;
}

/** The legacy question. Its answer grants nothing; it only ends the wait if it is no. */
export function elicitation(id: string, { item, url }: Question): JsonObject {
  const params = {
    mode: "url",
    elicitationId: item.id,
    url: url ?? "",
    message: "A person must approve a call before it is made.",
  };
  return { jsonrpc: "2.0", id, method: "elicitation/create", params };
}

/** The modern question, as a result. */
export function inputRequired({ item, url, requestState }: Question): JsonObject {
  const params = {
    mode: "url",
    elicitationId: item.id,
    url: url ?? "",
    message: "A person must approve a call before it is made.",
  };
  return {
    resultType: "input_required",
    inputRequests: { [APPROVAL_INPUT]: { method: "elicitation/create", params } },
    requestState: requestState ?? "",
  };
}
