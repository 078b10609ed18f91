import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parsePolicy } from "@peerage/core";
import { beforeAll, describe, expect, it } from "vitest";
import { Home } from "./_cli.ts";
import { type Block, blocksOf, commandsIn, pages, pageText } from "./_docs.ts";
import { elsewhere, stories, templates } from "./docs-stories.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
let blocks: Block[];
let shell: Block[];

interface CommandHelp {
  readonly path: string;
  readonly flags: readonly { readonly flags: string }[];
}
let commands: readonly CommandHelp[];
let globals: readonly string[];

beforeAll(async () => {
  blocks = (await Promise.all(pages.map(blocksOf))).flat();
  shell = blocks.filter(({ language }) => language === "sh");
  await using home = await Home.make();
  const { data } = JSON.parse((await home.call(["help", "--json"])).stdout) as {
    data: { commands: CommandHelp[]; flags: { flags: string }[] };
  };
  commands = data.commands;
  globals = data.flags.flatMap(({ flags }) => longAndShort(flags));
});

describe("every shell block of every page", () => {
  it("is run as it stands by a test that names its page, or is a template that says why not", () => {
    const runHere = new Set(stories.map(({ page, mark }) => `${page} ${mark ?? ""}`));
    const runThere = new Set(elsewhere.map(({ page, mark }) => `${page} ${mark ?? ""}`));
    const unclaimed = shell.filter(({ page, mark, text }) =>
      mark === "template"
        ? !templates.some((template) => template.page === page && text.includes(template.holds))
        : !runHere.has(`${page} ${mark}`) && !runThere.has(`${page} ${mark}`),
    );
    expect(unclaimed.map(place)).toEqual([]);
    expect(shell.length).toBeGreaterThan(20);
  });

  it("is claimed by no entry in vain", async () => {
    for (const { page, mark = "" } of [...stories, ...elsewhere])
      expect(
        shell.some((block) => block.page === page && block.mark === mark),
        `${page} ${mark}`,
      ).toBe(true);
    for (const { page, holds } of templates)
      expect(
        shell.some((block) => block.page === page && block.mark === "template" && block.text.includes(holds)),
        `${page}: ${holds}`,
      ).toBe(true);
    for (const { page, by } of elsewhere) expect(await readFile(join(root, by), "utf8"), by).toContain(claim(page));
  });

  it("parses", () => {
    for (const block of shell) {
      const { status, stderr } = spawnSync("bash", ["-n"], {
        input: withoutPlaceholders(block.text),
        encoding: "utf8",
      });
      expect(status, `${place(block)}: ${stderr}`).toBe(0);
    }
  });

  it("names commands and flags that there are", () => {
    const wrong = shell.flatMap((block) =>
      commandsIn(block.text).flatMap((command) =>
        complaints(withoutPlaceholders(command)).map((complaint) => `${place(block)}: ${complaint}`),
      ),
    );
    expect(wrong).toEqual([]);
    expect(complaints("peerage vouch bob --scop code | cat")).toEqual(["peerage vouch has no --scop"]);
    expect(complaints("npx peerage proxi -- npx x")).toEqual(["there is no peerage proxi"]);
    expect(complaints("peerage guard --policy p --http 1 -- npx x --whatever")).toEqual([]);
  });
});

it("what a page says in passing of a command names flags that there are", async () => {
  const wrong: string[] = [];
  for (const page of pages) {
    const text = (await pageText(page)).replace(/^```[\s\S]*?^```$/gm, "");
    for (const [, said = ""] of text.matchAll(/`((?:npx )?peerage [^`]+)`/g))
      wrong.push(
        ...complaints(withoutPlaceholders(said.replace(/\s+/g, " "))).map((complaint) => `${page}: ${complaint}`),
      );
  }
  expect(wrong).toEqual([]);
});

it("every policy on a page is one that a guard would start with", () => {
  const policies = blocks.filter(({ language, text }) => language === "yaml" && text.includes("kind: Policy"));
  expect(policies.length).toBeGreaterThanOrEqual(4);
  for (const block of policies) {
    const text = block.text.replaceAll(/did:key:z6Mk\w*…/g, "did:key:z6MktojHN9D8obak7C9wjpTzCRrdE5zC6cxt5ANUFnQskgbs");
    expect(() => parsePolicy(text, { me: [], roots: [] }), place(block)).not.toThrow();
  }
});

it("every link leads to a page and a heading that there are", async () => {
  const broken: string[] = [];
  const targets = new Map<string, Set<string>>();
  const anchors = async (page: string): Promise<Set<string>> => {
    const known = targets.get(page) ?? anchorsOf(await pageText(page));
    targets.set(page, known);
    return known;
  };
  for (const page of pages) {
    const text = (await pageText(page)).replace(/^```[\s\S]*?^```$/gm, "");
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? page : posix.join(dirname(page), path);
      if (!existsSync(join(root, file))) broken.push(`${page}: ${target}`);
      else if (anchor !== undefined && file.endsWith(".md") && !(await anchors(file)).has(anchor))
        broken.push(`${page}: ${target}`);
    }
  }
  expect(broken).toEqual([]);
  expect(anchorsOf("## What is *in* `here`?\n### With: a mirror\n")).toEqual(
    new Set(["what-is-in-here", "with-a-mirror"]),
  );
});

function place({ page, line, mark }: Block): string {
  return `${page}:${line}${mark === "" ? "" : ` (${mark})`}`;
}

/** How a test names a page: by its path, by its file name, or, what runs the README's commands, by that word. */
function claim(page: string): string {
  return page === "README.md" ? "README" : page;
}

/** `<file>` and the like stand for a word. */
function withoutPlaceholders(text: string): string {
  return text.replace(/<(\w[\w -]*)>/g, "word").replaceAll("…", "");
}

function longAndShort(flags: string): string[] {
  return flags.split(/[ ,]+/).filter((word) => word.startsWith("-"));
}

/** `peerage` where a command begins, and its words. */
const COMMAND = /(?:^|[;&|(] *|npx |-- +|\w=\S* +)peerage((?:\s+[^\s|;&)]+)*)/g;

/** What is wrong with the `peerage` commands of a line: no such command, no such flag. */
function complaints(line: string): string[] {
  const found: string[] = [];
  const plain = line.replaceAll("\\\n", " ").replace(/\n[\s\S]*/, "");
  for (const [, rest = ""] of plain.matchAll(COMMAND)) {
    const all = rest.split(/\s+/).filter((word) => word !== "");
    const end = all.indexOf("--");
    const words = end < 0 ? all : all.slice(0, end);
    const named = words.filter((word, i) => !word.startsWith("-") && !takesValue(words[i - 1]));
    const path = [named.slice(0, 2).join(" "), named[0] ?? ""].find((name) => isCommand(name));
    if (named.length > 0 && path === undefined) found.push(`there is no peerage ${named[0]}`);
    const known = [...globals, "--help", "-h", "--version", ...flagsOf(path ?? "")];
    for (const word of words) {
      const flag = word.split("=")[0]!;
      if (/^--?[a-z]/.test(flag) && !known.includes(flag)) found.push(`peerage ${path ?? ""} has no ${flag}`);
    }
    // What a proxy or a call wraps may be `peerage` again; the pattern has swallowed it.
    if (end >= 0) found.push(...complaints(all.slice(end + 1).join(" ")));
  }
  return found;
}

function takesValue(before: string | undefined): boolean {
  return before !== undefined && /^--[a-z]/.test(before) && !before.includes("=") && valued(before);
}

function valued(flag: string): boolean {
  if (["--registry", "--identity", "--as"].includes(flag)) return true;
  return commands.some(({ flags }) =>
    flags.some(({ flags: form }) => longAndShort(form).includes(flag) && form.includes("<")),
  );
}

function isCommand(name: string): boolean {
  return commands.some(({ path }) => path === name || path.startsWith(`${name} `));
}

/** Of a command, or, of a group named alone, of its first command, which it stands for. */
function flagsOf(name: string): string[] {
  const own = commands.filter(({ path }) => path === name || path.startsWith(`${name} `));
  return own.flatMap(({ flags }) => flags.flatMap(({ flags: form }) => longAndShort(form)));
}

/** The anchors that the headings of a page have, as repository hosts make them. */
function anchorsOf(text: string): Set<string> {
  const headings = text.replace(/^```[\s\S]*?^```$/gm, "").matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .trim()
        .replaceAll(" ", "-"),
    ),
  );
}
