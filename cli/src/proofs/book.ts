import { join } from "node:path";
import type { Did, Place } from "@peerage/core";
import { z } from "zod";
import type { Context } from "../context.ts";
import { readBook, writeBook } from "../files/book.ts";

/** Where an agent was found proven, the last time. */
interface Proven {
  readonly place: string;
  readonly agent: string;
  /** RFC 3339. */
  readonly at: string;
}

const form = z.strictObject({
  v: z.literal(1),
  proven: z
    .array(z.strictObject({ place: z.string().max(300), agent: z.string().max(100), at: z.iso.datetime() }))
    .max(4_096),
});
const MAX_KEPT = 2_048;

/**
 * What this user has seen proven, and when: so that a proof that is gone is told as gone, and not as never there. It is
 * never taken for a proof.
 */
export class ProvenBook {
  readonly #path: string;
  #all: Promise<readonly Proven[]> | undefined;
  #written: Promise<void> = Promise.resolve();

  constructor(context: Context) {
    this.#path = join(context.paths.state, "places.json");
  }

  /** When an agent was last found proven at a place, RFC 3339. */
  async last({ url }: Place, agent: Did): Promise<string | undefined> {
    return (await this.#load()).find((one) => one.place === url && one.agent === agent)?.at;
  }

  /** Everyone who was ever found proven at a place. */
  async everyone({ url }: Place): Promise<readonly { readonly agent: Did; readonly at: string }[]> {
    return (await this.#load()).flatMap(({ place, agent, at }) => (place === url ? [{ agent: agent as Did, at }] : []));
  }

  /** Keeps who was found proven at a place just now; the oldest finds give way. */
  async keep({ url }: Place, agents: readonly Did[], at: string): Promise<void> {
    if (agents.length === 0) return;
    const isNew = ({ place, agent }: Proven): boolean => place === url && agents.some((one) => one === agent);
    // Places are looked at in parallel: each change is made to what the one before left, and written after it.
    const before = this.#load();
    this.#all = before.then((all) =>
      [...all.filter((one) => !isNew(one)), ...agents.map((agent) => ({ place: url, agent, at }))].slice(-MAX_KEPT),
    );
    const proven = this.#all;
    this.#written = this.#written.then(async () => writeBook(this.#path, { v: 1, proven: await proven }));
    await this.#written;
  }

  #load(): Promise<readonly Proven[]> {
    return (this.#all ??= readBook(this.#path, form).then((found) => found?.proven ?? []));
  }
}
