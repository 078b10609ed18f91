import { stripVTControlCharacters } from "node:util";
import { expect } from "vitest";
import { BIN, type Ran } from "./_cli.ts";
import type { World } from "./_cli-world.ts";

/** How a command was seen: at 80 columns without colour, with it, or on a terminal that knows ASCII alone. */
export type Look = "text" | "colour" | "ascii";

/** Where the reviewed output of a command is kept. */
export function goldenFile(command: string, look: Look): string {
  return `./fixtures/golden/${look}/${command.replaceAll(" ", "-")}.txt`;
}

/** What was seen of one command, line by line as it was typed. */
export class Transcript {
  readonly #world: World;
  readonly #seen = new Map<string, string[]>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Adds a run, once it is known to fit. */
  add(command: string, look: Look, line: string, ran: Ran): void {
    this.#of(command, look).push(this.#seenAs(line, ran));
  }

  /** As {@link add}, before all the others. */
  begin(command: string, look: Look, line: string, ran: Ran): void {
    this.#of(command, look).unshift(this.#seenAs(line, ran));
  }

  #of(command: string, look: Look): string[] {
    const key = `${look} ${command}`;
    const seen = this.#seen.get(key) ?? [];
    this.#seen.set(key, seen);
    return seen;
  }

  #seenAs(line: string, { stdout, stderr, code }: Ran): string {
    checkWidth(stdout + stderr);
    return `$ peerage ${line}\n${steady(stdout + stderr, this.#world)}[${code}]\n`;
  }

  /** What was seen of a command; undefined if nothing was. */
  of(command: string, look: Look): string | undefined {
    return this.#seen.get(`${look} ${command}`)?.join("\n");
  }
}

/** A line fits 80 columns unless it holds a word that cannot be broken: a DID, a digest, a key, a token, a document. */
function checkWidth(text: string): void {
  for (const line of stripVTControlCharacters(text).split("\n")) {
    if (line.length > 80) expect(line).toMatch(/\S{44}|^ *[[{"]|^ {2}[-+ ] /);
    expect(line, "a DID is never broken").not.toMatch(/did:key:z6Mk(?![1-9A-HJ-NP-Za-km-z]{44}|…|broken)/);
    expect(line, "no line ends in spaces").not.toMatch(/\S +$/);
  }
}

const KEY = "z6Mk[1-9A-HJ-NP-Za-km-z]{44}";

/** The text with what is new in every run replaced: keys that are made anew, digests, times, ports, folders. */
function steady(text: string, { home, empty, dids }: World): string {
  const known = new Set<string>(
    [...Object.values(dids), "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME"].map((did) => did.slice(8)),
  );
  const heads = new Set([...known].map((key) => `${key.slice(0, 9)}…${key.slice(-4)}`));
  return (
    text
      .replaceAll("\u001b", "\\e")
      .replaceAll(home.path, "~")
      .replaceAll(empty.path, "~")
      .replaceAll(process.execPath, "/usr/bin/node")
      .replaceAll(BIN, "/usr/lib/node_modules/peerage/cli/bin/peerage.js")
      .replace(/\$schema=\S*?(?=core\/schema)/, "$schema=…/")
      .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, "eyJ….….…")
      .replace(new RegExp(KEY, "g"), (key) => (known.has(key) ? key : `z6Mk${"x".repeat(44)}`))
      .replace(/z6Mk[1-9A-HJ-NP-Za-km-z]{5}…[1-9A-HJ-NP-Za-km-z]{4}/g, (head) =>
        heads.has(head) ? head : "z6Mkxxxxx…xxxx",
      )
      .replace(/\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}/g, `+01234567+${"A".repeat(44)}`)
      .replace(/sha256:[0-9a-f]{64}/g, `sha256:${"0".repeat(64)}`)
      .replace(/\b[0-9a-f]{64}\b/g, "0".repeat(64))
      .replace(/sha256:[0-9a-f]{8,12}(?=…|\.\.\.)/g, "sha256:000000000000")
      .replace(
        /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g,
        "00000000-0000-0000-0000-000000000000",
      )
      .replace(/(?<![\w-])[\w-]{22}(?![\w-])/g, (word) => (/^(?:[a-z-]+|[A-Z_]+)$/.test(word) ? word : "A".repeat(22)))
      .replace(/^[A-Za-z0-9+/=]{100,}$/gm, "AAAA…")
      .replace(/(message +)[0-9a-f]{8}\b/g, "$100000000")
      // A document in one line is known by how it begins.
      .replace(/^(\{.{80}).{100,}\}$/gm, "$1…}")
      .replace(/"(proofValue|salt|call|nonce)": ?"[\w-]+"/g, '"$1": "…"')
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, "2026-01-02T03:04:05Z")
      .replace(/(?<!\d)20\d\d-\d\d-\d\d\b/g, "2026-01-02")
      .replace(/(?<!\d)\d\d:\d\d:\d\d\b/g, "03:04:05")
      // What was recorded before midnight is told with its day.
      .replace(/2026-01-02 (?=03:04:05)/g, "")
      .replace(/(?:less than \d|[\d.]+) s off the registry/g, "less than 1 s off the registry")
      .replace(/127\.0\.0\.1:\d{4,5}/g, "127.0.0.1:7075")
      .replace(/\b\d+ ms\b/g, "9 ms")
      .replace(/[\d.]+ (?:s|min) (old|ago|left)/g, "9 s $1")
      .replace(/in [\d.]+ (?:s|min)\b/g, "in 9 s")
      .replace(/\b\d{3,4} bytes/g, "999 bytes")
      .replace(/fresh-\d+/g, "fresh")
      .replace(/((?:node|peerage) +)\d+\.\d+\.\d+/g, "$1n.n.n")
  );
}
