import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { helpData } from "../cli/src/help.ts";
import { roff } from "../scripts/man/roff.ts";
import { writeManPages } from "../scripts/man.ts";

const groff = spawnSync("groff", ["--version"]).status === 0;
if (!groff) console.warn("SKIPPED: there is no groff here, so the pages are checked by our own parser only");

/** The macros that the pages use, of man(7). */
const macros = ["TH", "SH", "SS", "PP", "TP", "B", "I", "BR", "EX", "EE", "br", "nh", "ad"];
/** The escapes that they use, and what each shows. */
const escapes: Readonly<Record<string, string>> = {
  "\\e": "\\",
  "\\-": "-",
  "\\(aq": "'",
  "\\(dq": '"',
  "\\(ga": "`",
  "\\(ha": "^",
  "\\(ti": "~",
  "\\&": "",
  "\\fI": "",
  "\\fR": "",
};

/** The text that a line shows; throws for an escape that is not among ours. */
function shown(line: string): string {
  return line.replace(/\\(\[u[0-9A-F]{4,6}\]|\(..|f.|.)/g, (escape, name: string) => {
    if (name.startsWith("[u")) return String.fromCodePoint(Number.parseInt(name.slice(2, -1), 16));
    const text = escapes[escape];
    if (text === undefined) throw new Error(`${escape} in: ${line}`);
    return text;
  });
}

describe("the manual", () => {
  let folder = "";
  let pages: Map<string, string>;
  const help = helpData();
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "peerage-man-"));
    const names = await writeManPages(folder);
    pages = new Map(
      await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), "utf8")] as const)),
    );
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("has a page for peerage and for each first word, with every command, flag and example as they are typed", () => {
    const words = new Set(help.commands.map(({ path }) => path.split(" ")[0] ?? ""));
    expect([...pages.keys()].sort()).toEqual(["peerage.1", ...[...words].map((word) => `peerage-${word}.1`)].sort());
    const top = shown(pages.get("peerage.1") ?? "");
    for (const { flags } of help.flags) expect(top).toContain(`\n.B ${flags}\n`);
    for (const { code, text } of help.exitCodes) expect(top).toContain(`\n.B ${code}\n${text}\n`);
    for (const { path, usage, flags, examples } of help.commands) {
      expect(top).toContain(`\n.B peerage ${path}\n`);
      const own = shown(pages.get(`peerage-${path.split(" ")[0] ?? ""}.1`) ?? "");
      expect(own).toContain(`\n.B ${usage}\n`);
      for (const flag of flags) expect(own).toContain(`\n.B ${flag.flags}\n${flag.text}\n`);
      for (const example of examples) expect(own).toContain(`\n    ${example}\n`);
    }
  });

  it("is roff of known macros and escapes, in ASCII, with the sections that readers look for", () => {
    for (const [name, text] of pages) {
      expect(text, name).toMatch(/^\.TH "PEERAGE[\\A-Z0-9-]*" 1 "" "peerage [\d.\w-]+" "Peerage"\n\.nh\n\.ad l\n/);
      expect(text, name).not.toMatch(/[^\n\x20-\x7e]/);
      const lines = text.trimEnd().split("\n");
      let example = false;
      for (const line of lines) {
        const macro = /^[.']\s*(\S*)/.exec(line)?.[1];
        if (macro !== undefined) expect(macros, `${name}: ${line}`).toContain(macro);
        if (macro === "EX" || macro === "EE") {
          expect(example, `${name}: ${line}`).toBe(macro === "EE");
          example = macro === "EX";
        }
        expect(line, `${name}: an empty line`).not.toBe("");
        expect(() => shown(line)).not.toThrow();
        // Quotes around an argument come in pairs, and none is inside.
        if (macro !== undefined) expect(line.split('"').length % 2, `${name}: ${line}`).toBe(1);
      }
      const sections = lines.flatMap((line) => /^\.SH (.*)/.exec(line)?.[1] ?? []);
      for (const section of ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"])
        expect(sections, name).toContain(section);
      // What whatis(1) and apropos(1) read.
      expect(shown(lines[lines.indexOf(".SH NAME") + 1] ?? ""), name).toMatch(/^peerage(-[a-z]+)? - \S/);
    }
  });

  it("shows a text letter by letter, whatever roff would read in it", () => {
    for (const text of [".TH evil", "'quoted'", "\\fBbold\\fR \\n(.x", '--flag "x" `y` ^~', "…é\u{1f600}", "a\\", "\\"])
      expect(shown(roff(text))).toBe(text);
    expect(roff(".TH evil")).toMatch(/^\\&/);
    expect(() => roff("a\u001b[31m")).toThrow(RangeError);
  });

  it.skipIf(!groff)("is set by groff without a warning, and an example reads there as it is typed", () => {
    const paths = [...pages.keys()].map((name) => join(folder, name));
    const all = spawnSync("groff", ["-ww", "-man", "-Tutf8", "-rLL=200n", "-P-c", ...paths], { encoding: "utf8" });
    expect([all.status, all.stderr]).toEqual([0, ""]);
    // What a reader copies: no hyphen, quote or dash of typography in it.
    const text = all.stdout.replace(/.\u0008/gu, "");
    for (const { examples } of help.commands) for (const example of examples) expect(text).toContain(example);
  });
});
