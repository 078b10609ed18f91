import { parseJson } from "../../json/parse.ts";
import { isJsonObject, member, type JsonValue } from "../../json/types.ts";
import type { PolicyInput } from "../input.ts";
import type { PolicyAdapter } from "./adapter.ts";

/** An OPA that has not answered by then denies. */
export const OPA_TIMEOUT_MS = 250;
/** A longer answer denies. */
export const MAX_OPA_ANSWER_BYTES = 65_536;

/** Where an OPA is asked, and how. */
export interface OpaOptions {
  /**
   * The document of a rule or of a package: `http://127.0.0.1:8181/v1/data/payments/allow`. https, or http to this very
   * machine: over plain HTTP whoever is between could say yes.
   */
  readonly url: string;
  /** Makes the request; `fetch` by default. Something else reaches a Unix socket, which counts as this machine. */
  readonly fetch?: typeof globalThis.fetch;
  /** True if `fetch` reaches this machine whatever host the URL names. */
  readonly isLocal?: boolean;
  /** Such as `Authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds for one question; {@link OPA_TIMEOUT_MS} by default. */
  readonly timeoutMs?: number;
}

/**
 * Asks an OPA: one POST with the document as `input`, one try, no redirect, a short time, a short answer. It allows by
 * `result: true`, or `result: {allow: true}` in which `deny` is absent, false or empty; an undefined rule, which OPA
 * answers by 200 without a `result`, denies like everything else.
 * @throws {RangeError} if the URL is none that may be asked
 * @see https://www.openpolicyagent.org/docs/rest-api
 */
export function opaAdapter(options: OpaOptions): PolicyAdapter {
  const url = checkUrl(options);
  const { fetch: send = globalThis.fetch, headers = {}, timeoutMs = OPA_TIMEOUT_MS } = options;
  return {
    version: `opa ${url.pathname}`,
    ask: async (input: PolicyInput, signal: AbortSignal) => {
      const request = send(url, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify({ input }),
        redirect: "manual",
        credentials: "omit",
        cache: "no-store",
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const response = await request.catch(unreachable);
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new Error(`OPA answered with status ${response.status}`);
      }
      return readOpa(parseJson(await readBytes(response), { maxBytes: MAX_OPA_ANSWER_BYTES }));
    },
  };
}

/** What `fetch` says of a server that is not there is in the cause. */
function unreachable(error: unknown): never {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) throw new Error(`OPA cannot be reached: ${cause.message}`, { cause });
  throw error;
}

function checkUrl({ url: text, isLocal = false }: OpaOptions): URL {
  if (!URL.canParse(text)) throw new RangeError(`not a URL: ${text}`);
  const url = new URL(text);
  if (url.username !== "" || url.password !== "")
    throw new RangeError("credentials go into a header, not into the URL");
  if (!/\/v1\/data\/./.test(url.pathname)) throw new RangeError("OPA's documents are under /v1/data/<package>");
  const isHere = isLocal || /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === "https:" || (url.protocol === "http:" && isHere)) return url;
  throw new RangeError("an OPA is asked over https, or over http on this machine");
}

async function readBytes({ body }: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (body === null) throw new Error("OPA's answer is empty");
  const reader = body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const chunk = next.value as Uint8Array;
    length += chunk.length;
    if (length > MAX_OPA_ANSWER_BYTES) {
      await reader.cancel();
      throw new Error(`OPA's answer is longer than ${MAX_OPA_ANSWER_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** OPA's answer in the form that every adapter answers in. @throws {Error} for one that says neither yes nor no */
function readOpa(answer: JsonValue): { allow: boolean; reasons: readonly string[]; id?: string } {
  const id = member(answer, "decision_id");
  const named = typeof id === "string" ? { id } : {};
  // OPA warns, for one, that it saw no input: then it did not decide about this call.
  if (member(answer, "warning") !== undefined) throw new Error("OPA answered with a warning");
  if (!isJsonObject(answer) || !Object.hasOwn(answer, "result")) throw new Error("the rule is undefined for this call");
  const result = member(answer, "result");
  if (typeof result === "boolean") return { allow: result, reasons: [], ...named };
  const allow = member(result, "allow");
  if (typeof allow !== "boolean") throw new Error("OPA's result has no boolean `allow`");
  const denials = member(result, "deny") ?? false;
  const isDenied = denials !== false && !(Array.isArray(denials) && denials.length === 0);
  const reasons = [denials, member(result, "reasons") ?? []].flat().filter((one) => typeof one === "string");
  const obligations = member(result, "obligations");
  return { allow: allow && !isDenied, reasons, ...named, ...(obligations !== undefined && { obligations }) };
}
