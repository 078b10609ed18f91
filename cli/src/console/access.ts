import { createHash } from "node:crypto";
import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { randomBytes, toBase64url } from "@peerage/core";
import type { ConsoleAccess } from "@peerage/observatory";
import { z } from "zod";
import { codeOf, createPrivateFile, privateFolder, readPrivateFile, replaceFile } from "../files/safe-file.ts";

/** How long a one-time code can be used, in milliseconds. */
export const CODE_MS = 600_000;
const SESSION_MS = 30 * 86_400_000;
const MOST_SESSIONS = 64;

const sessionsForm = z.strictObject({ v: z.literal(1), sessions: z.record(z.string(), z.number()) });

/**
 * Who may look at the consoles of one state folder. Codes and sessions are files of the operator's, so that a command
 * can hand a browser in whichever process serves the console; only their hashes are kept.
 */
export class FileAccess implements ConsoleAccess {
  readonly #folder: string;
  readonly #now: () => Date;
  #last: Promise<unknown> = Promise.resolve();

  constructor(state: string, now: () => Date) {
    this.#folder = join(state, "console");
    this.#now = now;
  }

  /** A code that lets one browser in, once, for ten minutes: 128 random bits. */
  async makeCode(): Promise<string> {
    const code = toBase64url(randomBytes(16));
    await privateFolder(this.#folder);
    await this.#sweep();
    await createPrivateFile(this.#codeFile(code), String(this.#now().getTime() + CODE_MS));
    return code;
  }

  async redeem(code: string): Promise<string | undefined> {
    if (!/^[A-Za-z0-9_-]{22}$/.test(code)) return undefined;
    const file = this.#codeFile(code);
    const until = await readPrivateFile(file);
    if (until === undefined) return undefined;
    try {
      // Whoever takes the file away has used the code; nobody else can.
      await unlink(file);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
    if (!(this.#now().getTime() < Number(until))) return undefined;
    const token = toBase64url(randomBytes(32));
    await this.#change((sessions) => sessions.set(hash(token), this.#now().getTime() + SESSION_MS));
    return token;
  }

  async check(token: string): Promise<boolean> {
    if (!/^[A-Za-z0-9_-]{43}$/.test(token)) return false;
    const until = (await this.#sessions()).get(hash(token));
    return until !== undefined && this.#now().getTime() < until;
  }

  async end(token: string): Promise<void> {
    await this.#change((sessions) => sessions.delete(hash(token)));
  }

  /** One change after another: two logins at a time must not lose one another. */
  #change(change: (sessions: Map<string, number>) => void): Promise<void> {
    const run = async (): Promise<void> => {
      const now = this.#now().getTime();
      const sessions = new Map([...(await this.#sessions())].filter(([, until]) => until > now));
      change(sessions);
      const newest = [...sessions].sort(([, a], [, b]) => b - a).slice(0, MOST_SESSIONS);
      await privateFolder(this.#folder);
      await replaceFile(this.#sessionsFile, JSON.stringify({ v: 1, sessions: Object.fromEntries(newest) }));
    };
    const done = this.#last.then(run, run);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #sessions(): Promise<Map<string, number>> {
    const text = await readPrivateFile(this.#sessionsFile);
    if (text === undefined) return new Map();
    try {
      return new Map(Object.entries(sessionsForm.parse(JSON.parse(text)).sessions));
    } catch {
      return new Map(); // a damaged file lets nobody in
    }
  }

  async #sweep(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      if (!name.endsWith(".code")) continue;
      const file = join(this.#folder, name);
      const found = await stat(file).catch(() => undefined);
      if (found && found.mtimeMs < Date.now() - CODE_MS) await unlink(file).catch(() => undefined);
    }
  }

  get #sessionsFile(): string {
    return join(this.#folder, "sessions.json");
  }

  #codeFile(code: string): string {
    return join(this.#folder, `${hash(code)}.code`);
  }
}

function hash(secret: string): string {
  return createHash("sha256").update(`peerage console\n${secret}`).digest("hex");
}
