import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commands } from "../cli/src/tree.ts";
import { answerEnvelope, dataSchemas, errorLine } from "../cli/src/schemas.ts";
import { columnOf, covered, holes } from "./_cli-cells.ts";
import { Home, type Ran } from "./_cli.ts";
import { goldenFile, type Look, Transcript } from "./_cli-golden.ts";
import { rows as answers } from "./_cli-rows.ts";
import { type Row, usageRows } from "./_cli-rows-usage.ts";
import { DEAD, openWorld, STRANGER, type World } from "./_cli-world.ts";

const rows: readonly Row[] = [...answers, ...usageRows];

describe("every command", () => {
  let world: World;
  let transcript: Transcript;
  beforeAll(async () => {
    world = await openWorld();
    transcript = new Transcript(world);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  /** Each exit code and each first word that succeeds has been seen as a real process; the rest runs in this one. */
  const asProcess = new Set(
    rows.flatMap(([line, exit], i) => {
      const isFirst = (alike: (row: Row) => boolean): boolean => rows.findIndex(alike) === i;
      const word = line.split(" ")[0];
      const firstOfCode = isFirst(([, code]) => code === exit);
      return firstOfCode || (exit === 0 && isFirst(([other, code]) => code === 0 && other.split(" ")[0] === word))
        ? [line]
        : [];
    }),
  );

  let fresh = 0;
  /** The first row of each command that succeeds is seen in colour and in ASCII as well. */
  const inAllLooks = new Set(
    commands.flatMap(({ path }) => rows.find(([line, exit]) => exit === 0 && covered(line) === path)?.[0] ?? []),
  );
  const env = { text: {}, colour: {}, ascii: { LANG: "C" } };

  const run = ([line, , code]: Row, more: readonly string[] = [], look: Look = "text"): Promise<Ran> => {
    const { home, empty, registry, note, dids } = world;
    const made = {
      dead: DEAD,
      registry: registry.url,
      state: home.at("state"),
      note,
      bot: dids.bot,
      data: registry.folder,
      fresh: `fresh-${++fresh}`,
    };
    const argv = line
      .replace(/\{(\w+)\}/g, (_, name: string) => (made as Record<string, string>)[name] ?? name)
      .split(" ");
    const at = argv.indexOf("--");
    const own = at < 0 ? argv : argv.slice(0, at);
    const all = [...own, ...more, ...(at < 0 ? [] : argv.slice(at))];
    const user = code === "ERR_IDENTITY_MISSING" ? empty : home;
    const options = { cwd: home.path, env: { HOME: home.path, ...env[look] } };
    return more.length === 0 && look === "text" && asProcess.has(line)
      ? user.run(all, options)
      : user.call(all, options);
  };

  it.each(rows.map((row) => ({ line: row[0], exit: row[1], row })))(
    "`$line` ends with $exit",
    async ({ exit, row }) => {
      const code = row[2];
      const plain = await run(row);
      const command = covered(row[0]);
      if (command !== undefined) {
        transcript.add(command, "text", row[0], plain);
        if (inAllLooks.has(row[0])) {
          const ascii = await run(row, [], "ascii");
          // What was typed or came from elsewhere stays as it is; all that is ours is ASCII.
          expect((ascii.stdout + ascii.stderr).replace(/^\{.*\}$/gm, "{}")).toMatch(/^[\x20-\x7e\n\t]*$/);
          transcript.add(command, "ascii", row[0], ascii);
          process.env["FORCE_COLOR"] = "1";
          const colour = await run(row, [], "colour").finally(() => delete process.env["FORCE_COLOR"]);
          transcript.add(command, "colour", row[0], colour);
        }
      }
      const json = await run(row, ["--json"]);
      expect(plain.code, plain.stdout + plain.stderr).toBe(exit);
      expect(json.code, json.stdout + json.stderr).toBe(exit);
      for (const secret of world.secrets)
        expect([plain.stdout, plain.stderr, json.stdout, json.stderr].join("")).not.toContain(secret);
      if (code !== undefined) {
        // An error: nothing on stdout, and what, why and the way out on stderr.
        expect(plain.stdout).toBe("");
        expect(plain.stderr).toMatch(/^ {2}✕ {2}\S/m);
        // What does not verify or is refused is not mended by another command; all else is.
        if (exit !== 3 && exit !== 6) expect(plain.stderr).toMatch(/^ {5}fix {2}\S/m);
        const said = JSON.parse((exit === 3 || exit === 6 ? json.stdout : json.stderr).trim().split("\n").at(-1) ?? "");
        if (exit === 3 || exit === 6) {
          // "No" and "does not verify" are answers, wherever they were found out.
          expect(answerEnvelope.safeParse(said).error).toBeUndefined();
          expect(said).toMatchObject({ exit, data: { error: { code } } });
          return;
        }
        expect(json.stdout).toBe("");
        expect(errorLine.safeParse(said).error).toBeUndefined();
        expect(said).toMatchObject({ exit, error: { code } });
        return;
      }
      expect(json.stdout.endsWith("\n")).toBe(true);
      expect(json.stdout.trim().split("\n")).toHaveLength(1);
      const said = JSON.parse(json.stdout);
      expect(answerEnvelope.safeParse(said).error).toBeUndefined();
      expect(said.exit).toBe(exit);
      // What was found out to be wrong before there was an answer is told as an error, to people on stderr.
      if (said.data.error !== undefined) expect(plain.stdout + plain.stderr).toMatch(/^ {2}✕ {2}\S/m);
      else {
        expect(plain.stdout).not.toBe("");
        const schema = dataSchemas[said.command];
        expect(schema, `${said.command}: add what its data holds to cli/src/schemas.ts`).toBeDefined();
        expect(schema!.safeParse(said.data).error).toBeUndefined();
      }
    },
  );

  it.each(commands.map(({ path }) => path))("C1 prints `%s` as it was reviewed", async (command) => {
    const help = ["help", ...command.split(" ")];
    transcript.begin(command, "text", help.join(" "), await world.home.call(help));
    for (const look of ["text", "colour", "ascii"] as const) {
      const seen = transcript.of(command, look);
      if (seen !== undefined) await expect(seen).toMatchFileSnapshot(goldenFile(command, look));
    }
  });

  it("C2 the table of commands has no hole: each cell has its rows, or the reason why there can be none", () => {
    expect(holes(rows)).toEqual([]);
  });

  it("tells of a hole by its command and its column, and of a reason that is none", () => {
    const now = holes(rows);
    const more = (other: readonly Row[]): string[] => holes(other).filter((problem) => !now.includes(problem));
    const without = rows.filter((row) => covered(row[0]) !== "trust" || columnOf(row) !== "not found");
    expect(more(without)).toEqual([expect.stringMatching(/^trust × not found: add a row/)]);
    const wrong: Row = ["version --max", 7, "ERR_REGISTRY_UNREACHABLE"];
    expect(more([...rows, wrong])).toEqual([expect.stringMatching(/^version × registry down: has a row/)]);
  });

  it("works locally without a registry, and says how to name one where it is needed", async () => {
    await using other = await Home.make();
    expect((await other.call(["init", "bot"])).code).toBe(0);
    const { code, stderr } = await other.call(["trust", STRANGER]);
    expect(code).toBe(2);
    expect(stderr).toContain("peerage config set registry <url>");
  });

  it("gives `--plain` as tab-separated lines without a header", async () => {
    expect((await world.home.call(["names", "list", "--plain"])).stdout).toBe(`lantern\t${STRANGER}\n`);
    const { stdout } = await world.home.call(["trust", "bot", "--plain"]);
    expect(stdout.split("\t").slice(1)).toEqual(["tools", "0.8", "yes\n"]);
  });
});
