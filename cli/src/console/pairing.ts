import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Did, parseDid, randomBytes } from "@peerage/core";
import type { ConsolePairing } from "@peerage/observatory";
import { codeOf, createPrivateFile, privateFolder, readPrivateFile } from "../files/safe-file.ts";

/** How long a terminal waits for a browser, in milliseconds. */
export const PAIRING_MS = 600_000;
/** Letters and digits that nobody takes for one another. */
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const form = /^[0-9A-HJKMNP-TV-Z]{8}$/;

/**
 * Where a terminal and a browser meet over a key: files named by a code that the terminal shows. The browser can hand in
 * one DID for it, and read what the terminal said; it changes nothing by that.
 */
export class FilePairing implements ConsolePairing {
  readonly #folder: string;

  constructor(state: string) {
    this.#folder = join(state, "console");
  }

  /** Begins to wait under a fresh code: 40 random bits. */
  async open(): Promise<string> {
    await privateFolder(this.#folder);
    await this.#sweep();
    const code = Array.from(randomBytes(8), (byte) => alphabet[byte % 32]).join("");
    await createPrivateFile(this.#file(code, "open"), String(Date.now() + PAIRING_MS));
    return code;
  }

  /** The key that was handed in, if one was. */
  async offered(code: string): Promise<Did | undefined> {
    const text = await readPrivateFile(this.#file(code, "did"));
    return text === undefined ? undefined : parseDid(text);
  }

  /** Says what became of it. */
  async close(code: string, said: "added" | "refused"): Promise<void> {
    await createPrivateFile(this.#file(code, "said"), said);
    await unlink(this.#file(code, "open")).catch(() => undefined);
  }

  async offer(code: string, did: Did): Promise<boolean> {
    if (!form.test(code) || !(await this.#isOpen(code))) return false;
    try {
      // The first key counts: a second one could be another's.
      await createPrivateFile(this.#file(code, "did"), did);
      return true;
    } catch {
      return (await this.offered(code)) === did;
    }
  }

  async state(code: string): Promise<"waiting" | "added" | "refused" | "gone"> {
    if (!form.test(code)) return "gone";
    const said = await readPrivateFile(this.#file(code, "said"));
    if (said === "added" || said === "refused") return said;
    return (await this.#isOpen(code)) ? "waiting" : "gone";
  }

  async #isOpen(code: string): Promise<boolean> {
    const until = await readPrivateFile(this.#file(code, "open"));
    return until !== undefined && Date.now() < Number(until);
  }

  async #sweep(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      if (!/^[0-9A-Z]{8}\.(?:open|did|said)$/.test(name)) continue;
      const file = join(this.#folder, name);
      const found = await stat(file).catch(() => undefined);
      if (!found || found.mtimeMs >= Date.now() - 2 * PAIRING_MS) continue;
      await unlink(file).catch((error: unknown) => {
        if (codeOf(error) !== "ENOENT") throw error;
      });
    }
  }

  #file(code: string, kind: "open" | "did" | "said"): string {
    return join(this.#folder, `${code}.${kind}`);
  }
}
