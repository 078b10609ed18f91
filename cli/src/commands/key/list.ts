import { multibaseOf } from "@peerage/core";
import type { Context } from "../../context.ts";
import { findIdentity, identityNames, keyPaths } from "../../files/identities.ts";
import { inspectKeyFile } from "../../files/key-file.ts";
import { readPending } from "../../keys/pending.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";

/** `peerage key list`: the identities of this machine and what of their keys is here. Nothing is opened or asked. */
export async function run(context: Context, _args: Args): Promise<Result> {
  const chosen = (await context.settings()).value("identity");
  const files = await Promise.all(
    (await identityNames(context.paths)).map((name) => findIdentity(context.paths, name)),
  );
  const keys = await Promise.all(
    files
      .filter((file) => file !== undefined)
      .map(async (file) => {
        const { name, did, key, locked, keychain } = file;
        const at = keyPaths(context.paths, name);
        const [next, recovery, pending] = await Promise.all([
          inspectKeyFile(at.next),
          inspectKeyFile(at.recovery),
          readPending(context.paths, name),
        ]);
        return {
          name,
          did,
          key,
          locked,
          ...(keychain === undefined ? {} : { keychain: true }),
          rotated: key !== multibaseOf(did),
          next: next !== undefined,
          recovery: recovery !== undefined,
          chosen: name === chosen,
          ...(pending ? { pending: pending.event } : {}),
        };
      }),
  );
  const { ui } = context;
  return {
    data: { keys },
    text: keys.length
      ? ui.table(
          keys.flatMap(({ name, did, locked, keychain, rotated, next, recovery, chosen: isChosen, pending }) => [
            [isChosen ? ui.good(ui.mark.on) : ui.mark.off, ui.bold(name), styledDid(ui, did)],
            [
              "",
              "",
              ui.dim(
                [
                  keychain === true ? "in the keychain" : locked ? "sealed" : "no passphrase",
                  rotated ? "rotated" : "first key",
                  next ? "next key here" : "no next key here",
                  recovery ? "recovery key here" : "no recovery key here",
                  ...(pending === undefined ? [] : [`${pending} not finished`]),
                ].join(", "),
              ),
            ],
          ]),
        )
      : [`  no identity yet   ${ui.dim("peerage init <name>")}`],
    plain: keys.map(({ name, did, key, locked }) => [name, did, key, locked ? "sealed" : "plain"]),
  };
}
