import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Home } from "./_cli.ts";

/** JSON whose members a test names without ceremony. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Json = any;

/** The samples of a file under test/fixtures. */
export async function samplesOf(name: string): Promise<Json> {
  return JSON.parse(await readFile(new URL(`./fixtures/${name}.json`, import.meta.url), "utf8"));
}

/** A file in a user's folder: text as it is, anything else as JSON. */
export async function sampleFile(home: Home, content: unknown): Promise<string> {
  const path = join(home.path, `sample-${randomUUID()}`);
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

/** A copy in which something is another. */
export function edited(value: Json, edit: (copy: Json) => void): Json {
  const copy = structuredClone(value);
  edit(copy);
  return copy;
}

/** What `peerage verify` said of something: how it ended, and of each check the state and the words. */
export interface Said {
  readonly code: number | null;
  readonly type: string;
  readonly checks: Readonly<Record<string, string>>;
  readonly texts: Readonly<Record<string, string>>;
}

/** Verifies something as a user does who has it in a file. */
export async function verified(home: Home, content: unknown, ...argv: string[]): Promise<Said> {
  const ran = await home.call(["verify", await sampleFile(home, content), ...argv, "--json"]);
  const { type, checks } = JSON.parse(ran.stdout).data;
  const column = (name: string): Record<string, string> =>
    Object.fromEntries(checks.map((one: Json) => [one.name, one[name]]));
  return { code: ran.code, type, checks: column("state"), texts: column("text") };
}
