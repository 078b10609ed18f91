import { ask, statusOf } from "../../agent/client.ts";
import type { Context } from "../../context.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { socketOf, statusResult } from "./status.ts";

/** `peerage agent lock`: has the agent let go of its key. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const socket = await socketOf(context, options);
  await ask(socket, { v: 1, op: "lock" });
  return statusResult(context, socket, await statusOf(socket));
}
