import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { GuardHooks } from "@peerage/mcp-middleware";
import type { Context, Options } from "../context.ts";
import { CliError } from "../errors.ts";
import { visible } from "../ui/visible.ts";

/**
 * `--hooks <file>`: a module of the operator's with `before`, `after` or both, and perhaps `timeoutMs`. It runs in the
 * guard and may do whatever the guard may.
 * @throws {CliError} ERR_CONFIG_INVALID
 */
export async function loadHooks(context: Context, options: Options): Promise<GuardHooks | undefined> {
  const path = options["hooks"];
  if (typeof path !== "string") return undefined;
  const invalid = (why: string): CliError => new CliError("ERR_CONFIG_INVALID", `${visible(path, 200)} ${why}`);
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(resolve(context.io.cwd, path)).href)) as Record<string, unknown>;
  } catch (error) {
    throw invalid(`cannot be loaded: ${error instanceof Error ? error.message : "unknown"}`);
  }
  const { before, after, timeoutMs } = module;
  if (before === undefined && after === undefined) throw invalid("exports neither before nor after");
  for (const hook of [before, after])
    if (hook !== undefined && typeof hook !== "function") throw invalid("exports a hook that is no function");
  const isTime = typeof timeoutMs === "number" && timeoutMs >= 1 && timeoutMs <= 60_000;
  if (timeoutMs !== undefined && !isTime) throw invalid("has a timeoutMs that is not 1 to 60000");
  return module;
}
