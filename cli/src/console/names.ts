import type { Did } from "@peerage/core";
import type { Context } from "../context.ts";
import { readNames } from "../files/book.ts";
import { findIdentity, identityNames } from "../files/identities.ts";

const EVERY_MS = 5_000;

/** The operator's own names for agents, looked up anew every few seconds: petnames, and the identities of this machine. */
export class OperatorNames implements Disposable {
  readonly #context: Context;
  #names = new Map<Did, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  async start(): Promise<void> {
    await this.#read();
    this.#timer = setInterval(() => void this.#read().catch(() => undefined), EVERY_MS).unref();
  }

  of(did: Did): string | undefined {
    return this.#names.get(did);
  }

  async #read(): Promise<void> {
    const { paths } = this.#context;
    const names = new Map<Did, string>();
    for (const name of await identityNames(paths)) {
      const file = await findIdentity(paths, name).catch(() => undefined);
      if (file) names.set(file.did, name);
    }
    for (const [name, did] of await readNames(paths)) names.set(did, name);
    this.#names = names;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
