import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerEnvelope, dataSchemas, errorLine } from "../cli/src/schemas.ts";
import { columnOf, covered, holes } from "./_cli-cells.ts";
import { Home, type Ran } from "./_cli.ts";
import { rows as answers } from "./_cli-rows.ts";
import { type Row, usageRows } from "./_cli-rows-usage.ts";
import { DEAD, openWorld, STRANGER, type World } from "./_cli-world.ts";

const rows: readonly Row[] = [...answers, ...usageRows];

describe("every command", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld();
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
  const run = ([line, , code]: Row, more: readonly string[] = []): Promise<Ran> => {
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
    return more.length === 0 && asProcess.has(line) ? user.run(all, { cwd: home.path }) : user.call(all);
  };

  it.each(rows.map((row) => ({ line: row[0], exit: row[1], row })))(
    "`$line` ends with $exit",
    async ({ exit, row }) => {
      const code = row[2];
      const plain = await run(row);
      const json = await run(row, ["--json"]);
      expect(plain.code, plain.stdout + plain.stderr).toBe(exit);
      expect(json.code, json.stdout + json.stderr).toBe(exit);
      for (const secret of world.secrets)
        expect([plain.stdout, plain.stderr, json.stdout, json.stderr].join("")).not.toContain(secret);
      if (code !== undefined) {
        // An error: nothing on stdout, and what, why and the way out on stderr.
        expect(plain.stdout).toBe("");
        expect(plain.stderr).toMatch(/^ {2}✕ {2}\S/m);
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
