import { ask, statusOf } from "../../agent/client.ts";
import type { Context } from "../../context.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { socketOf, statusResult } from "./status.ts";

/** `peerage agent unlock`: gives a locked agent its passphrase again; where its key file is not sealed, none is needed. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const socket = await socketOf(context, options);
  const { locked, sealed } = await statusOf(socket);
  if (locked) {
    const file = options["passphraseFile"];
    const passphrase = sealed
      ? await context.passphrase("the agent", typeof file === "string" ? file : undefined)
      : undefined;
    await ask(socket, { v: 1, op: "unlock", ...(passphrase === undefined ? {} : { passphrase }) });
  }
  return statusResult(context, socket, await statusOf(socket));
}
