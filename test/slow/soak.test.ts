import { join } from "node:path";
import { expect, it } from "vitest";
import { judge, LIMITS, type Sample } from "../../scripts/soak/judge.ts";
import { runProcess } from "../_cli.ts";

const SOAK = join(import.meta.dirname, "../../scripts/soak.ts");

it.skipIf(process.platform === "win32")(
  "a minute of load leaves no handle, timer, process or temporary file behind, and nothing unanswered",
  async () => {
    const ran = await runProcess(process.execPath, [SOAK, "--minutes", "1", "--json"], { cwd: process.cwd() });
    const told = ran.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(
      told.filter((line) => "fault" in line),
      ran.stderr,
    ).toEqual([]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(told.at(-1)).toEqual({ ok: true });
    const samples = told.filter((line) => "readings" in line);
    // One every ten seconds; a busy machine is late with some.
    expect(samples.length).toBeGreaterThanOrEqual(3);
    for (const { readings } of samples)
      expect(Object.keys(readings as object)).toEqual(["public", "bridge", "guard", "server", "registry"]);
    for (const [what, , , slope, error] of (told.find((line) => "rows" in line) as { rows: string[][] }).rows)
      expect([slope, error], what).not.toContain("NaN");
  },
);

it("a soak fails for memory that grows, a latency that doubles, a wrong answer or a handle that is left, and else passes", () => {
  const rest = { guard: { fds: 20, timers: 3 } };
  const judged = (
    change: (minute: number) => Partial<{ heap: number; page: number }>,
    { after = rest, wrong = [] as string[], readings = 60 } = {},
  ) => {
    const samples = Array.from({ length: readings }, (_, i): Sample => {
      const { heap = 0, page = 10 } = change(i / 6);
      // A little up and down, as there always is.
      const bytes = 40 * 2 ** 20 + (i % 3) * 20_000 + heap;
      const delay = { p50: 1, p99: 2, max: 3 };
      const reading = { rss: 3 * bytes, heap: bytes, external: 0, resources: {}, delay };
      const latency = { call: 5, page, write: 20 };
      return { minute: i / 6, readings: { bridge: reading }, latency, statements: 10 };
    });
    return judge({ samples, wrong, before: rest, after, minutes: 30 }).faults;
  };
  expect(judged(() => ({}))).toEqual([]);
  expect(judged((minute) => ({ heap: minute * LIMITS.heapPerMinute * 0.9 }))).toEqual([]);
  expect(judged((minute) => ({ heap: minute * LIMITS.heapPerMinute * 1.5 }))).toEqual([
    expect.stringMatching(/^bridge: its heap grows by /),
  ]);
  expect(judged((minute) => ({ page: 10 + 8 * minute }))).toEqual([expect.stringMatching(/^a page takes /)]);
  expect(judged(() => ({}), { wrong: ["a call got nothing"] })).toEqual(["a call got nothing"]);
  // What was not measured is no proof that nothing grew.
  expect(judged(() => ({ heap: Number.NaN }))).toEqual([
    expect.stringMatching(/^bridge: its heap grows by NaN/),
    expect.stringMatching(/^bridge: its rss grows by NaN/),
  ]);
  expect(judged(() => ({}), { readings: 2 })).toEqual([expect.stringMatching(/^too few readings/)]);
  expect(judged(() => ({}), { after: { guard: { fds: 21, timers: 2 } } })).toEqual([
    "guard holds 21 fds at rest, and held 20 after the warm-up",
  ]);
});
