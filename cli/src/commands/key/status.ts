import { type KeyState, keyDigest, type MultibaseKey } from "@peerage/core";
import type { Context } from "../../context.ts";
import type { Exit } from "../../errors.ts";
import { keyPaths } from "../../files/identities.ts";
import { inspectKeyFile } from "../../files/key-file.ts";
import { isCommitted } from "../../keys/chain.ts";
import { readPending } from "../../keys/pending.ts";
import { freshSnapshot } from "../../network.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";
import type { Fact } from "../../ui/terminal.ts";
import { count, rfc3339 } from "../../ui/time.ts";

/** `peerage key status`: what the log says of this identity's keys, and whether those on this machine are they. Exit 3 if not. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const me = await context.identityFile();
  const at = keyPaths(context.paths, me.name);
  const [next, recovery, pending] = await Promise.all([
    inspectKeyFile(at.next),
    inspectKeyFile(at.recovery),
    readPending(context.paths, me.name),
  ]);
  const registry = await context.registry();
  const state =
    registry === undefined ? undefined : (await freshSnapshot(context, options["maxAge"])).view.keyState(me.did);
  const held = state && holds(state, { key: me.key, next: next?.key, recovery: recovery?.key });
  const isFine =
    (state === undefined || (state.status === "active" && held?.current === true)) && pending === undefined;
  const exit: Exit = isFine ? 0 : 3;
  const { ui } = context;
  return {
    exit,
    data: {
      name: me.name,
      did: me.did,
      key: me.key,
      registry: registry ?? null,
      ...(state
        ? { status: state.status, current: state.current, events: state.events, compromises: state.compromises, held }
        : {}),
      ...(state?.last === undefined ? {} : { last: state.last, seq: state.seq }),
      ...(pending ? { pending: pending.event } : {}),
    },
    text: ui.facts([
      { label: me.name, value: styledDid(ui, me.did) },
      ...(state && held
        ? stateFacts(state, held)
        : [{ mark: "none" as const, label: "log", value: "no registry is named: not asked" }]),
      ...(pending
        ? [
            {
              mark: "warn" as const,
              label: "pending",
              value: `a ${pending.event} was begun: peerage key ${pending.event} finishes it`,
            },
          ]
        : []),
    ]),
    plain: [[me.did, state?.status ?? "unknown", me.key, state?.seq ?? ""]],
  };
}

interface Held {
  /** The key file holds the key that stands behind the DID. */
  readonly current: boolean;
  readonly next: boolean;
  readonly recovery: boolean;
}

function holds(
  { current, next, recovery }: KeyState,
  files: {
    readonly key: MultibaseKey;
    readonly next: MultibaseKey | undefined;
    readonly recovery: MultibaseKey | undefined;
  },
): Held {
  return {
    current: files.key === current,
    next: isCommitted(files.next, next),
    recovery: files.recovery !== undefined && recovery?.keys.includes(keyDigest(files.recovery)) === true,
  };
}

function stateFacts(state: KeyState, held: Held): Fact[] {
  const { status, since, events, compromises } = state;
  const at = since === undefined ? "" : ` since ${rfc3339(since)}`;
  return [
    {
      mark: status === "active" ? "ok" : "no",
      label: status,
      value: `${count(events, "key event")} in the log${at}${compromises > 0 ? `, ${count(compromises, "compromise")} declared` : ""}`,
    },
    {
      mark: held.current ? "ok" : "no",
      label: "key",
      value: held.current
        ? "the one in the file stands behind the DID"
        : "the one in the file does not stand behind the DID",
    },
    {
      mark: held.next ? "ok" : "warn",
      label: "next key",
      value: held.next ? "here, as committed" : "not here: this machine cannot rotate",
    },
    {
      mark: held.recovery ? "ok" : "none",
      label: "recovery",
      value: held.recovery ? "here: move it away" : "not here",
    },
  ];
}
