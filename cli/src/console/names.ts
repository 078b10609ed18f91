import { type Did, Network } from "@peerage/core";
import type { Context } from "../context.ts";
import { readNames } from "../files/book.ts";
import { findIdentity, identityNames } from "../files/identities.ts";
import { connect } from "../network.ts";
import { NameSource } from "../notes.ts";

const EVERY_MS = 2_000;
/** How often the registry is asked whether agents have chosen other names. */
const REGISTRY_MS = 10_000;
const MOST_WANTED = 10_000;

/**
 * Names for the agents of a console, looked up beside its pages: the operator's own first (petnames, and the identities
 * of this machine), else the one that an agent chose for itself, in quotation marks, since it is a claim.
 */
export class OperatorNames implements Disposable {
  readonly #context: Context;
  #own = new Map<Did, string>();
  readonly #chosen = new Map<Did, string>();
  readonly #wanted = new Set<Did>();
  #network: Network | undefined;
  #askedAt = -Infinity;
  #isNew = false;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Settles once the operator's own names are there. */
  async start(): Promise<void> {
    await this.#readOwn();
    this.#schedule();
  }

  of(did: Did): string | undefined {
    const own = this.#own.get(did);
    if (own !== undefined) return own;
    if (!this.#wanted.has(did) && this.#wanted.size < MOST_WANTED) {
      this.#wanted.add(did);
      this.#isNew = true;
    }
    return this.#chosen.get(did);
  }

  #schedule(): void {
    if (this.#isOver) return;
    this.#timer = setTimeout(() => void this.#look(), EVERY_MS).unref();
  }

  async #look(): Promise<void> {
    try {
      await this.#readOwn();
      const now = Date.now();
      // An agent that was not seen before is looked up soon, changes of name in their time.
      if (this.#isNew || now - this.#askedAt >= REGISTRY_MS) {
        this.#askedAt = now;
        await this.#readChosen();
      }
    } catch {
      // Names are a convenience: a registry that is down, or a book that is being written, leaves those that there are.
    }
    this.#schedule();
  }

  async #readOwn(): Promise<void> {
    const { paths } = this.#context;
    const names = new Map<Did, string>();
    for (const name of await identityNames(paths)) {
      const file = await findIdentity(paths, name).catch(() => undefined);
      if (file) names.set(file.did, name);
    }
    for (const [name, did] of await readNames(paths)) names.set(did, name);
    this.#own = names;
  }

  async #readChosen(): Promise<void> {
    const url = await this.#context.registry();
    if (url === undefined || this.#wanted.size === 0) return;
    this.#isNew = false;
    if (this.#network) await this.#network.refresh();
    else {
      const reader = await connect(this.#context, url);
      this.#network = await Network.open({ reader, now: this.#context.io.now });
    }
    const found = await new NameSource(this.#context, url).ofAll(this.#network.view, [...this.#wanted]);
    this.#chosen.clear();
    for (const [did, name] of found) this.#chosen.set(did, `“${name}”`);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }
}
