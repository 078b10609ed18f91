import { fromUtf8, type KeyEvent, type KeyState } from "@peerage/core";
import type { Context } from "../context.ts";
import { type IdentityFile, keyPaths } from "../files/identities.ts";
import { tilde } from "../files/paths.ts";
import type { Result } from "../output.ts";
import { styledDid } from "../ui/agent.ts";
import type { Fact } from "../ui/terminal.ts";

const words = { init: "begun", rotate: "rotated", revoke: "revoked", recover: "recovered" } as const;

/** What a change of keys answers once it is done. */
export function changedResult(
  context: Context,
  me: Pick<IdentityFile, "name" | "did" | "path">,
  event: KeyEvent,
  { registry, index, resumed }: { registry: string; index: number; resumed: boolean },
): Result {
  const { ui, paths } = context;
  const at = keyPaths(paths, me.name);
  const facts: Fact[] = [
    { mark: event.event === "revoke" ? "warn" : "ok", label: words[event.event], value: styledDid(ui, me.did) },
    ...(event.key === undefined
      ? [{ label: "now", value: "nothing of it counts until peerage key rotate or recover" }]
      : [
          { label: "key", value: event.key },
          { label: "kept at", value: tilde(paths, at.current) },
          { label: "next key", value: tilde(paths, at.next) },
          { label: "old key", value: `${tilde(paths, at.retired(event.id, "key"))} (signs nothing any more)` },
        ]),
    { label: "log", value: `entry #${index} of ${registry}${resumed ? ", begun by an earlier run" : ""}` },
  ];
  return {
    data: {
      name: me.name,
      did: me.did,
      event: event.event,
      id: event.id,
      seq: event.seq,
      index,
      resumed,
      dryRun: false,
      ...(event.key === undefined ? {} : { key: event.key }),
      statement: fromUtf8(event.bytes),
    },
    text: ui.facts(facts),
    plain: [[event.id, index]],
  };
}

/** What a change of keys would do; nothing is signed, as what it would commit is not made yet. */
export function plannedResult(
  context: Context,
  me: Pick<IdentityFile, "name" | "did">,
  plan: { event: KeyEvent["event"]; state: KeyState; signs: string; makes?: string },
): Result {
  const { ui, paths } = context;
  return {
    data: { name: me.name, did: me.did, event: plan.event, seq: (plan.state.seq ?? 0) + 1, dryRun: true },
    text: ui.facts([
      { mark: "none", label: `would be ${words[plan.event]}`, value: styledDid(ui, me.did) },
      { label: "after", value: `event ${plan.state.seq ?? 0}, ${plan.state.last ?? "none"}` },
      { label: "signed by", value: tilde(paths, plan.signs) },
      ...(plan.makes === undefined ? [] : [{ label: "would make", value: tilde(paths, plan.makes) }]),
    ]),
    plain: [[me.did, plan.event]],
  };
}

/** What locking or unlocking answers. `files` are those that are changed, of `total`. */
export function sealedResult(
  context: Context,
  me: Pick<IdentityFile, "name" | "did">,
  done: { locked: boolean; files: readonly string[]; total: number; dryRun: boolean },
): Result {
  const { ui, paths } = context;
  const { locked, files, total, dryRun } = done;
  const word = locked ? "sealed" : "opened";
  const facts: Fact[] =
    files.length === 0
      ? [{ mark: "ok", label: me.name, value: `${locked ? "is sealed" : "needs no passphrase"} already` }]
      : [
          {
            mark: dryRun ? "none" : locked ? "ok" : "warn",
            label: dryRun ? `would be ${word}` : word,
            value: styledDid(ui, me.did),
          },
          ...files.map((path, i): Fact => ({ label: i === 0 ? "files" : "", value: tilde(paths, path) })),
          locked
            ? { label: "note", value: "copies and backups made before are still open" }
            : { label: "note", value: "peerage key lock seals them again" },
        ];
  return {
    data: { name: me.name, did: me.did, locked, files, total, dryRun },
    text: ui.facts(facts),
    plain: files.map((path) => [path]),
  };
}
