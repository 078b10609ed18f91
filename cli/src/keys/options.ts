import { type KeyEvent, MAX_COMPROMISE_SECONDS, type Verified } from "@peerage/core";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { durationSeconds } from "../policy/durations.ts";
import { readPending } from "./pending.ts";

/** The value of `--compromised-since`: a time, or how long ago, at most 30 days. @throws {CliError} ERR_USAGE */
export function compromisedSince(options: Options, now: Date): Date | undefined {
  const text = options["compromisedSince"];
  if (typeof text !== "string") return undefined;
  const isSpan = /^[1-9]\d{0,5}[smhd]$/.test(text);
  const at = isSpan ? new Date(now.getTime() - durationSeconds(text, "--compromised-since") * 1000) : new Date(text);
  if (Number.isNaN(at.getTime()) || at > now || now.getTime() - at.getTime() > MAX_COMPROMISE_SECONDS * 1000)
    throw usage("--compromised-since is a time at most 30 days ago, or how long ago", "--compromised-since 2h");
  return at;
}

/** The event that an earlier run signed and did not finish. @throws {CliError} if it is of another kind */
export async function pendingOf(
  context: Context,
  name: string,
  kind: KeyEvent["event"],
): Promise<Verified<KeyEvent> | undefined> {
  const pending = await readPending(context.paths, name);
  if (pending === undefined || pending.event === kind) return pending;
  throw new CliError("ERR_CONFIG_INVALID", `a ${pending.event} of ${name} was begun and is not finished`, {
    hint: `peerage key ${pending.event} --identity ${name}`,
  });
}
