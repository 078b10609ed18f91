/**
 * The pages, the map and orbits over ten thousand agents, or a hundred thousand: answers while the map is laid out, how
 * long pages take, frames a second.
 */
import type { Browser } from "playwright-core";
import { brotliCompressSync } from "node:zlib";
import type { Did } from "@peerage/core";
import { launchBrowser } from "../test/_browser.ts";
import { largeNetwork, writeLargeNetwork } from "../test/_large-network.ts";
import { startObservatory, type TestObservatory } from "../test/_observatory.ts";
import { temporaryFolder } from "../test/_registry.ts";
import type { Measurement } from "./lib/figures.ts";
import { at, measured, type Scale, wallMs } from "./lib/measure.ts";
import { median, quantile } from "./lib/stats.ts";

interface Plan {
  readonly agents: number;
  readonly communities: number;
  readonly rounds: number;
  /** Pages of one kind in a round. */
  readonly pages: number;
  /** How long the idle registry is asked, and how long the map is panned. */
  readonly idleMs: number;
  readonly panMs: number;
}

/** A network and a registry that serves it. */
interface Scene {
  readonly site: TestObservatory;
  readonly dids: readonly Did[];
  readonly plan: Plan;
}

export async function benchObservatory(scale: Scale): Promise<Measurement[]> {
  const plan = at<Plan>(scale, {
    quick: { agents: 300, communities: 6, rounds: 2, pages: 4, idleMs: 300, panMs: 500 },
    normal: { agents: 10_000, communities: 60, rounds: 5, pages: 16, idleMs: 2_500, panMs: 2_500 },
    full: { agents: 100_000, communities: 300, rounds: 5, pages: 16, idleMs: 2_500, panMs: 2_500 },
  });
  const network = largeNetwork(plan.agents, plan.communities);
  const dids = network.identities.map(({ did }) => did);
  using folder = temporaryFolder();
  await writeLargeNetwork(folder.path, network);
  await using site = await startObservatory({ dataDir: folder.path, roots: network.roots, unlimited: true });
  const scene = { site, dids, plan };
  const measurements = [...(await answerRows(scene)), ...(await pageRows(scene))];
  const browser = await launchBrowser();
  if (!browser) return measurements;
  try {
    const canvases: readonly Canvas[] = [
      { name: "", what: "the map", path: "/map" },
      // That of a hub, who has a score for the most.
      { name: "orbit-", what: "an orbit", path: `/a/${dids[0]!}/orbit` },
    ];
    for (const canvas of canvases) measurements.push(...(await frameRows(browser, scene, canvas)));
    return measurements;
  } finally {
    await browser.close();
  }
}

/** What the registry takes to answer, alone and while the map is laid out beside it. */
async function answerRows({ site, dids, plan }: Scene): Promise<Measurement[]> {
  const ask = async (n: number): Promise<number> => {
    const path = [`/v1/score?to=${dids[(n * 37) % dids.length]!}&from=${dids[0]!}&scope=tools`, "/checkpoint"][n % 2]!;
    return wallMs(async () => {
      const answer = await site.get(path);
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    });
  };
  for (let n = 0; n < 200; n++) await ask(n);
  const until = async (over: () => boolean): Promise<number[]> => {
    const times: number[] = [];
    for (let n = 0; !over(); n++) times.push(await ask(n));
    return times;
  };
  const idleEnd = performance.now() + plan.idleMs;
  const idle = await until(() => performance.now() > idleEnd);
  const state = { laidOut: 0, columns: undefined as unknown };
  const drawn = wallMs(async () => void (state.columns = await site.json("/map.json"))).then(
    (ms) => (state.laidOut = ms),
  );
  const during = await until(() => state.laidOut > 0);
  await drawn;
  const slowest = (times: readonly number[]): string =>
    `slowest ${Math.max(...times).toFixed(0)} ms of ${times.length}`;
  const map = brotliCompressSync(JSON.stringify(state.columns)).length / 1_024;
  const label = "scores and checkpoints over HTTP, one by one";
  return [
    measured("pages/idle-p50", `${label}, nothing else to do: p50`, "ms", [median(idle)], { note: slowest(idle) }),
    measured("pages/idle-p99", "… p99", "ms", [quantile(idle, 0.99)]),
    measured("pages/layout-p50", "… while the map is laid out in its thread: p50", "ms", [median(during)], {
      beside: "pages/idle-p50",
      note: slowest(during),
    }),
    measured("pages/layout-p99", "… p99", "ms", [quantile(during, 0.99)], { beside: "pages/idle-p99" }),
    measured("pages/layout", `layout of ${dids.length.toLocaleString("en-US")} agents`, "s", [state.laidOut / 1_000]),
    measured("pages/map-bytes", "all positions and vouches of the map, brotli", "KiB", [map], {
      goal: { of: "value", atMost: 180 },
    }),
  ];
}

/** Pages made one after the other, each of another agent, beside the smallest answer that the same server gives. */
async function pageRows({ site, dids, plan }: Scene): Promise<Measurement[]> {
  const of = (n: number): Did => dids[(n * 91) % dids.length]!;
  const kinds = [
    ["checkpoint", "GET /checkpoint", () => "/checkpoint", undefined],
    ["agent", "an agent's page", (n: number) => `/a/${of(n)}`, 16],
    ["orbit", "an orbit", (n: number) => `/a/${of(n)}/orbit`, undefined],
    ["orbit-map", "an orbit's columns", (n: number) => `/a/${of(n)}/orbit/map.json`, undefined],
    ["home", "home", () => "/", 24],
    ["directory", "the directory", () => "/agents", undefined],
  ] as const;
  const html = { accept: "text/html" };
  const taken = kinds.map(() => ({ times: [] as number[], bytes: 0 }));
  let n = 0;
  for (let round = -1; round < plan.rounds; round++) {
    for (const [i, [, , path]] of kinds.entries()) {
      let page = "";
      const times: number[] = [];
      for (let count = 0; count < plan.pages; count++)
        times.push(await wallMs(async () => (page = await (await site.get(path(n++), html)).text())));
      taken[i]!.bytes = Math.max(taken[i]!.bytes, brotliCompressSync(page).length / 1_024);
      if (round >= 0) taken[i]!.times.push(median(times));
    }
  }
  return kinds.flatMap(([name, what, , mostKiB], i): Measurement[] => {
    const { times, bytes } = taken[i]!;
    const beside = i === 0 ? {} : { beside: "pages/checkpoint" };
    const size = measured(`pages/${name}-bytes`, `… brotli, the largest`, "KiB", [bytes], {
      ...(mostKiB === undefined ? {} : { goal: { of: "value", atMost: mostKiB } }),
    });
    return [measured(`pages/${name}`, `${what}, p50 of a round`, "ms", times, beside), ...(i === 0 ? [] : [size])];
  });
}

interface Canvas {
  /** In the names of measurements. */
  readonly name: string;
  readonly what: string;
  readonly path: string;
}

/** Frames that the browser gets to draw while a picture is panned without a pause. */
async function frameRows(
  browser: Browser,
  { site, plan }: Scene,
  { name, what, path }: Canvas,
): Promise<Measurement[]> {
  const rows: Measurement[] = [];
  // Few agents, and more than a map shows, are a picture by the server.
  const drawn = await (await site.get(path, { accept: "text/html" })).text();
  if (!drawn.includes("<peerage-map")) return rows;
  for (const [width, height] of [
    [1280, 900],
    [390, 800],
  ] as const) {
    const page = await browser.newPage({ viewport: { width, height } });
    const begun = performance.now();
    await page.goto(site.url + path);
    const canvas = page.locator("peerage-map canvas");
    await canvas.waitFor();
    const first = performance.now() - begun;
    await page.waitForTimeout(1_000);
    await page.evaluate(() => document.querySelector("peerage-map canvas")?.scrollIntoView({ block: "center" }));
    const box = (await canvas.boundingBox())!;
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    await page.evaluate(() => {
      const times: number[] = [];
      (globalThis as unknown as { frames: number[] }).frames = times;
      const next = (at: number): void => {
        times.push(at);
        requestAnimationFrame(next);
      };
      requestAnimationFrame(next);
    });
    const picture = (): Promise<string> => canvas.evaluate((node) => (node as HTMLCanvasElement).toDataURL());
    const before = await picture();
    await page.mouse.move(x, y);
    await page.mouse.down();
    const start = performance.now();
    for (let n = 0; performance.now() - start < plan.panMs; n++) {
      await page.mouse.move(x + 110 * Math.sin(n / 7), y + 80 * Math.cos(n / 9));
    }
    const frames = await page.evaluate(() => (globalThis as unknown as { frames: number[] }).frames);
    await page.mouse.up();
    await page.waitForTimeout(200);
    if ((await picture()) === before) throw new Error(`${what} did not move`);
    const gaps = frames.slice(1).map((at, n) => at - frames[n]!);
    const perSecond = (frames.length - 1) / ((frames.at(-1)! - frames[0]!) / 1000);
    rows.push(
      measured(
        `pages/${name}pan-${width}`,
        `panning ${what}, ${width} × ${height}, software rendering`,
        "frames/s",
        [perSecond],
        {
          goal: { of: "value", atLeast: 25 },
          note: `slowest 1 in 20: ${quantile(gaps, 0.95).toFixed(0)} ms`,
        },
      ),
      measured(`pages/${name}drawn-${width}`, "… drawn after the request", "s", [first / 1_000]),
    );
    await page.close();
  }
  return rows;
}
