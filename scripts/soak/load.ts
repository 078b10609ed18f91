/**
 * The public side's load in a process of its own: writers, readers of pages and listeners of the live feed, all at a
 * steady rate. `load.ts <plan as JSON>`; it begins at `go`, rests at `rest`, and answers `report`.
 */
import { request } from "node:http";
import { fromHex, identityFromSeed, issueVouch } from "@peerage/core";

/** Who does what, how often. */
export interface LoadPlan {
  readonly registry: string;
  /** Seeds of identities, as hex: the first speaks of all others, again and again. */
  readonly seeds: readonly string[];
  readonly writesPerSecond: number;
  readonly readsPerSecond: number;
  readonly streams: number;
  /** A listener hangs up after so long, and comes back with the last id it saw. */
  readonly streamSeconds: number;
}

/** What happened since the last report. Milliseconds. */
export interface LoadReport {
  readonly writes: readonly number[];
  readonly pages: readonly number[];
  readonly events: number;
  /** Anything that should not have been: at most the first ten. */
  readonly wrong: readonly string[];
}

const plan = JSON.parse(process.argv[2] ?? "") as LoadPlan;
const identities = plan.seeds.map((seed) => identityFromSeed(fromHex(seed)));
const now = { going: false, writes: [] as number[], pages: [] as number[], events: 0, wrong: [] as string[] };
let turn = 0;

const did = (): string => identities[turn % identities.length]!.did;
const pages: readonly (() => string)[] = [
  () => "/",
  () => "/agents",
  () => `/a/${did()}`,
  () => `/a/${did()}.json`,
  () => `/explain?to=${did()}`,
  () => "/map",
  () => `/v1/score?to=${did()}&from=${identities[0]!.did}`,
  () => "/feed",
  () => "/feed.atom",
  () => "/log",
  () => `/v1/agents/${did()}`,
  () => "/checkpoint",
  () => "/scopes",
  () => "/clusters",
  () => `/keys/${did()}`,
];

async function write(): Promise<void> {
  const [issuer, ...others] = identities;
  const subject = others[turn % others.length]!.did;
  const vouch = await issueVouch(issuer!, { subject, scope: ["tools"], confidence: 50 + (turn % 50) });
  const body = vouch.bytes as BodyInit;
  const answer = await fetch(`${plan.registry}/v1/statements`, { method: "POST", body });
  await answer.arrayBuffer();
  if (answer.status !== 201 && answer.status !== 200) throw new Error(`a write was answered by ${answer.status}`);
}

async function read(): Promise<void> {
  const path = pages[turn % pages.length]!();
  const answer = await fetch(plan.registry + path);
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`${path} was answered by ${answer.status}`);
}

/** Does something so many times a second while there is load, never two of one kind at once. */
async function steadily(perSecond: number, times: number[], action: () => Promise<void>): Promise<never> {
  for (;;) {
    const start = performance.now();
    if (now.going) {
      turn++;
      try {
        await action();
        times.push(performance.now() - start);
      } catch (error) {
        complain(
          `${String(error)}${error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ""}`,
        );
      }
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(1, start + 1_000 / perSecond - performance.now())));
  }
}

/** Listens to the feed, hangs up, resumes; every entry must come once and in order. */
async function listen(): Promise<never> {
  let last: number | undefined;
  for (;;) {
    if (now.going) last = await hear(last);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function hear(last: number | undefined): Promise<number | undefined> {
  return new Promise((resolve) => {
    const headers = last === undefined ? {} : { "last-event-id": String(last) };
    const until = Date.now() + plan.streamSeconds * 500 * (1 + Math.random());
    const outgoing = request(`${plan.registry}/v1/feed.sse`, { headers, agent: false }, (answer) => {
      let rest = "";
      if (answer.statusCode !== 200) complain(`the feed was answered by ${String(answer.statusCode)}`);
      answer.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          if (!line.startsWith("id: ")) continue;
          const id = Number(line.slice(4));
          if (last !== undefined && id !== last + 1) complain(`after entry ${last} the feed told of ${id}`);
          last = id;
          now.events++;
        }
      });
    });
    const check = setInterval(() => {
      if (now.going && Date.now() < until) return;
      outgoing.destroy();
    }, 100);
    outgoing.on("error", (error) => {
      if (now.going && Date.now() < until) complain(`the feed ended: ${error.message}`);
    });
    outgoing.once("close", () => {
      clearInterval(check);
      resolve(last);
    });
    outgoing.end();
  });
}

function complain(what: string): void {
  if (now.wrong.length < 10) now.wrong.push(what);
}

process.on("message", (message) => {
  if (message === "go" || message === "rest") {
    now.going = message === "go";
    process.send?.(message);
  } else if (message === "report") {
    const report: LoadReport = {
      writes: now.writes.splice(0),
      pages: now.pages.splice(0),
      events: now.events,
      wrong: now.wrong.splice(0),
    };
    now.events = 0;
    process.send?.(report);
  }
});
process.stdin.on("end", () => process.exit(0)).resume();
void steadily(plan.writesPerSecond, now.writes, write);
void steadily(plan.readsPerSecond, now.pages, read);
for (let i = 0; i < plan.streams; i++) void listen();
