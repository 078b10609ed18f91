import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "./key-file.ts";

/**
 * The last published checkpoint, beside the keys and never in the database's backup: a database that is older was
 * restored, and appending to it would fork the log.
 */
export class HeadFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** The note, or undefined if nothing was published yet. */
  async read(): Promise<string | undefined> {
    try {
      return await readFile(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Replaces the note as a whole; it is on disk when the promise resolves. */
  async write(note: string): Promise<void> {
    const temporary = `${this.#path}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(note);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path);
    await syncDirectory(dirname(this.#path));
  }
}
