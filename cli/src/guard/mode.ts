import { renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { checkMode, MAX_SHADOW_DAYS, type Mode } from "@peerage/mcp-middleware";
import type { Context, Options } from "../context.ts";
import { describeError, usage } from "../errors.ts";
import { timeOrDuration } from "../policy/durations.ts";
import { count } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";

const WRITE_AGAIN_MS = 600_000;

/** What `--mode` asks for. */
export interface GuardMode {
  readonly mode: Mode;
  /** Where `--mode recommend` writes its policy. */
  readonly recommendTo?: string;
}

/** Reads `--mode`, `--until` and `--recommend-to`. @throws {CliError} ERR_USAGE */
export function guardMode(context: Context, options: Options, state: string): GuardMode {
  const { mode = "enforce", until, recommendTo } = options;
  if (mode !== "enforce" && mode !== "shadow" && mode !== "recommend")
    throw usage(`${visible(String(mode))} is no mode`, "--mode enforce, shadow or recommend");
  if (recommendTo !== undefined && mode !== "recommend") throw usage("--recommend-to needs --mode recommend");
  if (mode === "enforce") {
    if (until !== undefined) throw usage("only a shadow ends", "--mode shadow --until 7d");
    return { mode: { name: "enforce" } };
  }
  if (typeof until !== "string") throw usage(`a ${mode} mode needs an end`, "--until 7d");
  const shadow: Mode = { name: "shadow", until: timeOrDuration(until, "--until", context.io.now()) };
  try {
    checkMode(shadow, context.io.now());
  } catch {
    throw usage(`a shadow ends within ${MAX_SHADOW_DAYS} days, so that none is forgotten`, "--until 7d");
  }
  if (mode === "shadow") return { mode: shadow };
  const path = typeof recommendTo === "string" ? resolve(context.io.cwd, recommendTo) : join(state, "recommended.yaml");
  return { mode: shadow, recommendTo: path };
}

/** Writes the policy that the calls of the last day would need: every ten minutes, and when it is disposed of. */
export class Recommender implements AsyncDisposable {
  readonly #context: Context;
  readonly #auditPath: string;
  readonly #path: string;
  readonly #alarm: (text: string) => void;
  readonly #timer: NodeJS.Timeout;

  constructor(context: Context, paths: { readonly audit: string; readonly to: string }, alarm: (text: string) => void) {
    this.#context = context;
    this.#auditPath = paths.audit;
    this.#path = paths.to;
    this.#alarm = alarm;
    this.#timer = setInterval(() => void this.write(), WRITE_AGAIN_MS).unref();
  }

  /** Never throws: a policy that could not be written is told of. */
  async write(): Promise<void> {
    try {
      const { run } = await import("../commands/policy/suggest.ts");
      const args = { words: [], rest: [], options: { audit: this.#auditPath, since: "1d" } };
      const { data } = (await run(this.#context, args)) as { data: { text: string; calls: number; rules: number } };
      const draft = `${this.#path}.${process.pid}`;
      writeFileSync(draft, data.text, { mode: 0o600 });
      renameSync(draft, this.#path);
      this.#alarm(`recommended ${count(data.rules, "rule")} for ${count(data.calls, "call")} in ${this.#path}`);
    } catch (error) {
      this.#alarm(`no policy was recommended: ${describeError(error).message}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.write();
  }
}
