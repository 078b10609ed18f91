import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  buildTrustGraph,
  type Did,
  explainTrust,
  formatVerifierKey,
  generateIdentity,
  issueVouch,
  type TrustGraph,
  type VouchEdge,
} from "../core/src/index.ts";
import { Layouts } from "../observatory/src/map/layouts.ts";
import { belonging } from "../observatory/src/map/joints.ts";
import { clustersOf } from "../observatory/src/pages/clusters.ts";
import { scoreText } from "../observatory/src/ui/format.ts";
import { openLogKeys } from "../registry/src/keys/log-keys.ts";
import { launchBrowser } from "./_browser.ts";
import { type ExampleNetwork, exampleNetwork } from "./_example-network.ts";
import { HostileLog, saidVouch } from "./_hostile.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";
import { temporaryFolder } from "./_registry.ts";
import { sseEvents } from "./_sse.ts";
import { didOf } from "./_trust.ts";
import { startWitnesses } from "./_witnesses.ts";

// What docs say that the observatory is accepted by, where no other file of tests says it whole: see test/_features.ts.

const browser: Browser | undefined = await launchBrowser();
afterAll(async () => browser?.close());

const html = { accept: "text/html" };
let network: ExampleNetwork;
let site: TestObservatory;

beforeAll(async () => {
  network = await exampleNetwork(40, new Date());
  site = await startObservatory({ roots: network.roots, names: network.names });
  await site.publish(...network.statements.map(({ statement }) => statement));
});
afterAll(async () => site[Symbol.asyncDispose]());

const graph = (): TrustGraph => site.registry.view.graph("tools");
/** An agent with several chains to it. */
function trusted(): ExampleNetwork["identities"][number] {
  return network.identities.find(({ did }) => {
    const { score, contributions } = explainTrust(graph(), { roots: network.roots, target: did });
    return contributions.length > 2 && score !== 1;
  })!;
}

describe("an answer", () => {
  it("U3 prints for every agent what its score falls to without the vouch that holds it up", async () => {
    let held = 0;
    const vouches = [...graph().vouches()];
    for (const { did } of network.identities) {
      const page = await (await site.get(`/a/${did}`, html)).text();
      const said = /fall from\s*<b>([\d.]+)<\/b> to\s*<b>([\d.]+|unknown)<\/b>/.exec(page);
      const { working } = await site.json(`/a/${did}.json`);
      expect([did, said === null]).toEqual([did, working.holdsUp === undefined]);
      if (!said) continue;
      held++;
      const { score } = explainTrust(graphWithout(vouches, [working.holdsUp.vouch]), {
        roots: network.roots,
        target: did,
      });
      expect([did, said[1], said[2]]).toEqual([did, printed(working.score), printed(score)]);
      // No other vouch costs more.
      if (held > 4) continue;
      for (const { id } of vouches) {
        const other = explainTrust(graphWithout(vouches, [id]), { roots: network.roots, target: did }).score;
        expect(other === "unknown" ? 0 : other).toBeGreaterThanOrEqual(score === "unknown" ? 0 : score);
      }
    }
    expect(held).toBeGreaterThan(5);
  });

  it("has one address: others are not indexed and name it; it is sent once while nothing has changed", async () => {
    const { did } = trusted();
    const root = network.roots[0]!;
    const vouch = network.statements.find(({ statement }) => statement.kind === "Vouch")!.statement.id;
    for (const path of [
      ...["/", "/map", "/agents", "/agents?sort=given", `/a/${did}`, `/a/${did}/orbit`, `/keys/${did}`],
      ...[`/explain?to=${did}`, `/explain?to=${did}&scope=research`, `/v/${vouch}`, "/log", "/log/7", "/feed"],
      ...["/scopes", "/scopes/tools", "/clusters"],
    ]) {
      const first = await site.get(path, html);
      expect(await first.text()).not.toContain("noindex");
      const tag = first.headers.get("etag")!;
      const again = await site.get(path, { ...html, "if-none-match": tag });
      expect([path, again.status, await again.text()]).toEqual([path, 304, ""]);
      const mark = path.includes("?") ? "&" : "?";
      for (const view of [`as=${root}`, "at=30", `as=${root}&at=60`]) {
        const other = await site.get(`${path}${mark}${view}`, { ...html, "if-none-match": tag });
        // A past in which somebody was not there yet has no such page.
        if (other.status === 404) continue;
        expect([path, view, other.status]).toEqual([path, view, 200]);
        const page = await other.text();
        expect(page).toContain('<meta name="robots" content="noindex"');
        const canonical = /<link rel="canonical" href="([^"]+)"/.exec(page)![1]!.replaceAll("&amp;", "&");
        expect([view, canonical]).toEqual([view, path]);
      }
    }
  });

  it("that is not there names the nearest agents, the likeliest first", async () => {
    const { did } = trusted();
    for (const at of [20, 30, 40, 50]) {
      const typo = `${did.slice(0, at)}${did[at] === "x" ? "y" : "x"}${did.slice(at + 1)}`;
      const answer = await site.get(`/a/${typo}`, html);
      // A slip of the pen is mostly no key at all, which is another mistake.
      if (answer.status === 400) continue;
      const links = [...(await answer.text()).matchAll(/class="agent" href="\/a\/([^"]+)"/g)].map(([, to]) => to);
      expect([answer.status, links.length, links[0]]).toEqual([404, 3, did]);
    }
    const { did: stranger } = generateIdentity();
    const common = (one: string): number => {
      let i = 0;
      while (i < one.length && one[i] === stranger[i]) i++;
      return i;
    };
    const page = await (await site.get(`/a/${stranger}`, html)).text();
    const links = [...page.matchAll(/class="agent" href="\/a\/([^"]+)"/g)].map(([, to]) => to!);
    const best = [...site.registry.view.agents()].map(common).sort((a, b) => b - a);
    expect(links.map(common)).toEqual(best.slice(0, 3));
  });
});

describe("the feed", () => {
  it("U7 cut again and again while entries come in, also many at once, has each of them once and in order", async () => {
    await using busy = await startObservatory();
    const [alice, bob] = [generateIdentity(), generateIdentity()];
    const vouches = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        issueVouch(alice, {
          subject: bob.did,
          scope: ["tools"],
          confidence: i + 1,
          validFrom: new Date(Date.now() - 120_000 + i * 1_000),
        }),
      ),
    );
    const seen: number[] = [];
    const publishing = (async () => {
      for (let i = 0, n = 1; i < vouches.length; i += n, n = (n % 5) + 1)
        await busy.publish(...vouches.slice(i, i + n));
    })();
    for (let cuts = 0; seen.length < vouches.length; cuts++) {
      const stop = new AbortController();
      const last = seen.at(-1);
      const headers = last === undefined ? {} : { "last-event-id": String(last) };
      const stream = await fetch(`${busy.url}/feed.sse${last === undefined ? "?after=-1" : ""}`, {
        headers,
        signal: stop.signal,
      });
      let left = (cuts % 4) + 1;
      for await (const { id } of sseEvents(stream)) {
        seen.push(id);
        if (--left === 0 || seen.length === vouches.length) break;
      }
      stop.abort();
    }
    await publishing;
    expect(seen).toEqual(vouches.map((_, i) => i));
  });
});

describe("the past", () => {
  it("U16 has the map, the agents and the workings of a registry that was replayed to that size", async () => {
    // As the weeks went by: what one checkpoint covers was witnessed at one moment.
    const grown = async (upTo: number): Promise<TestObservatory> => {
      let now = network.statements[0]!.at;
      const at = await startObservatory({ roots: network.roots, names: network.names, now: () => now });
      for (let i = 0; i < upTo; i += 15) {
        const batch = network.statements.slice(i, Math.min(upTo, i + 15));
        now = batch.at(-1)!.at;
        await at.publish(...batch.map(({ statement }) => statement));
      }
      return at;
    };
    await using now = await grown(network.statements.length);
    const size = 90;
    await using then = await grown(size);
    const edges = async (at: TestObservatory, query: string): Promise<string[]> => {
      const map = await at.json(`/map.json${query}`);
      const names = await didsOf(at);
      let last = 0;
      const from = map.from.map((step: number) => (last += step));
      return from.map((one: number, i: number) => `${names[one]} ${names[map.to[i]]}`).sort();
    };
    expect(await edges(now, `?at=${size}`)).toEqual(await edges(then, ""));
    for (const did of [...then.registry.view.agents()].slice(0, 12)) {
      const [past, real] = [
        await now.json(`/explain.json?to=${did}&at=${size}`),
        await then.json(`/explain.json?to=${did}`),
      ];
      expect([did, past.working.score, past.working.terms]).toEqual([did, real.working.score, real.working.terms]);
    }
  });
});

describe("thin clusters", () => {
  it("U17 are all synthetic rings and nothing else: precision 1, recall at least 0.99", async () => {
    const log = new HostileLog();
    const ringOf = madeNetwork(log, 3);
    const { view } = log;
    using layouts = new Layouts();
    const layout = await layouts.of(view);
    const of = belonging(layout, view);
    let [found, wrong] = [0, 0];
    for (const { first } of clustersOf(layout, view, { ref: (did) => ({ did }) }).filter(({ thin }) => thin)) {
      for (const [did, group] of of) {
        if (group !== of.get(first.did)) continue;
        if (ringOf.has(did)) found++;
        else wrong++;
      }
    }
    expect(wrong).toBe(0);
    expect(found / ringOf.size).toBeGreaterThanOrEqual(0.99);
  });
});

describe.skipIf(!browser)("in Chromium", () => {
  async function open(options: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
    return (await browser!.newContext(options)).newPage();
  }

  it("U1 an agent's page without scripts shows name, score, viewpoint, chains and vouches, and curl prints them", async () => {
    const { did } = trusted();
    const data = await site.json(`/a/${did}.json`);
    const page = await open({ javaScriptEnabled: false });
    await page.goto(`${site.url}/a/${did}`);
    const text = await page.locator("main").innerText();
    expect(await page.locator("h1").innerText()).toContain(network.names(did)!);
    expect(text).toContain(printed(data.score));
    expect(text).toMatch(/as seen by 2 roots/i);
    for (const { voucher } of explainTrust(graph(), { roots: network.roots, target: did }).contributions) {
      expect(
        await page.locator(`main svg a[href="/a/${voucher}"], .chainrows a[href="/a/${voucher}"]`).count(),
      ).toBeGreaterThan(0);
    }
    for (const { id, confidence } of data.received) {
      const row = page.locator("tr", { has: page.locator(`a[href="/v/${id}"]`) }).first();
      expect(await row.innerText()).toContain(String(confidence));
    }
    const card = await (await site.get(`/a/${did}`, { accept: "*/*", "user-agent": "curl/8.9.1" })).text();
    expect(card).toContain(network.names(did)!);
    expect(card).toMatch(new RegExp(`score +${printed(data.score)}`));
    expect(card).toContain("as seen by 2 roots");
    expect(card).toContain(did);
    await page.context().close();
  });

  it("U5 a form finds agents by name, DID and prefix, a vouch by its id and an entry by its number, without scripts", async () => {
    const { did } = trusted();
    const vouch = network.statements.find(({ statement }) => statement.kind === "Vouch")!.statement.id;
    const page = await open({ javaScriptEnabled: false });
    for (const [typed, at] of [
      [did, `/a/${did}`],
      [vouch, `/v/${vouch}`],
      ["#12", "/log/12"],
    ] as const) {
      await page.goto(`${site.url}/agents`);
      await page.locator("main input[name=q], input[name=q]").first().fill(typed);
      await page.keyboard.press("Enter");
      await page.waitForURL(site.url + at);
    }
    for (const typed of [network.names(did)!, did.slice(0, 19), did.slice(8, 18)]) {
      await page.goto(`${site.url}/agents`);
      await page.locator("main input[name=q], input[name=q]").first().fill(typed);
      await page.keyboard.press("Enter");
      await page.waitForURL(/[?&]q=/);
      expect([typed, await page.locator(`main a[href="/a/${did}"]`).count()]).not.toEqual([typed, 0]);
    }
    await page.context().close();
  });

  it("U11 U13 A-WEB-01 pictures, Atom and sitemap are well-formed XML that holds nothing of what hostile names ask for", async () => {
    const hostile = [
      "</text><script>alert(1)</script>",
      `"><image href="https://foreign.example/x"/>`,
      "&nbsp;]]><!--",
      "\u202e\u0007\u0000x",
    ];
    const people = hostile.map(() => generateIdentity());
    const names = new Map(people.map(({ did }, i) => [did, hostile[i]!]));
    const vouches = people
      .slice(1)
      .map(({ did }) => issueVouch(people[0]!, { subject: did, scope: ["tools"], confidence: 77 }));
    await using at = await startObservatory({ roots: [people[0]!.did], names: (did) => names.get(did) });
    await at.publish(...(await Promise.all(vouches)));
    const page = await open();
    const paths = [
      "/feed.atom",
      "/sitemap.xml",
      ...people.flatMap(({ did }) => [`/a/${did}/badge.svg`, `/a/${did}/card.svg`]),
    ];
    for (const path of paths) {
      const text = await at.text(path);
      const found = await page.evaluate(
        ([xml, type]) => {
          const parsed = new DOMParser().parseFromString(xml!, type as "image/svg+xml");
          return {
            broken: parsed.querySelector("parsererror")?.textContent ?? null,
            root: parsed.documentElement.localName,
            bad: parsed.querySelectorAll("script, image, foreignObject, [onload], [onerror]").length,
          };
        },
        [text, path.endsWith(".svg") ? "image/svg+xml" : "application/xml"],
      );
      const root = path.endsWith(".svg") ? "svg" : path.endsWith(".atom") ? "feed" : "urlset";
      expect([path, found]).toEqual([path, { broken: null, root, bad: 0 }]);
      expect(text).not.toMatch(/[\u202a-\u202e\x00-\x08]/);
    }
    await page.context().close();
  });

  it("U4 U8 A-WEB-05 witnesses elsewhere are counted, and a flipped byte in one of their lines is their own cross", async () => {
    using folder = temporaryFolder();
    const { log } = await openLogKeys(join(folder.path, "keys"), { mayCreate: true });
    using witnesses = await startWitnesses(3, [formatVerifierKey(log.key)]);
    const quorum = { witnesses: witnesses.parties, threshold: 2, fetch: witnesses.fetch };
    await using at = await startObservatory({ dataDir: folder.path, witnesses: quorum });
    const [alice, bob] = [generateIdentity(), generateIdentity()];
    const vouch = await issueVouch(alice, { subject: bob.did, scope: ["tools"], confidence: 50 });
    await at.publish(vouch);
    const verdicts = async (tamper: (note: string) => string): Promise<Record<string, readonly string[]>> => {
      const page = await open();
      await page.route("**/proofs.json*", async (route) => {
        const answer = await route.fetch();
        const bundle = (await answer.json()) as { checkpoint: string };
        await route.fulfill({ response: answer, json: { ...bundle, checkpoint: tamper(bundle.checkpoint) } });
      });
      await page.goto(`${at.url}/v/${vouch.id}`);
      await page.locator("button.verify").first().click();
      await page.locator("peerage-verify .summary").first().waitFor();
      const lines = await page
        .locator("[data-check]")
        .evaluateAll((nodes) =>
          nodes.map(
            (node) =>
              [
                node.getAttribute("data-check") ?? "",
                [node.getAttribute("data-verdict") ?? "", node.lastElementChild?.textContent ?? ""] as const,
              ] as const,
          ),
        );
      await page.context().close();
      return Object.fromEntries(lines);
    };
    const whole = await verdicts((note) => note);
    expect(whole["witnesses"]).toEqual(["holds", expect.stringMatching(/^[23] of 3 cosigned, the first at 20/)]);
    const name = witnesses.parties.map(({ key }) => key.name);
    const altered = await verdicts((note) =>
      note
        .split("\n")
        .map((line, i, all) =>
          i === all.findIndex((one) => name.some((of) => one.startsWith(`— ${of} `))) ? flipped(line) : line,
        )
        .join("\n"),
    );
    expect(altered["witnesses"]?.[0]).toBe("fails");
    expect(altered["witnesses"]?.[1]).toContain("1 line does not hold");
    for (const [check, [verdict]] of Object.entries(whole)) {
      if (check !== "witnesses") expect([check, altered[check]?.[0]]).toEqual([check, verdict]);
    }
    const stripped = await verdicts((note) =>
      note
        .split("\n")
        .filter((line) => !name.some((of) => line.startsWith(`— ${of} `)))
        .join("\n"),
    );
    expect(stripped["witnesses"]).toEqual(["fails", "0 of 3 cosigned, 2 must have"]);
  });

  it("U12 every control of a page is reached by the Tab key, in the order of the page, and shows that it is", async () => {
    const { did } = trusted();
    const page = await open({ viewport: { width: 1280, height: 800 } });
    for (const path of ["/", `/a/${did}`, `/explain?to=${did}`, "/simulate"]) {
      await page.goto(site.url + path, { waitUntil: "load" });
      const controls = await page.evaluate(() => {
        const all = document.querySelectorAll<HTMLElement | SVGElement>(
          "a[href], button, input, select, textarea, summary, [tabindex]",
        );
        return Array.from(all).filter(
          (one) =>
            one.checkVisibility({ visibilityProperty: true }) &&
            one.tabIndex >= 0 &&
            !(one as HTMLButtonElement).disabled &&
            (one as HTMLInputElement).type !== "hidden",
        ).length;
      });
      const reached: number[] = [];
      const unseen: string[] = [];
      for (let i = 0; i < controls + 2; i++) {
        await page.keyboard.press("Tab");
        const at = await page.evaluate(() => {
          const focused = document.activeElement;
          if (!focused || focused === document.body) return undefined;
          const style = getComputedStyle(focused);
          const isSeen = style.outlineStyle !== "none" || style.boxShadow !== "none";
          const place = Array.from(document.querySelectorAll("*")).indexOf(focused);
          return { place, unseen: isSeen ? undefined : focused.outerHTML.slice(0, 120) };
        });
        if (!at) break;
        reached.push(at.place);
        if (at.unseen !== undefined) unseen.push(at.unseen);
      }
      const distinct = new Set(reached);
      expect([path, unseen]).toEqual([path, []]);
      expect([path, distinct.size]).toEqual([path, controls]);
      expect(reached.slice(0, controls)).toEqual(reached.slice(0, controls).toSorted((a, b) => a - b));
    }
    await page.context().close();
  });

  it("prints dark on white without what only a screen can use, whatever the theme", async () => {
    const { did } = trusted();
    const page = await open({ colorScheme: "dark" });
    await page.goto(`${site.url}/a/${did}`);
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    const printedPage = await page.evaluate(() => {
      const light = (color: string): number => {
        const [r = 0, g = 0, b = 0] = (/[\d.]+/g[Symbol.match](color) ?? []).map(Number);
        return (r + g + b) / 3;
      };
      const body = getComputedStyle(document.body);
      return {
        ink: light(body.color),
        paper: light(body.backgroundColor),
        wide: document.documentElement.scrollWidth - innerWidth,
      };
    });
    expect(printedPage.ink).toBeLessThan(80);
    expect(printedPage.paper).toBeGreaterThan(235);
    for (const hidden of [".top", "button.verify"]) {
      expect([hidden, await page.locator(hidden).first().isVisible()]).toEqual([hidden, false]);
    }
    expect(await page.locator("main h1").isVisible()).toBe(true);
    await page.context().close();
  });
});

const printed = scoreText;

function graphWithout(vouches: readonly VouchEdge[], ids: readonly string[]): TrustGraph {
  return buildTrustGraph(
    vouches.filter(({ id }) => !ids.includes(id)),
    { scope: "tools" },
  );
}

/** The agents of a map by their numbers. */
async function didsOf(at: TestObservatory): Promise<string[]> {
  const all = Array.from({ length: at.registry.view.agentCount }, (_, i) => i);
  const named: { i: number; did: string }[] = await at.json(`/map/names.json?i=${all.join(",")}`);
  return named.sort((a, b) => a.i - b.i).map(({ did }) => did);
}

/** A signature line with one byte of the signature altered. */
function flipped(line: string): string {
  const at = line.length - 12;
  return line.slice(0, at) + (line[at] === "A" ? "B" : "A") + line.slice(at + 1);
}

/**
 * Honest communities of 20 to 60 who know each other across them, and rings of made-up agents of 8 to 50: they vouch for
 * each other as densely as for the outside, and at most 14 in 1,000 of their vouches come from honest agents.
 * @returns who is of a ring
 */
function madeNetwork(log: HostileLog, seed: number): ReadonlySet<Did> {
  const random = (() => {
    let state = seed;
    return (below: number) => Math.floor(((state = (state * 48_271) % 2_147_483_647) / 2_147_483_647) * below);
  })();
  const pairs = new Set<string>();
  const join = (from: number, to: number): unknown => from !== to && pairs.add(`${from} ${to}`);
  let next = 0;
  const group = (members: number): number[] => Array.from({ length: members }, () => next++);
  const honest = Array.from({ length: 9 }, () => group(20 + random(41)));
  const everyone = honest.flat();
  for (const members of honest) {
    for (const one of members) {
      for (let k = 0; k < 3; k++) join(one, members[random(members.length)]!);
      if (random(4) === 0) join(one, everyone[random(everyone.length)]!);
    }
  }
  const rings = Array.from({ length: 8 }, (_, i) => group(8 + i * 6));
  for (const members of rings) {
    for (const one of members) {
      for (let k = 0; k < 3; k++) join(one, members[random(members.length)]!);
      // What a ring says of others costs nothing, and says nothing of the ring.
      if (random(3) === 0) join(one, everyone[random(everyone.length)]!);
    }
    const inner = [...pairs].filter((pair) => pair.split(" ").every((one) => members.includes(Number(one)))).length;
    for (let k = 0; k < Math.floor(inner * 0.014); k++)
      join(everyone[random(everyone.length)]!, members[random(members.length)]!);
  }
  for (const pair of pairs) {
    const [from, to] = pair.split(" ").map(Number) as [number, number];
    log.add(saidVouch(from, to, 60));
  }
  return new Set(rings.flat().map(didOf));
}
