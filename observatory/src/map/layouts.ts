import { Worker } from "node:worker_threads";
import { type Did, LruMap, type View } from "@peerage/core";
import { agentRows } from "../seen.ts";
import type { Arranged, Shape } from "./arrange.ts";

/** From so many agents on the map shows communities instead of agents. */
export const MOST_AGENTS = 10_000;
/** A layout is redone when the log has grown by this part, or is this old and the log has grown at all. */
const GROWTH = 0.01;
const REDONE_AFTER_MS = 600_000;
/** Layouts kept: of the whole and of communities that visitors looked into. */
const KEPT = 24;

/** The agents of one picture, and where they stand. */
export interface Layout {
  /** Log size at which it was made. */
  readonly size: number;
  readonly dids: readonly Did[];
  /** Vouches in force received from anybody at all. */
  readonly received: readonly number[];
  /** Vouches between agents of the picture, as numbers in `dids`. */
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  readonly arranged: Arranged;
}

interface Kept {
  readonly layout: Layout;
  readonly at: number;
}

/**
 * Positions for maps, made in a thread of their own and kept by log size. While a newer layout is being made, the older
 * one is shown; the page says for which size it was drawn.
 */
export class Layouts implements Disposable {
  readonly #kept = new LruMap<string, Kept>(KEPT);
  readonly #making = new Map<string, Promise<Layout>>();
  readonly #answers = new Map<number, { resolve: (arranged: Arranged) => void; reject: (error: unknown) => void }>();
  #worker: Worker | undefined;
  #asked = 0;

  /** The layout of all agents of a view, or, with `part`, of some of them under a name of their own. */
  async of(view: View, part?: { readonly name: string; readonly dids: readonly Did[] }): Promise<Layout> {
    const name = part?.name ?? "";
    const known = this.#kept.get(name);
    const fresh = known && !isStale(known, view);
    if (fresh) return known.layout;
    const making = this.#making.get(name) ?? this.#make(name, view, part?.dids, known);
    return known ? known.layout : making;
  }

  [Symbol.dispose](): void {
    void this.#worker?.terminate();
  }

  #make(name: string, view: View, dids: readonly Did[] | undefined, known: Kept | undefined): Promise<Layout> {
    const making = this.#layOut(view, dids, known?.layout).then((layout) => {
      this.#kept.set(name, { layout, at: Date.now() });
      return layout;
    });
    this.#making.set(name, making);
    making
      .catch(() => undefined)
      .finally(() => this.#making.delete(name))
      .catch(() => undefined);
    return making;
  }

  async #layOut(view: View, part: readonly Did[] | undefined, before: Layout | undefined): Promise<Layout> {
    const rows = agentRows(view);
    const received = new Map(rows.map((row) => [row.did, row.received]));
    const dids = part ?? rows.map(({ did }) => did);
    const number = new Map(dids.map((did, i) => [did, i]));
    const from: number[] = [];
    const to: number[] = [];
    for (const { statement } of view.vouchesInForce()) {
      const [a, b] = [number.get(statement.issuer), number.get(statement.subject)];
      if (a === undefined || b === undefined) continue;
      from.push(a);
      to.push(b);
    }
    const shape: Shape = { nodes: dids.length, from: Uint32Array.from(from), to: Uint32Array.from(to) };
    const earlier = before && extendsBy(before.dids, dids) ? before.arranged : undefined;
    const arranged = await this.#arrange({
      ...shape,
      ...(earlier ? { x: Float32Array.from(earlier.x), y: Float32Array.from(earlier.y) } : {}),
    });
    return {
      size: view.size,
      dids,
      received: dids.map((did) => received.get(did) ?? 0),
      from: shape.from,
      to: shape.to,
      arranged,
    };
  }

  #arrange(shape: Shape): Promise<Arranged> {
    const id = this.#asked++;
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage({ id, shape });
    });
  }

  #start(): Worker {
    const suffix = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const worker = new Worker(new URL(`./arrange-worker.${suffix}`, import.meta.url), { execArgv: [] });
    worker.on("message", ({ id, arranged }: { id: number; arranged: Arranged }) => {
      this.#answers.get(id)?.resolve(arranged);
      this.#answers.delete(id);
      // An idle thread must not keep the process alive.
      if (this.#answers.size === 0) worker.unref();
    });
    const failed = (error: unknown): void => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const { reject } of this.#answers.values()) reject(error);
      this.#answers.clear();
    };
    worker.on("error", failed);
    worker.on("exit", () => failed(new Error("the layout thread ended")));
    return worker;
  }
}

function isStale({ layout, at }: Kept, view: View): boolean {
  if (view.size === layout.size) return false;
  return view.size < layout.size || view.size > layout.size * (1 + GROWTH) || Date.now() - at > REDONE_AFTER_MS;
}

/** True if the agents of an earlier layout are the first of a later one, which are not many more. */
function extendsBy(before: readonly Did[], after: readonly Did[]): boolean {
  if (before.length === 0 || after.length > before.length * 1.25) return false;
  return before.every((did, i) => after[i] === did);
}
