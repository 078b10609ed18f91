import { readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import {
  type Did,
  type Digest,
  MAX_MESSAGE_SECONDS,
  multibaseOf,
  sha256Hex,
  type SealedMessage,
  SKEW_SECONDS,
} from "@peerage/core";
import { z } from "zod";
import { CliError } from "../errors.ts";
import { readBook, writeBook } from "../files/book.ts";
import type { Paths } from "../files/paths.ts";
import { codeOf, createPrivateFile, replaceFile } from "../files/safe-file.ts";
import { digest } from "../schemas/common.ts";
import { messageId } from "./post.ts";

/** A message on this machine, as sealed as it came. */
export interface Kept {
  readonly id: Digest;
  readonly sealed: Uint8Array;
  readonly registry: string;
  /** When the registry says that it came, Unix seconds. */
  readonly received: number;
  /** When it came to this machine, by its own clock: before that no thief can have sent it. */
  readonly fetched: number;
  readonly read: boolean;
}

const aboutForm = z.strictObject({
  v: z.literal(1),
  registry: z.string(),
  received: z.int(),
  fetched: z.int(),
  read: z.boolean(),
  // Taken away here: it is not brought again where it still waits.
  removed: z.literal(true).exactOptional(),
});
const seenForm = z.strictObject({ v: z.literal(1), id: digest, exp: z.int() });

/**
 * The messages of one identity on this machine: a folder with one sealed file each, and what was ever taken in, so that
 * nothing is taken in twice. Every file is whole at every instant.
 */
export class KeptMessages {
  readonly #folder: string;

  constructor(paths: Pick<Paths, "data">, did: Did) {
    this.#folder = join(paths.data, "inbox", multibaseOf(did));
  }

  /** Keeps a message, on disk when it returns. One that is there stays as it is. */
  async add(message: Omit<Kept, "read">): Promise<void> {
    const { id, sealed, registry, received, fetched } = message;
    if ((await this.#about(id)) && (await this.#sealed(id))) return;
    // The sealed bytes come last: with them the message is there, and what is said about it stands already.
    await writeBook(this.#path(id, "json"), { v: 1, registry, received, fetched, read: false });
    await replaceFile(this.#path(id, "age"), sealed);
  }

  /** Every message, in the order in which they came. What is not whole is no message. */
  async all(): Promise<Kept[]> {
    const files = (await this.#files()).flatMap((file) => /^([0-9a-f]{64})\.age$/.exec(file)?.[1] ?? []);
    const found: Kept[] = [];
    for (const hex of files) {
      const id: Digest = `sha256:${hex}`;
      const about = await this.#about(id);
      const sealed = await this.#sealed(id);
      if (!about || !sealed) continue;
      const { v: _, removed: __, ...rest } = about;
      found.push({ id, sealed, ...rest });
    }
    return found.sort((a, b) => a.received - b.received || (a.id < b.id ? -1 : 1));
  }

  /** The ids that begin as is written, whole digests and their hexadecimal digits alike. */
  async matching(text: string): Promise<Digest[]> {
    const hex = text.replace(/^sha256:/, "");
    if (!/^[0-9a-f]{4,64}$/.test(hex)) return [];
    const ids = (await this.#files()).filter((file) => file.startsWith(hex) && /^[0-9a-f]{64}\.age$/.test(file));
    return ids.map((file): Digest => `sha256:${file.slice(0, 64)}`);
  }

  async markRead({ id, sealed: _, ...about }: Kept): Promise<void> {
    if (!about.read) await writeBook(this.#path(id, "json"), { v: 1, ...about, read: true });
  }

  /** Takes a message away for good: one that still waits somewhere is not brought again. */
  async remove(id: Digest): Promise<void> {
    const about = await this.#about(id);
    if (about) await writeBook(this.#path(id, "json"), { ...about, removed: true });
    await unlink(this.#path(id, "age"));
  }

  /** True of a message that was taken away here. */
  async isRemoved(id: Digest): Promise<boolean> {
    return (await this.#about(id))?.removed === true;
  }

  /**
   * Takes a message in, once: its sender's name for it is remembered for as long as it could be sent again.
   * @returns `replayed` if the same message came in other sealed bytes, `expired` if it is too late to tell
   */
  async admit(id: Digest, message: SealedMessage, now: number): Promise<"admitted" | "replayed" | "expired"> {
    const path = join(this.#folder, "seen", `${sha256Hex(`${message.sender}\n${message.jti}`)}.json`);
    const before = await readBook(path, seenForm);
    if (before) return before.id === id ? "admitted" : "replayed";
    if (message.expiresAt + SKEW_SECONDS < now) return "expired";
    try {
      await createPrivateFile(path, `${JSON.stringify({ v: 1, id, exp: message.expiresAt })}\n`);
      return "admitted";
    } catch (error) {
      // Another process was a moment earlier: what it wrote decides.
      const first = error instanceof CliError ? await readBook(path, seenForm) : undefined;
      if (!first) throw error;
      return first.id === id ? "admitted" : "replayed";
    }
  }

  /** Forgets what cannot be sent again: a message that has expired is taken in by nobody. */
  async forgetExpired(now: number): Promise<void> {
    const files = await this.#files();
    const kept = new Set(files.filter((file) => file.endsWith(".age")).map((file) => file.slice(0, 64)));
    for (const file of files.filter((name) => /^[0-9a-f]{64}\.json$/.test(name) && !kept.has(name.slice(0, 64)))) {
      const about = await readBook(join(this.#folder, file), aboutForm);
      if (about && about.fetched + MAX_MESSAGE_SECONDS + 2 * SKEW_SECONDS < now) await unlink(join(this.#folder, file));
    }
    const folder = join(this.#folder, "seen");
    for (const file of await namesIn(folder)) {
      if (!file.endsWith(".json") || file.startsWith(".")) continue;
      const seen = await readBook(join(folder, file), seenForm);
      // Of a message that is still here the name stays, or it would seem to have come too late.
      if (seen && seen.exp + 2 * SKEW_SECONDS < now && !kept.has(seen.id.slice(7))) await unlink(join(folder, file));
    }
  }

  #about(id: Digest): Promise<z.output<typeof aboutForm> | undefined> {
    return readBook(this.#path(id, "json"), aboutForm);
  }

  /** Undefined where there is no such message, or it is not whole; another process may just have taken it away. */
  async #sealed(id: Digest): Promise<Uint8Array | undefined> {
    try {
      const sealed = await readFile(this.#path(id, "age"));
      return messageId(sealed) === id ? sealed : undefined;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  #files(): Promise<string[]> {
    return namesIn(this.#folder);
  }

  #path(id: Digest, ending: "age" | "json"): string {
    return join(this.#folder, `${id.slice(7)}.${ending}`);
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}
