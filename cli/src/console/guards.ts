import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { type Digest, parsePolicy, type Policy } from "@peerage/core";
import { ApprovalStore, AuditReader, type AuditReport } from "@peerage/mcp-middleware";
import type { GuardSource } from "@peerage/observatory";
import { keptReceipt } from "../guard/kept-receipt.ts";
import { engines } from "../policy/source.ts";
import { AuditVerifier } from "./verifier.ts";

/** The stores of every guard that records into one folder; new ones are found, those that are gone are closed. */
export class GuardStores implements Disposable {
  readonly #folder: string;
  readonly #only: string | undefined;
  readonly #now: () => Date;
  readonly #open = new Map<string, Store>();
  readonly #verifier = new AuditVerifier();

  /** @param only - one audit log, instead of those of a folder */
  constructor(options: { readonly folder: string; readonly only?: string | undefined; readonly now: () => Date }) {
    this.#folder = options.folder;
    this.#only = options.only;
    this.#now = options.now;
  }

  /** The guards as they are now. */
  list(): readonly GuardSource[] {
    const paths = this.#paths();
    for (const [path, store] of this.#open) {
      if (paths.includes(path) && store.isThere) continue;
      store[Symbol.dispose]();
      this.#open.delete(path);
    }
    for (const path of paths) {
      if (this.#open.has(path)) continue;
      try {
        this.#open.set(path, new Store(path, this.#verifier, this.#now));
      } catch {
        // It is being made just now, or it is no audit log: `peerage calls verify` says which.
      }
    }
    return [...this.#open.values()];
  }

  [Symbol.dispose](): void {
    for (const store of this.#open.values()) store[Symbol.dispose]();
    this.#open.clear();
    this.#verifier[Symbol.dispose]();
  }

  #paths(): string[] {
    if (this.#only !== undefined) return existsSync(this.#only) ? [this.#only] : [];
    try {
      return readdirSync(this.#folder)
        .filter((name) => name.endsWith(".db"))
        .map((name) => join(this.#folder, name));
    } catch {
      return [];
    }
  }
}

/** One guard's audit log and approvals, as the console reads them. */
class Store implements GuardSource, Disposable {
  readonly name: string;
  readonly #path: string;
  readonly #file: string | undefined;
  readonly #verifier: AuditVerifier;
  readonly #reader: AuditReader;
  readonly #approvals: ApprovalStore;
  readonly #policies = new Map<Digest, Policy | undefined>();

  constructor(path: string, verifier: AuditVerifier, now: () => Date) {
    this.#verifier = verifier;
    this.name = basename(path, ".db");
    this.#path = path;
    this.#file = fileAt(path);
    this.#reader = new AuditReader(path);
    // A log without its tables is one that is just being made.
    if (this.#reader.guard === undefined) throw new Error("nothing is recorded yet");
    this.#approvals = new ApprovalStore(path, { now });
  }

  /** False once another file stands under the name: a log that was moved away and begun anew. */
  get isThere(): boolean {
    return fileAt(this.#path) === this.#file;
  }

  get did(): GuardSource["did"] {
    return this.#reader.guard;
  }

  size(): number {
    return this.#reader.size;
  }

  first(): number {
    return this.#reader.base?.size ?? 0;
  }

  records(from: number): ReturnType<GuardSource["records"]> {
    return this.#reader.records(from);
  }

  call(seq: number): ReturnType<GuardSource["call"]> {
    return this.#reader.call(seq);
  }

  older(below: number): ReturnType<GuardSource["older"]> {
    return this.#reader.calls({}, below);
  }

  find(id: string, from: number, to: number): ReturnType<GuardSource["find"]> {
    return this.#reader.find(id, from, to);
  }

  receipt(seq: number): ReturnType<GuardSource["receipt"]> {
    const call = this.#reader.call(seq);
    return call && keptReceipt(this.#reader, call);
  }

  policy(digest: Digest): Policy | undefined {
    if (this.#policies.has(digest)) return this.#policies.get(digest);
    const document = this.#reader.policy(digest);
    // What was in force once has been read before, so reading it again gives the same policy.
    const policy = document && parsePolicy(JSON.stringify(document), {}, engines);
    if (policy) this.#policies.set(digest, policy);
    return policy;
  }

  entry(digest: Digest): string | undefined {
    return this.#reader.entry(digest);
  }

  recorded(decision: Parameters<GuardSource["recorded"]>[0]): ReturnType<GuardSource["recorded"]> {
    const call = this.#reader.call(decision.seq);
    return call && this.#reader.recorded(call.decision);
  }

  checkpoints(): readonly string[] {
    return this.#reader.checkpoints();
  }

  verify(): Promise<AuditReport> {
    return this.#verifier.verify(this.#path);
  }

  items(states: Parameters<GuardSource["items"]>[0]): ReturnType<GuardSource["items"]> {
    return this.#approvals.list(states);
  }

  item(id: string): ReturnType<GuardSource["item"]> {
    return this.#approvals.show(id);
  }

  answer(id: string, token: string): ReturnType<GuardSource["answer"]> {
    return this.#approvals.submit(id, token);
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
    this.#approvals[Symbol.dispose]();
  }
}

/** Which file stands at a path. */
function fileAt(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}
