import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Did, digest, isPeerageError, LogForkedError } from "@peerage/core";
import { WebhookSender } from "@peerage/mcp-middleware";
import { findAgent } from "../agents.ts";
import type { Context, Options } from "../context.ts";
import { CliError, describeError, usage } from "../errors.ts";
import { webhookEndpoint } from "../guard/webhook.ts";
import { unreachable } from "../http.ts";
import { exitAfter, stopSignal } from "../interrupt.ts";
import { everySeconds } from "../log/every.ts";
import { checkExtends, directory, forked, keepSeen, openSnapshot, type Snapshot } from "../network.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { count } from "../ui/time.ts";
import { viewpointOf } from "../viewpoint.ts";
import { minimum } from "./trust.ts";
import { Cursor } from "../watch/cursor.ts";
import type { Threshold, TrustEvent } from "../watch/events.ts";
import { deliveryOf, linesOf } from "../watch/tell.ts";

/** How long a receiver that does not answer is left alone, at most. */
const MAX_PAUSE_SECONDS = 300;

/**
 * `peerage watch`: what happens to agents, as the log says it and after all of it was verified. With `--once` what is new,
 * and no more.
 */
export async function run(context: Context, { words, options }: Args): Promise<Result | number> {
  const every = everySeconds(options["every"], 5);
  const once = options["once"] === true;
  const endpoint = await webhookEndpoint(context, options);
  // Pauses between attempts are never longer than those between looks.
  const sender = endpoint && new WebhookSender({ ...endpoint, firstPauseMs: Math.min(1_000, every * 1_000) });
  const from = startOf(options["from"]);
  const snapshot = await openSnapshot(context);
  // What a trust pack holds is over.
  if (snapshot.from === "pack") throw unreachable(snapshot.url, "a trust pack tells of nothing new");
  const watched = await watchedAgents(context, words, snapshot);
  const threshold = await thresholdOf(context, options, snapshot);
  const path = cursorPath(context, options, { url: snapshot.url, watched, threshold });
  const cursor = await Cursor.open(path, snapshot.network, from);
  await checkExtends(cursor.note, snapshot.reader, snapshot.view, "the log");
  const watch = new Watch(context, { snapshot, watched, threshold, cursor, sender });
  if (once) return watch.once();

  const signal = stopSignal();
  const stop = new AbortController();
  const stopped = signal.finally(() => stop.abort());
  context.say(`  watching ${count(watched.size, "agent")} from entry #${cursor.size} of ${snapshot.url}`);
  await watch.follow(every, stop.signal);
  return exitAfter(await stopped);
}

interface Watching {
  readonly snapshot: Snapshot;
  readonly watched: ReadonlySet<Did>;
  readonly threshold: Threshold | undefined;
  readonly cursor: Cursor;
  readonly sender: WebhookSender | undefined;
}

class Watch {
  readonly #context: Context;
  readonly #with: Watching;
  /** Deliveries in a row that did not arrive. */
  #failures = 0;
  #quietUntil = 0;
  #isCut = false;

  constructor(context: Context, watching: Watching) {
    this.#context = context;
    this.#with = watching;
  }

  /** What is new, delivered. @throws {CliError} ERR_UPSTREAM_UNAVAILABLE if something could not be */
  async once(): Promise<Result> {
    const { cursor, snapshot, watched, threshold } = this.#with;
    const told: { event: TrustEvent; seq: number }[] = [];
    const { signal } = new AbortController();
    let failed: string | undefined;
    for (let isAll = false; !isAll && failed === undefined;) {
      isAll = await cursor.advance(snapshot.network, watched, threshold);
      failed = await this.#deliver(signal, (event, seq) => told.push({ event, seq }));
    }
    if (failed !== undefined) {
      throw new CliError(
        "ERR_UPSTREAM_UNAVAILABLE",
        `${count(cursor.pending.length, "event")} not delivered: ${failed}`,
        {
          hint: "what is left is kept in the cursor; the same command goes on with it",
        },
      );
    }
    const { ui } = this.#context;
    const lines = told.flatMap(({ event, seq }) => linesOf({ globals: {}, ui }, event, seq));
    return {
      data: { events: told.map(({ event, seq }) => ({ seq, ...event })), size: cursor.size },
      text: [...lines, `  ${ui.dim(`${count(told.length, "event")}, the log has ${count(cursor.size, "entry")}`)}`],
      plain: told.map(({ event, seq }) => [seq, event.id, event.type, event.at, event.agents.join(",")]),
    };
  }

  /** Looks and delivers until it is told to stop. @throws {CliError} ERR_LOG_FORKED */
  async follow(every: number, signal: AbortSignal): Promise<void> {
    const { cursor, snapshot, watched, threshold } = this.#with;
    const print = (event: TrustEvent, seq: number): void => {
      for (const line of linesOf(this.#context, event, seq)) this.#context.io.stdout.write(`${line}\n`);
    };
    for (;;) {
      const isAll = await cursor.advance(snapshot.network, watched, threshold);
      const failed = await this.#deliver(signal, print);
      if (!isAll && failed === undefined && !signal.aborted) continue;
      await sleep(every * 1_000, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.#refresh();
    }
  }

  /** Hands on what is pending, in order; stops at the first that does not arrive, and says why. */
  async #deliver(signal: AbortSignal, told: (event: TrustEvent, seq: number) => void): Promise<string | undefined> {
    const { cursor, sender } = this.#with;
    const now = (): number => this.#context.io.now().getTime() / 1000;
    if (now() < this.#quietUntil) return "it is left alone for a while";
    for (let event = cursor.pending[0]; event !== undefined; event = cursor.pending[0]) {
      const delivered = (await sender?.send(event.id, deliveryOf(event), { signal })) ?? { state: "arrived" };
      if (delivered.state === "stopped") return "stopped";
      if (delivered.state === "failed") {
        const pause = Math.min(MAX_PAUSE_SECONDS, 2 ** this.#failures++);
        this.#quietUntil = now() + pause;
        this.#context.warn(`the webhook takes nothing: ${delivered.why}; tried again in ${pause} s, nothing is lost`);
        return delivered.why;
      }
      this.#failures = 0;
      // First told, then forgotten: what comes again after a crash has the same id, what is lost could not be noticed.
      told(event, cursor.seq);
      await cursor.delivered();
    }
    return undefined;
  }

  /** Reads what is new in the log. A registry that is away is waited for; a log that contradicts itself ends the watch. */
  async #refresh(): Promise<void> {
    const { snapshot } = this.#with;
    const { network, url } = snapshot;
    try {
      await network.refresh();
      await keepSeen(this.#context, url, network.view.note);
      if (this.#isCut) this.#context.say(`  ${url} answers again`);
      this.#isCut = false;
    } catch (error) {
      if (error instanceof LogForkedError) throw await forked(this.#context, error);
      if (!isPeerageError(error)) throw error;
      // Said once, not every few seconds; what is not verified is not told of.
      if (!this.#isCut) this.#context.warn(`nothing new can be read: ${describeError(error).message}`);
      this.#isCut = true;
    }
  }
}

async function watchedAgents(
  context: Context,
  words: readonly string[],
  { view, names }: Snapshot,
): Promise<ReadonlySet<Did>> {
  const known = (): ReturnType<typeof directory> => directory(view, names);
  return new Set(await Promise.all(words.map(async (word) => (await findAgent(context, word, known)).did)));
}

async function thresholdOf(context: Context, options: Options, snapshot: Snapshot): Promise<Threshold | undefined> {
  const min = minimum(options["min"]);
  if (min === undefined) {
    if (options["scope"] !== undefined) throw usage("--scope is for a score", "--min 0.6 --scope tools");
    return undefined;
  }
  const { roots } = await viewpointOf(context, options, snapshot);
  if (roots.length === 0) throw usage("without roots every score is unknown", "peerage roots add <agent>, or --root");
  return { scope: await context.scope(options["scope"]), min, roots: [...roots].sort() };
}

function startOf(from: Options[string]): number | undefined {
  if (from === undefined) return undefined;
  if (typeof from !== "string" || !/^\d{1,12}$/.test(from)) throw usage("--from is a log index", "--from 0");
  return Number(from);
}

/** A webhook goes on where it was, also without a file that is named: one for each question and receiver. */
function cursorPath(
  context: Context,
  options: Options,
  about: { readonly url: string; readonly watched: ReadonlySet<Did>; readonly threshold: Threshold | undefined },
): string | undefined {
  const { cursor, webhook } = options;
  if (typeof cursor === "string") return cursor;
  if (typeof webhook !== "string") return undefined;
  const { url, watched, threshold } = about;
  const name = digest([url, webhook, [...watched].sort(), JSON.stringify(threshold ?? null)]).slice(7, 23);
  return join(context.paths.state, "watch", `${name}.json`);
}
