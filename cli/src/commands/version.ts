import { readFile } from "node:fs/promises";
import type { Context } from "../context.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";

/** `peerage version`. */
export async function run(_context: Context, _args: Args): Promise<Result> {
  const version = await readVersion();
  return {
    data: { version, node: process.versions.node, platform: `${process.platform} ${process.arch}` },
    text: [version],
    plain: [[version]],
  };
}

/** The version of this installation. The repository keeps it in the root only; a packed package has its own. */
export async function readVersion(): Promise<string> {
  for (const path of ["../../package.json", "../../../package.json"]) {
    const { name, version } = JSON.parse(await readFile(new URL(path, import.meta.url), "utf8")) as Record<
      string,
      string
    >;
    if (version !== undefined && version !== "0.0.0" && name?.includes("peerage") === true) return version;
  }
  return "0.0.0";
}
