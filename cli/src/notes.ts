import { join } from "node:path";
import { type Did, type Digest, type Note, noteDigest, parseNote, PeerageError, type View } from "@peerage/core";
import { z } from "zod";
import type { Context } from "./context.ts";
import { readBook, writeBook } from "./files/book.ts";
import { request } from "./http.ts";

const cacheForm = z.strictObject({ v: z.literal(1), names: z.record(z.string(), z.string().max(64)) });
const PARALLEL = 8;

/**
 * The names that agents chose for themselves. They stand in notes beside the log, named in it by digest; a note is believed
 * only if it has that digest. Kept in the cache, since a digest never means another note.
 */
export class NameSource {
  readonly #url: string;
  readonly #path: string;
  readonly #offline: boolean;
  #cache: Map<string, string> | undefined;

  /** @param options.offline the registry cannot be reached: only names that are kept are known */
  constructor(context: Context, url: string, options: { readonly offline?: boolean } = {}) {
    this.#url = url;
    this.#offline = options.offline ?? false;
    this.#path = join(context.paths.cache, "names.json");
  }

  /** The self-chosen name of one agent, if its profile names a note and the registry still has it. */
  async of(view: View, did: Did): Promise<string | undefined> {
    return (await this.ofAll(view, [did])).get(did);
  }

  /** The self-chosen names of some agents; a note that is missing or does not fit leaves its agent without. */
  async ofAll(view: View, dids: readonly Did[]): Promise<ReadonlyMap<Did, string>> {
    const cache = await this.#load();
    const wanted = dids.flatMap((did) => {
      const digest = view.profileOf(did)?.statement.noteDigest;
      return digest === undefined ? [] : [{ did, digest }];
    });
    const missing = this.#offline
      ? []
      : [...new Set(wanted.map(({ digest }) => digest))].filter((digest) => !cache.has(digest));
    for (let i = 0; i < missing.length; i += PARALLEL) {
      await Promise.all(
        missing.slice(i, i + PARALLEL).map(async (digest) => {
          const name = await this.#fetch(digest);
          if (name !== undefined) cache.set(digest, name);
        }),
      );
    }
    if (missing.length > 0) await writeBook(this.#path, { v: 1, names: Object.fromEntries(cache) });
    return new Map(
      wanted.flatMap(({ did, digest }) => (cache.has(digest) ? [[did, cache.get(digest) ?? ""] as const] : [])),
    );
  }

  async #load(): Promise<Map<string, string>> {
    // A damaged cache is an empty one: it may be deleted at any time.
    return (this.#cache ??= new Map(
      Object.entries((await readBook(this.#path, cacheForm).catch(() => undefined))?.names ?? {}),
    ));
  }

  async #fetch(digest: Digest): Promise<string | undefined> {
    try {
      return (await fetchNote(this.#url, digest)).name;
    } catch {
      // Notes may be erased, and a registry may keep none: names are a convenience, never a fact.
      return undefined;
    }
  }
}

/**
 * The note with a digest, as a registry keeps it.
 * @throws {CliError} ERR_NOT_FOUND if it has none or it was erased, ERR_REGISTRY_UNREACHABLE
 * @throws {PeerageError} ERR_NOTE_INVALID if what came is another one
 */
export async function fetchNote(registry: string, digest: Digest): Promise<Note> {
  const note = parseNote((await request(registry, `/v1/notes/${digest}`)).body);
  if (noteDigest(note) === digest) return note;
  throw new PeerageError("ERR_NOTE_INVALID", "the registry shows another note than the one that is named");
}
