import { digest, type Digest } from "../../json/digest.ts";
import { isJsonObject, member, type JsonObject, type JsonValue } from "../../json/types.ts";
import type { PolicyInput } from "../input.ts";

/** Another policy engine, asked after the rules have allowed a call, so that it can only narrow. */
export interface PolicyAdapter {
  /** What answers, for the audit: the engine, its version, and what it decides by. */
  readonly version: string;
  /**
   * Answers one call: `{allow, reasons?, obligations?, id?}`, at once or as a promise. The answer is not trusted: only
   * `allow: true` in a well-formed one allows, and what it throws denies.
   * @param signal aborted when the time is up
   */
  readonly ask: (input: PolicyInput, signal: AbortSignal) => unknown;
}

/** Adapters by the names that a policy gives them under `also`. */
export type PolicyAdapters = Readonly<Record<string, PolicyAdapter>>;

/** What one adapter said of one call. */
export interface AdapterAnswer {
  readonly adapter: string;
  readonly version: string;
  readonly allow: boolean;
  /** Why, in the adapter's words or in ours; at most 16, each at most 200 characters. */
  readonly reasons: readonly string[];
  /** Digest of the answer as it came; absent if none came that JSON can hold. */
  readonly answer?: Digest;
  /** The id under which the engine itself recorded its decision. */
  readonly id?: string;
}

/** An adapter that has not answered by then denies. */
export const ADAPTER_TIMEOUT_MS = 1_000;
const MAX_REASONS = 16;
const MAX_TEXT = 200;

/**
 * Asks adapters about a call that the rules have allowed, all at once. The call may go on only if every answer allows; an
 * adapter that is not there, throws, is late or answers in another form denies. Never rejects.
 */
export function askAdapters(
  names: readonly string[],
  adapters: PolicyAdapters,
  input: PolicyInput,
  timeoutMs: number = ADAPTER_TIMEOUT_MS,
): Promise<readonly AdapterAnswer[]> {
  const find = (name: string): PolicyAdapter | undefined =>
    Object.hasOwn(adapters, name) ? adapters[name] : undefined;
  return Promise.all(names.map((name) => askOne(name, find(name) ?? nobody, input, timeoutMs)));
}

const nobody: PolicyAdapter = {
  version: "none",
  ask: () => {
    throw new Error("there is no such adapter here");
  },
};

async function askOne(
  name: string,
  adapter: PolicyAdapter,
  input: PolicyInput,
  timeoutMs: number,
): Promise<AdapterAnswer> {
  const version = typeof adapter.version === "string" ? adapter.version.slice(0, MAX_TEXT) : "unknown";
  const stop = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`no answer within ${timeoutMs} ms`));
        stop.abort();
      }, timeoutMs);
    });
    const answer = await Promise.race([Promise.resolve(adapter.ask(input, stop.signal)), late]);
    return { adapter: name, version, ...readAnswer(answer) };
  } catch (error) {
    return refusal(name, version, error instanceof Error ? error.message : "the adapter failed");
  } finally {
    clearTimeout(timer);
  }
}

const known = new Set(["allow", "reasons", "obligations", "id"]);

/** Reads an answer: anything but a boolean `allow` with members that we know denies. @throws {TypeError} if it is no JSON */
function readAnswer(answer: unknown): Omit<AdapterAnswer, "adapter" | "version"> {
  const came = digest(answer as JsonValue);
  const denied = (reason: string): Omit<AdapterAnswer, "adapter" | "version"> => ({
    allow: false,
    reasons: [reason],
    answer: came,
  });
  if (!isJsonObject(answer)) return denied("the answer is no object");
  const stranger = Object.keys(answer).find((key) => !known.has(key));
  if (stranger !== undefined)
    return denied(`the answer has a member ${stranger.slice(0, 64)}, which is not known here`);
  const allow = member(answer, "allow");
  const id = member(answer, "id");
  const reasons = textsOf(member(answer, "reasons") ?? []);
  if (typeof allow !== "boolean" || reasons === undefined || (id !== undefined && typeof id !== "string")) {
    return denied("the answer is not of the form {allow, reasons}");
  }
  if (allow && !isEmpty(member(answer, "obligations"))) return denied("the answer asks for what is not known here");
  return { allow, reasons, answer: came, ...(id !== undefined && { id: id.slice(0, MAX_TEXT) }) };
}

function textsOf(value: JsonValue): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const texts = (value as readonly JsonValue[]).filter((one) => typeof one === "string");
  return texts.length === value.length ? texts.slice(0, MAX_REASONS).map((one) => one.slice(0, MAX_TEXT)) : undefined;
}

/** True if nothing is asked for. */
function isEmpty(obligations: JsonValue | undefined): boolean {
  if (obligations === undefined) return true;
  if (Array.isArray(obligations)) return obligations.length === 0;
  return isJsonObject(obligations) && Object.keys(obligations satisfies JsonObject).length === 0;
}

function refusal(adapter: string, version: string, reason: string): AdapterAnswer {
  return { adapter, version, allow: false, reasons: [reason.slice(0, MAX_TEXT)] };
}
