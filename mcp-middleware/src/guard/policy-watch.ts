import { type FSWatcher, watch } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parsePolicy, type Policy, type PolicyFile } from "@peerage/core";
import { DenyAllMarker, denyEverything } from "./deny-all.ts";

/** What a policy was read from: one text, or the files of a directory. */
export type PolicySource = string | readonly PolicyFile[];

type Parse = (source: PolicySource) => Policy | Promise<Policy>;

/** How a policy file is read and followed. */
export interface PolicyWatchOptions {
  /** Reads a policy; `parsePolicy` without members or engines by default. */
  readonly parse?: Parse | undefined;
  /** Files beside the policy that it is read with, such as an adapter's: if one changes, the policy is read anew. */
  readonly beside?: readonly string[] | undefined;
  /** Path of the marker that denies everything, whatever the policy says; see {@link setDenyAll}. */
  readonly denyAll?: string | undefined;
  /** Told of a document that cannot be used, and of one that is gone. */
  readonly onAlarm?: ((problem: unknown) => void) | undefined;
  /** Told of a policy that has come into force. */
  readonly onChange?: ((policy: Policy) => void) | undefined;
  readonly now?: (() => Date) | undefined;
  /** How often the contents are compared, beside file events: 5,000. */
  readonly pollMs?: number | undefined;
  /** After so long without a document everything is denied: 2,000. */
  readonly goneMs?: number | undefined;
}

/** Editors and tools write a file in several steps. */
const SETTLE_MS = 20;

/**
 * Watches a policy file, or a directory of them, and swaps the policy in force in one step between two messages.
 * A document that cannot be used keeps the one before; one that is gone denies everything after a moment.
 * @throws {PeerageError} ERR_POLICY_INVALID, or what reading throws: without a policy there is no start
 */
export async function watchPolicy(path: string, options: PolicyWatchOptions = {}): Promise<PolicyWatch> {
  const source = await readSource(path);
  const beside = await readBeside(options.beside);
  const parse = options.parse ?? ((text: PolicySource): Policy => parsePolicy(text));
  return new PolicyWatch(path, options, parse, await parse(source), fingerprint(source, beside));
}

/** The policy in force. Hand `() => watch.current` to a guard. */
export class PolicyWatch implements Disposable {
  readonly #path: string;
  /** The names of the watched files within their folders. */
  readonly #names: ReadonlySet<string>;
  readonly #options: PolicyWatchOptions;
  readonly #parse: Parse;
  readonly #marker: DenyAllMarker | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #watchers: FSWatcher[] = [];
  #policy: Policy;
  /** The text that was last looked at, whether or not it could be used. */
  #seen: string;
  #problem: unknown;
  #goneSince: number | undefined;
  #soon: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isStale = false;

  /** @param seen what the policy was read from, as {@link watchPolicy} does */
  constructor(path: string, options: PolicyWatchOptions, parse: Parse, policy: Policy, seen: string) {
    this.#parse = parse;
    this.#path = path;
    this.#names = new Set([path, ...(options.beside ?? [])].map((file) => basename(file)));
    this.#options = options;
    this.#policy = policy;
    this.#seen = seen;
    this.#marker = options.denyAll === undefined ? undefined : new DenyAllMarker(options.denyAll);
    this.#timer = setInterval(() => void this.look(), options.pollMs ?? 5_000).unref();
    // The folder sees a file that is replaced by another; the path itself, files within a directory.
    const besides = (options.beside ?? []).map((file) => dirname(file));
    for (const place of new Set([dirname(path), path, ...besides])) this.#watch(place);
  }

  /** The policy that decides now. The marker is looked for at every call. */
  get current(): Policy {
    return this.#marker?.policy(this.#options.now?.() ?? new Date()) ?? this.#policy;
  }

  /** Why the document there is now is not the one in force; undefined if it is. */
  get problem(): unknown {
    return this.#problem;
  }

  /**
   * Compares what is there with what is in force. Settles once that is done, by a look that began no earlier than this
   * call: one that is under way may have read what was there before.
   */
  look(): Promise<void> {
    this.#isStale = true;
    this.#looking ??= this.#lookUntilFresh();
    return this.#looking;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    for (const watcher of this.#watchers) watcher.close();
  }

  async #lookUntilFresh(): Promise<void> {
    try {
      while (this.#isStale) {
        this.#isStale = false;
        await this.#look();
      }
    } finally {
      this.#looking = undefined;
    }
  }

  async #look(): Promise<void> {
    let source: PolicySource;
    try {
      source = await readSource(this.#path);
      this.#goneSince = undefined;
    } catch (error) {
      this.#unreadable(error);
      return;
    }
    const seen = fingerprint(source, await readBeside(this.#options.beside));
    if (seen === this.#seen) return;
    this.#seen = seen;
    try {
      const next = await this.#parse(source);
      this.#problem = undefined;
      if (next.digest === this.#policy.digest) return;
      this.#policy = next;
      this.#options.onChange?.(next);
    } catch (error) {
      this.#alarm(error);
    }
  }

  #unreadable(error: unknown): void {
    const isGone = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (!isGone) {
      if (!isSameProblem(error, this.#problem)) this.#alarm(error);
      return;
    }
    const goneMs = this.#options.goneMs ?? 2_000;
    const now = performance.now();
    this.#goneSince ??= now;
    const left = this.#goneSince + goneMs - now;
    if (left > 0) {
      this.#lookAfter(left + 1);
      return;
    }
    if (this.#seen === "") return;
    // What comes back is read anew, also if it is what was there before.
    this.#seen = "";
    this.#policy = denyEverything("the policy is gone");
    this.#alarm(error);
    this.#options.onChange?.(this.#policy);
  }

  #watch(place: string): void {
    try {
      const watcher = watch(place, { persistent: false }, (_event, name) => {
        // What else happens in the folder is of no interest, but for links that are switched there.
        if (place === this.#path || name === null || this.#names.has(name) || name.startsWith("..")) {
          this.#lookAfter(SETTLE_MS);
        }
      });
      watcher.on("error", (error) => this.#options.onAlarm?.(error));
      this.#watchers.push(watcher);
    } catch (error) {
      // Some file systems have no events; the regular look remains.
      this.#options.onAlarm?.(error);
    }
  }

  #lookAfter(ms: number): void {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => void this.look(), ms).unref();
  }

  #alarm(problem: unknown): void {
    this.#problem = problem;
    this.#options.onAlarm?.(problem);
  }
}

async function readSource(path: string): Promise<PolicySource> {
  if (!(await stat(path)).isDirectory()) return readFile(path, "utf8");
  const names = (await readdir(path)).filter((name) => /\.ya?ml$/.test(name)).sort();
  return Promise.all(names.map(async (name) => ({ name, text: await readFile(join(path, name), "utf8") })));
}

/** The texts of files beside the policy; one that is not there is no text, which its reader will complain about. */
function readBeside(files: readonly string[] = []): Promise<readonly (string | null)[]> {
  return Promise.all(files.map((file) => readFile(file, "utf8").catch(() => null)));
}

function fingerprint(source: PolicySource, beside: readonly (string | null)[]): string {
  return JSON.stringify([source, beside]);
}

function isSameProblem(a: unknown, b: unknown): boolean {
  return a instanceof Error && b instanceof Error && a.message === b.message;
}
