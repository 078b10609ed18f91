import { type Did, parsePolicy, type Policy, type PolicyAdapters } from "@peerage/core";
import { type PolicySource, type PolicyWatch, watchPolicy } from "@peerage/mcp-middleware";
import type { Context } from "../context.ts";
import { describeError } from "../errors.ts";
import { denyAllMarker } from "../files/guard-files.ts";
import { codeOf } from "../files/safe-file.ts";
import type { Adapters } from "../policy/adapters.ts";
import { engines, membersOf, prepareEngines, readPolicySource, unreadable } from "../policy/source.ts";

/** The adapters that the policy in force was read with. */
export class LiveAdapters {
  readonly known: Adapters;
  current: PolicyAdapters = {};

  constructor(known: Adapters) {
    this.known = known;
  }
}

export interface OpenPolicyOptions {
  /** The guard's own. */
  readonly identity: Did;
  readonly roots: readonly Did[];
  readonly alarm: (text: string) => void;
  /** Where the marker lies that denies everything. Without it, and without adapters, the policy is one that only looks on. */
  readonly state?: string;
  readonly adapters?: LiveAdapters;
}

/** A policy, taken up anew whenever its text, an adapter's file or the marker that denies all changes. */
export async function openPolicy(
  context: Context,
  path: string,
  { identity, roots, state, alarm, adapters }: OpenPolicyOptions,
): Promise<PolicyWatch> {
  const name = state === undefined ? "shadow policy" : "policy";
  const alarmed = (problem: unknown): void => alarm(describeError(problem).message);
  const { me = [] } = await membersOf(context);
  const members = { me: [...new Set([identity, ...me])], roots };
  const parse = async (source: PolicySource): Promise<Policy> => {
    if (!adapters) return parsePolicy(source, members, engines);
    const loaded = await adapters.known.load(textOf(source));
    const policy = parsePolicy(source, members, { ...engines, adapters: Object.keys(loaded) });
    adapters.current = loaded;
    return policy;
  };
  try {
    await readPolicySource(path);
    // A policy that comes later may have a `when`; by then the engine is there, and the start did not wait for it.
    setTimeout(() => void prepareEngines().catch(alarmed), 1_000).unref();
    return await watchPolicy(path, {
      parse,
      beside: adapters?.known.files,
      ...(state === undefined ? {} : { denyAll: denyAllMarker(state) }),
      now: context.io.now,
      onChange: ({ digest }) => alarm(`${name} ${digest.slice(0, 19)}… is in force now`),
      onAlarm: (problem) =>
        alarm(
          codeOf(problem) === "ENOENT"
            ? `the ${name} is gone: everything is denied`
            : `the ${name} cannot be read, the one before stays in force: ${describeError(problem).message}`,
        ),
    });
  } catch (error) {
    throw unreadable(path, error);
  }
}

function textOf(source: PolicySource): string {
  return typeof source === "string" ? source : source.map(({ text }) => text).join("\n");
}
