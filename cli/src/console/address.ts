import { readFileSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { privateFolder, replaceFile } from "../files/safe-file.ts";

const form = z.strictObject({ v: z.literal(1), url: z.url(), pid: z.int().positive() });

/** Says where the console of a state folder is, while it is there. */
export async function writeAddress(state: string, url: string): Promise<AsyncDisposable> {
  const folder = join(state, "console");
  const path = join(folder, "address.json");
  await privateFolder(folder);
  await replaceFile(path, JSON.stringify({ v: 1, url, pid: process.pid }));
  return {
    [Symbol.asyncDispose]: async () => {
      if (consoleAddress(state) === url) await unlink(path).catch(() => undefined);
    },
  };
}

/** Where the console of a state folder is, if one runs. */
export function consoleAddress(state: string): string | undefined {
  try {
    const { url, pid } = form.parse(JSON.parse(readFileSync(join(state, "console", "address.json"), "utf8")));
    process.kill(pid, 0);
    return url;
  } catch {
    return undefined; // there is none, or its process has gone
  }
}
