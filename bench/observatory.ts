/** The pages and the map over ten thousand agents: answers while the map is laid out, pages a second, frames a second. */
import { createHash } from "node:crypto";
import type { Browser } from "playwright-core";
import { brotliCompressSync } from "node:zlib";
import { type Did, identityFromSeed, issueVouch } from "@peerage/core";
import { launchBrowser } from "../test/_browser.ts";
import { startObservatory, type TestObservatory } from "../test/_observatory.ts";
import { median, quantile, type Row, type Section } from "./report.ts";

const AGENTS = 10_000;
const COMMUNITIES = 60;
const PARALLEL = 500;
/** How long the idle registry is asked, and how long the map is panned. */
const IDLE_MS = 4_000;
const PAN_MS = 5_000;

export async function benchObservatory(): Promise<Section> {
  const { dids, vouches } = await network();
  await using site = await startObservatory({ roots: dids.slice(0, 2), unlimited: true });
  for (let i = 0; i < vouches.length; i += PARALLEL) {
    const some = vouches.slice(i, i + PARALLEL);
    const places = await Promise.all(some.map((bytes) => site.registry.submit(bytes)));
    if (i + PARALLEL >= vouches.length) await site.registry.published(Math.max(...places.map(({ index }) => index)));
  }
  const rows: Row[] = [...(await answerRows(site, dids)), ...(await pageRows(site, dids))];
  const browser = await launchBrowser();
  if (browser) {
    rows.push(...(await frameRows(browser, site)));
    await browser.close();
  } else rows.push({ what: "frames of the map", value: "not measured: there is no Chromium" });
  const size = `${AGENTS.toLocaleString("en-US")} agents, ${vouches.length.toLocaleString("en-US")} vouches`;
  return { title: `observatory, ${size}`, rows };
}

/** Communities with hubs and a few bridges, as signed vouches. */
async function network(): Promise<{ dids: readonly Did[]; vouches: readonly Uint8Array[] }> {
  let i = 0;
  const random = (): number => createHash("sha256").update(`bench ${i++}`).digest().readUInt32BE(0) / 2 ** 32;
  const identities = Array.from({ length: AGENTS }, (_, n) =>
    identityFromSeed(createHash("sha256").update(`bench agent ${n}`).digest()),
  );
  const pairs = new Set<string>();
  const join = (from: number, to: number): unknown => from !== to && pairs.add(`${from} ${to}`);
  const each = AGENTS / COMMUNITIES;
  for (let n = 0; n < AGENTS; n++) {
    const start = Math.floor(Math.floor(n / each) * each);
    const peer = (): number => Math.min(AGENTS - 1, start + Math.floor(random() ** 2 * each));
    join(peer(), n);
    join(n, peer());
    if (random() < 0.6) join(n, peer());
    if (random() < 0.1) join(n, Math.floor(random() * AGENTS));
  }
  for (let c = 0; c < COMMUNITIES; c++) join(c % 2, Math.floor(c * each));
  const vouches: Uint8Array[] = [];
  const all = [...pairs];
  for (let at = 0; at < all.length; at += PARALLEL) {
    const some = all.slice(at, at + PARALLEL).map(async (pair) => {
      const [from, to] = pair.split(" ").map(Number) as [number, number];
      const { did: subject } = identities[to]!;
      return (await issueVouch(identities[from]!, { subject, scope: ["tools"], confidence: 70 })).bytes;
    });
    vouches.push(...(await Promise.all(some)));
  }
  return { dids: identities.map(({ did }) => did), vouches };
}

/** What the registry takes to answer, alone and while the map is laid out beside it. */
async function answerRows(site: TestObservatory, dids: readonly Did[]): Promise<Row[]> {
  const ask = async (n: number): Promise<number> => {
    const path = [`/v1/score?to=${dids[(n * 37) % AGENTS]!}&from=${dids[0]!}&scope=tools`, "/checkpoint"][n % 2]!;
    const start = performance.now();
    const answer = await site.get(path);
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return performance.now() - start;
  };
  for (let n = 0; n < 200; n++) await ask(n);
  const until = async (over: () => boolean): Promise<number[]> => {
    const times: number[] = [];
    for (let n = 0; !over(); n++) times.push(await ask(n));
    return times;
  };
  const idleEnd = performance.now() + IDLE_MS;
  const idle = await until(() => performance.now() > idleEnd);
  const start = performance.now();
  const state = { laidOut: 0 };
  const drawn = site.json("/map.json").then((columns: { x: number[] }) => {
    state.laidOut = performance.now() - start;
    return columns;
  });
  const during = await until(() => state.laidOut > 0);
  const columns = await drawn;
  const told = (times: readonly number[]): string =>
    `p50 ${median(times).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms, slowest ${Math.max(...times).toFixed(0)} ms of ${times.length}`;
  return [
    { what: "scores and checkpoints over HTTP, one by one, nothing else to do", value: told(idle) },
    {
      what: "the same while the map is laid out in its thread",
      value: told(during),
      ratio: `p99 ${(quantile(during, 0.99) / quantile(idle, 0.99)).toFixed(1)} × alone`,
      goal: "never blocked by the layout",
    },
    {
      what: `layout of ${columns.x.length.toLocaleString("en-US")} agents`,
      value: `${(state.laidOut / 1000).toFixed(1)} s`,
    },
    {
      what: "all positions and vouches of the map, brotli",
      value: `${(brotliCompressSync(JSON.stringify(columns)).length / 1024).toFixed(0)} KiB`,
      goal: "≤ 180 KiB",
    },
  ];
}

/** Pages made one after the other, each of another agent. */
async function pageRows(site: TestObservatory, dids: readonly Did[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [what, path] of [
    ["agent pages", (n: number) => `/a/${dids[(n * 91) % AGENTS]!}`],
    ["orbits", (n: number) => `/a/${dids[(n * 91) % AGENTS]!}/orbit`],
    ["home", () => "/"],
    ["the directory", () => "/agents"],
  ] as const) {
    const html = { accept: "text/html" };
    for (let n = 0; n < 20; n++) await (await site.get(path(n), html)).text();
    const times: number[] = [];
    let bytes = 0;
    for (let n = 0; n < 150; n++) {
      const start = performance.now();
      const page = await (await site.get(path(n), html)).text();
      times.push(performance.now() - start);
      bytes = Math.max(bytes, n % 30 === 0 ? brotliCompressSync(page).length : 0);
    }
    rows.push({
      what,
      value: `p50 ${median(times).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms, up to ${(bytes / 1024).toFixed(1)} KiB brotli`,
    });
  }
  return rows;
}

/** Frames that the browser gets to draw while the map is panned without a pause. */
async function frameRows(browser: Browser, site: TestObservatory): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [width, height] of [
    [1280, 900],
    [390, 800],
  ] as const) {
    const page = await browser.newPage({ viewport: { width, height } });
    const begun = performance.now();
    await page.goto(`${site.url}/map`);
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
    for (let n = 0; performance.now() - start < PAN_MS; n++) {
      await page.mouse.move(x + 110 * Math.sin(n / 7), y + 80 * Math.cos(n / 9));
    }
    const frames = await page.evaluate(() => (globalThis as unknown as { frames: number[] }).frames);
    await page.mouse.up();
    await page.waitForTimeout(200);
    if ((await picture()) === before) throw new Error("the map did not move");
    const gaps = frames.slice(1).map((at, n) => at - frames[n]!);
    const perSecond = (frames.length - 1) / ((frames.at(-1)! - frames[0]!) / 1000);
    rows.push({
      what: `panning the map, ${width} × ${height}, software rendering`,
      value: `${perSecond.toFixed(0)} frames/s, slowest 1 in 20: ${quantile(gaps, 0.95).toFixed(0)} ms, drawn ${(first / 1000).toFixed(1)} s after the request`,
      goal: "≥ 25 frames/s",
    });
    await page.close();
  }
  return rows;
}
