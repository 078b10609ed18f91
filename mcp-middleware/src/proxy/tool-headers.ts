import { isJsonObject, type JsonObject, type JsonValue, member } from "@peerage/core";
import { modernVersion, type ParamHeader, paramHeaders, paramValues } from "./mcp-headers.ts";
import { applyEdits, editsBetween } from "./splice.ts";

/** What tools want to travel as `Mcp-Param-*` headers, learned from the lists that pass. */
export class ToolHeaders {
  readonly #declared = new Map<string, readonly ParamHeader[]>();
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /**
   * Learns from an answer to `tools/list`. A tool with an invalid `x-mcp-header` cannot be called over HTTP and is taken
   * out of the list.
   * @param line the answer as one line of JSON
   * @returns the line to hand on
   */
  learn(message: JsonValue, line: string): string {
    const result = member(message, "result");
    const tools = member(result, "tools");
    if (!isJsonObject(message) || !isJsonObject(result) || !Array.isArray(tools)) return line;
    const kept = tools.filter((tool: JsonValue) => {
      const name = member(tool, "name");
      if (typeof name !== "string") return true;
      const declared = paramHeaders(member(tool, "inputSchema"));
      if (declared) this.#declared.set(name, declared);
      else this.#log(`dropped the tool ${printable(name)}: its x-mcp-header is invalid`);
      return declared !== undefined;
    });
    if (kept.length === tools.length) return line;
    return applyEdits(line, editsBetween(line, message, { ...message, result: { ...result, tools: kept } }));
  }

  /** The `Mcp-Param-*` headers of a modern `tools/call`. */
  headersOf(message: JsonObject): Record<string, string> {
    if (message["method"] !== "tools/call" || modernVersion(message) === undefined) return {};
    const name = member(message["params"], "name");
    const declared = typeof name === "string" ? this.#declared.get(name) : undefined;
    return declared ? paramValues(declared, member(message["params"], "arguments")) : {};
  }
}

/** A server's text for a terminal: quoted, ASCII, at most 64 characters. */
function printable(name: string): string {
  return JSON.stringify(name.slice(0, 64)).replace(/[^\x20-\x7e]/g, "?");
}
