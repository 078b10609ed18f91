import { type Did, toHex, type View } from "@peerage/core";
import { findAgent, ownName } from "./agents.ts";
import type { Context, Options } from "./context.ts";
import type { Snapshot } from "./network.ts";
import { directory } from "./network.ts";
import { fingerprint } from "./ui/agent.ts";
import { count, rfc3339, span } from "./ui/time.ts";
import { visible } from "./ui/visible.ts";

/** From whom trust starts in one answer. */
export interface Viewpoint {
  readonly roots: readonly Did[];
  /** As told in a sentence: `your 2 roots`, `brisk-quill`. */
  readonly label: string;
}

/** The viewpoint of `--root`, `--as`, or the user's own roots, in this order. */
export async function viewpointOf(context: Context, options: Options, snapshot: Snapshot): Promise<Viewpoint> {
  const directoryOfView = (): ReturnType<typeof directory> => directory(snapshot.view, snapshot.names);
  const given = options["root"] as string[] | undefined;
  if (given !== undefined) {
    const roots = await Promise.all(given.map(async (text) => (await findAgent(context, text, directoryOfView)).did));
    return { roots: [...new Set(roots)], label: count(new Set(roots).size, "given root") };
  }
  if (context.globals.as !== undefined) {
    const { did, name } = await findAgent(context, context.globals.as, directoryOfView);
    return { roots: [did], label: name ?? fingerprint(did) };
  }
  const roots = await context.roots();
  return { roots, label: roots.length === 0 ? "nobody: you have no roots" : `your ${count(roots.length, "root")}` };
}

/** What an answer says of the log it was computed from. */
export function logData(snapshot: Snapshot): object {
  const { view, url, age } = snapshot;
  const { origin, size, root, witnessed } = view;
  return {
    registry: url,
    origin,
    size,
    root: toHex(root),
    time: rfc3339(view.time),
    ageSeconds: Math.round(age),
    witnessed,
  };
}

/** The same for people. */
export function logLabel({ view, age }: Snapshot): string {
  const witnessed = view.witnessed ? "witnessed" : "unwitnessed";
  return `${count(view.size, "entry")}, checkpoint ${span(age)} old, ${witnessed}`;
}

/** Short labels for agents in chains: `you`, the user's own name, or the fingerprint; never a self-chosen name. */
export class Labels {
  readonly #context: Context;
  readonly #known = new Map<Did, string>();

  constructor(context: Context) {
    this.#context = context;
  }

  async of(did: Did): Promise<string> {
    let label = this.#known.get(did);
    if (label === undefined) {
      const me = await this.#context.identityFile().catch(() => undefined);
      const name = me?.did === did ? "you" : await ownName(this.#context, did);
      label = name === undefined ? fingerprint(did) : visible(name, 24);
      this.#known.set(did, label);
    }
    return label;
  }
}

/** True if an agent may count for anything in a view, and why not otherwise. */
export function standing(view: View, did: Did): "active" | "burnt" | "suspended" | "disputed" {
  return view.keyState(did).status;
}
