import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { benchCommand } from "../bench/command.ts";
import { compareReports, formatComparison, hasRegression } from "../bench/lib/compare.ts";
import { type Measurement, toFigures } from "../bench/lib/figures.ts";
import { formatReport, formatSection, formatTable, formatValue } from "../bench/lib/markdown.ts";
import { measured, measurePrepared, measureRates } from "../bench/lib/measure.ts";
import { parseReport, type Report, REPORT_VERSION } from "../bench/lib/report.ts";
import { median, quantile, summarise } from "../bench/lib/stats.ts";
import { parseOptions, UsageError } from "../bench/options.ts";
import { sectionNames } from "../bench/sections.ts";

const raw = (rounds: number[]): Measurement => measured("a/raw", "raw", "/s", rounds);
const ours = (rounds: number[], more: Partial<Measurement> = {}): Measurement =>
  measured("a/ours", "ours", "/s", rounds, { beside: "a/raw", ...more });

function reportOf(measurements: readonly Measurement[], more: Partial<Report> = {}): Report {
  const machine = {
    cpu: "c",
    cores: 2,
    memoryGiB: 4,
    kernel: "k",
    node: "v24",
    openssl: "3",
    sqlite: "3",
    postgres: "18",
  };
  return {
    version: REPORT_VERSION,
    startedAt: "2026-11-20T12:00:00.000Z",
    seconds: 1,
    scale: "normal",
    passes: 1,
    machine: { ...machine, commit: "abc" },
    load: { before: [0.1, 0.2, 0.3], during: 1.5, others: [0, 0.25] },
    sections: [{ name: "a", title: "A section", seconds: 1, figures: toFigures([measurements]) }],
    ...more,
  };
}

describe("the spread of a figure", () => {
  it("is four fifths of ten rounds or more, and all of fewer", () => {
    expect(summarise([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])).toEqual({ median: 6, low: 2, high: 10 });
    expect(summarise([1, 2, 3, 4, 5, 6, 7, 8, 9])).toEqual({ median: 5, low: 1, high: 9 });
    expect(summarise([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 });
    expect(summarise([7])).toEqual({ median: 7, low: 7, high: 7 });
    expect([median([4, 1, 3, 2]), quantile([0, 10], 0.25)]).toEqual([2.5, 2.5]);
  });

  it("is of numbers only, and of one at least", () => {
    expect(() => summarise([])).toThrow(RangeError);
    expect(() => summarise([1, Number.NaN])).toThrow(RangeError);
    expect(() => summarise([1, 1 / 0])).toThrow(RangeError);
  });
});

describe("figures", () => {
  it("take the rounds of all passes, and the ratio of each pair of rounds, not of the medians", () => {
    const [, figure] = toFigures([
      [raw([100, 10]), ours([50, 10])],
      [raw([100]), ours([50])],
    ]);
    expect(figure).toMatchObject({ rounds: [50, 10, 50], median: 50, low: 10, high: 50 });
    expect(figure!.ratio).toEqual({ median: 0.5, low: 0.5, high: 1 });
    expect(figure!.added).toEqual({ median: -50, low: -50, high: 0 });
  });

  it("say whether a goal is met, of the value, of the ratio or of what is added", () => {
    const meets = (goal: Measurement["goal"]): boolean | undefined =>
      toFigures([[raw([100]), ours([80], goal ? { goal } : {})]])[1]!.meets;
    expect(meets(undefined)).toBeUndefined();
    expect([meets({ of: "value", atLeast: 80 }), meets({ of: "value", atLeast: 81 })]).toEqual([true, false]);
    expect([meets({ of: "ratio", atLeast: 0.8 }), meets({ of: "ratio", atMost: 0.79 })]).toEqual([true, false]);
    expect([meets({ of: "added", atMost: -20 }), meets({ of: "added", atMost: -21 })]).toEqual([true, false]);
  });

  it("are refused where an id stands twice, or a reference has other rounds", () => {
    expect(() => toFigures([[raw([1]), raw([1])]])).toThrow("measured twice");
    expect(() => toFigures([[raw([1, 2]), ours([1])]])).toThrow("no rounds to match");
    expect(() => toFigures([[ours([1])]])).toThrow("no rounds to match");
  });
});

describe("measuring", () => {
  it("gives each case its rounds, by turns, and waits for promises", async () => {
    const order: string[] = [];
    const note = (name: string) => () => {
      if (order.at(-1) !== name) order.push(name);
    };
    const cases = [
      { id: "m/one", what: "one", run: note("one") },
      { id: "m/two", what: "two", run: async () => note("two")() },
    ];
    const [one, two] = await measureRates(cases, { rounds: 3, ms: 1 });
    expect([one!.rounds.length, two!.rounds.length]).toEqual([3, 3]);
    expect(one!.rounds.every((rate) => rate > 0)).toBe(true);
    expect(order.slice(-6)).toEqual(["one", "two", "one", "two", "one", "two"]);
  });

  it("does to each thing what is measured once, so many at once as asked, and makes new ones for every round", async () => {
    const seen: number[] = [];
    let next = 0;
    let running = 0;
    let most = 0;
    const run = async (thing: unknown): Promise<void> => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      seen.push(thing as number);
      running--;
    };
    const make = (count: number): number[] => Array.from({ length: count }, () => next++);
    const [figure] = await measurePrepared([{ id: "m/p", what: "p", count: 6, make, run, atOnce: 3 }], 2);
    expect(figure!.rounds).toHaveLength(2);
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 18 }, (_, i) => i));
    expect(most).toBe(3);
  });
});

describe("a comparison", () => {
  const verdictOf = (before: Measurement[], after: Measurement[]): string[] =>
    compareReports(reportOf(before), reportOf(after)).changes.map(({ id, verdict }) => `${id} ${verdict}`);

  it("marks what moved beyond both spreads, and nothing whose spreads touch", () => {
    expect(verdictOf([raw([90, 100, 110])], [raw([110, 120, 130])])).toEqual(["a/raw same"]);
    expect(verdictOf([raw([90, 100, 110])], [raw([111, 120, 130])])).toEqual(["a/raw better"]);
    expect(verdictOf([raw([90, 100, 110])], [raw([70, 80, 89])])).toEqual(["a/raw worse"]);
  });

  it("says nothing of less than 5 %, however close together the rounds lie", () => {
    expect(verdictOf([raw([100, 100, 100])], [raw([96, 96, 96])])).toEqual(["a/raw same"]);
    expect(verdictOf([raw([100, 100, 100])], [raw([94, 94, 94])])).toEqual(["a/raw worse"]);
  });

  it("knows whether more or less is better", () => {
    const ms = (rounds: number[]): Measurement => measured("a/time", "time", "ms", rounds);
    expect(verdictOf([ms([9, 10, 11])], [ms([19, 20, 21])])).toEqual(["a/time worse"]);
    expect(verdictOf([ms([9, 10, 11])], [ms([4, 5, 6])])).toEqual(["a/time better"]);
  });

  it("judges by the ratio where there is a reference: a slower machine is no slower program", () => {
    const before = [raw([100, 101, 102]), ours([50, 50, 51])];
    const slower = [raw([50, 50.5, 51]), ours([25, 25, 25.5])];
    expect(verdictOf(before, slower)).toEqual(["a/raw worse", "a/ours same"]);
    expect(verdictOf(before, [raw([100, 101, 102]), ours([25, 25, 25.5])])).toEqual(["a/raw same", "a/ours worse"]);
  });

  it("names what is in one report only, and why two machines differ", () => {
    const other = reportOf([raw([1])]);
    const now = {
      ...reportOf([raw([1]), ours([1])]),
      scale: "quick" as const,
      machine: { ...other.machine, cores: 8 },
    };
    const comparison = compareReports(other, now);
    expect(comparison).toMatchObject({ gone: [], fresh: ["a/ours"] });
    expect(comparison.warnings).toEqual(["cores: 2 before, 8 now", "measured normal before, quick now"]);
    expect(formatComparison(compareReports(now, other))).toContain("not measured any more: a/ours");
    expect(hasRegression(comparison)).toBe(false);
  });

  it("takes a figure that vanished for a regression, but not a section that was not asked for", () => {
    const before = reportOf([raw([1]), ours([1])]);
    expect(hasRegression(compareReports(before, reportOf([raw([1])])))).toBe(true);
    const unasked = compareReports(before, { ...before, sections: [] });
    expect([unasked.gone, hasRegression(unasked)]).toEqual([[], false]);
  });
});

describe("the report", () => {
  const report = reportOf([
    raw([100, 100, 100]),
    ours([80, 81, 82], { goal: { of: "ratio", atLeast: 0.8 }, note: "a|b" }),
  ]);

  it("has machine and load on top, and beside every median its spread and its reference", () => {
    const text = formatReport(report);
    expect(text).toContain("2 × c, 4 GiB");
    expect(text).toMatch(/\| load +\| 0\.1 0\.2 0\.3 before, at most 1\.5 during/);
    expect(text).toMatch(/\| raw +\| 100\/s \[100–100\] +\| reference: raw/);
    expect(text).toMatch(
      /\| ours +\| 81\.0\/s \[80\.0–82\.0\] +\| 0\.810 × \[0\.800–0\.820\] raw +\| ≥ 0\.8 × ✓ \| a\\\|b/,
    );
  });

  it("does not judge a quick run, and says what could not be measured", () => {
    const [section] = report.sections;
    expect(formatSection(section!, false)).not.toContain("✓");
    expect(formatSection({ ...section!, failed: "its process ended with 1" })).toContain(
      "**Not measured to its end:**",
    );
  });

  it("has tables whose columns line up, and as many digits as a figure needs", () => {
    expect(
      formatTable([
        ["a", "bb"],
        ["cccc", "d"],
      ])
        .split("\n")
        .map((line) => line.length),
    ).toEqual([14, 14, 14]);
    const values = [
      [1234.5, "/s"],
      [0.0421, "ms"],
      [3.14159, "x"],
      [42.12, "µs"],
    ] as const;
    expect(values.map(([value, unit]) => formatValue(value, unit))).toEqual([
      "1,235/s",
      "0.042 ms",
      "3.14 ×",
      "42.1 µs",
    ]);
  });

  it("is read again as it was written, and nothing else is taken for one", () => {
    expect(parseReport(JSON.stringify(report))).toEqual(report);
    const broken = {
      ...report,
      sections: [{ ...report.sections[0]!, figures: [{ id: "a", median: 1, low: 2, high: 3 }] }],
    };
    for (const text of [
      "",
      "[]",
      "null",
      "{}",
      '{"version":0}',
      `{"version":${REPORT_VERSION}}`,
      JSON.stringify(broken),
    ])
      expect(() => parseReport(text), text).toThrow(RangeError);
  });
});

describe("npm run bench", () => {
  it("takes the words that its help names, and says what is wrong with others", () => {
    expect(parseOptions([])).toMatchObject({ only: sectionNames, size: "normal", passes: 2, json: false });
    expect(parseOptions(["--only", "proofs,log", "--quick"])).toMatchObject({ only: ["proofs", "log"], passes: 1 });
    for (const [words, problem] of [
      [["--only", "proofs,prooofs"], "no such section: prooofs; there are proofs, admission"],
      [["--quick", "--full"], "take one"],
      [["--with", "b.json"], "needs --compare"],
      [["--fail-on-regression"], "needs --compare"],
      [["--passes", "0"], "from 1 to 20"],
      [["--fast"], "--fast"],
      [["proofs"], "proofs"],
    ] as const) {
      expect(() => parseOptions(words), words.join(" ")).toThrow(UsageError);
      expect(() => parseOptions(words), words.join(" ")).toThrow(problem);
    }
  });

  it("compares two reports, and ends with 1 for what got worse only where asked to", async () => {
    const folder = mkdtempSync(join(tmpdir(), "peerage-bench-test-"));
    const write = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const bench = async (...words: string[]): Promise<{ code: number; out: string; problem: string }> => {
      const said = { out: "", problem: "" };
      const code = await benchCommand(words, {
        out: (text) => (said.out += text),
        problem: (text) => (said.problem += text),
      });
      return { code, ...said };
    };
    try {
      const old = write("old.json", JSON.stringify(reportOf([raw([99, 100, 101])])));
      const slow = write("slow.json", JSON.stringify(reportOf([raw([49, 50, 51])])));
      const [shown, failed, unread] = await Promise.all([
        bench("--compare", old, "--with", slow, "--out", join(folder, "both")),
        bench("--compare", old, "--with", slow, "--fail-on-regression", "--json"),
        bench("--compare", write("none.json", "{}"), "--with", slow),
      ]);
      expect([shown.code, failed.code, unread.code], unread.problem).toEqual([0, 1, 2]);
      expect(shown.out).toContain("1 figures in both: 1 moved beyond both spreads");
      expect(JSON.parse(failed.out)).toMatchObject({
        comparison: { changes: [{ id: "a/raw", factor: 0.5, verdict: "worse" }] },
      });
      expect(unread.problem).toContain(
        "cannot be compared: it is no bench report; make one with npm run bench -- --out",
      );
      expect(readFileSync(join(folder, "both", "bench.md"), "utf8")).toContain("**worse**");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
