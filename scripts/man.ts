/** `npm run man`: the manual pages, in `dist/man`. `man -l dist/man/peerage.1` shows one without installing it. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { helpData } from "../cli/src/help.ts";
import { parents } from "../cli/src/tree.ts";
import { manPages } from "./man/pages.ts";

/** Writes every page into a folder, from nothing, and returns their names. */
export async function writeManPages(folder: string): Promise<string[]> {
  const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const pages = manPages(helpData(), { version, parents });
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, text] of pages) await writeFile(join(folder, name), text);
  return [...pages.keys()];
}

if (import.meta.main) {
  const names = await writeManPages(fileURLToPath(new URL("../dist/man", import.meta.url)));
  console.log(`${names.length} pages in dist/man: man -l dist/man/${names[0] ?? ""}`);
}
