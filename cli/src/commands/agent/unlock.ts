import { ask, statusOf } from "../../agent/client.ts";
import type { Context } from "../../context.ts";
import { CliError } from "../../errors.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { socketOf, statusResult } from "./status.ts";

/** `peerage agent unlock`: gives a locked agent its passphrase again, where it needs one. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const socket = await socketOf(context, options);
  if ((await statusOf(socket)).locked) {
    try {
      // A key that is not sealed, or that the system's keychain opens, needs no passphrase.
      await ask(socket, { v: 1, op: "unlock" });
    } catch (error) {
      if (!(error instanceof CliError) || error.code !== "ERR_KEY_LOCKED") throw error;
      const file = options["passphraseFile"];
      const passphrase = await context.passphrase("the agent", typeof file === "string" ? file : undefined);
      await ask(socket, { v: 1, op: "unlock", passphrase });
    }
  }
  return statusResult(context, socket, await statusOf(socket));
}
