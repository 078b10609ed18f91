import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type Did,
  FlowVector,
  generateIdentity,
  HttpRegistryReader,
  type JsonObject,
  Network,
  type Score,
} from "../core/src/index.ts";
import { createGuard, trustFromNetwork } from "../mcp-middleware/src/index.ts";
import { Home } from "./_cli.ts";
import { type ExampleNetwork, exampleNetwork } from "./_example-network.ts";
import { policyOf, signed, stdio, verdict } from "./_guard.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";

/** What each of those who may be asked says of one agent: its score, at which size of the log. */
type Answers = Readonly<Record<string, { readonly score: Score; readonly size: number }>>;

let network: ExampleNetwork;
let site: TestObservatory;
let home: Home;
beforeAll(async () => {
  network = await exampleNetwork(24, new Date());
  site = await startObservatory({ roots: network.roots });
  await site.publish(...network.statements.map(({ statement }) => statement));
  home = await Home.make();
}, 60_000);
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

const number = (text: string): Score => (text === "unknown" ? text : Number(text));

/** Asks all but the guard for the score from the published roots, or from `as`. */
async function ask(did: Did, scope: string, as?: Did): Promise<Answers> {
  const query = `scope=${scope}${as === undefined ? "" : `&as=${as}`}`;
  const html = { accept: "text/html" };
  const page = await (await site.get(`/explain?to=${did}&${query}`, html)).text();
  const data = await site.json(`/a/${did}.json?${query}`);
  const card = await (
    await site.get(`/explain?to=${did}&${query}`, { accept: "*/*", "user-agent": "curl/8.9" })
  ).text();
  const roots = as === undefined ? network.roots : [as];
  const cli = await home.call([
    ...["trust", did, "--scope", scope, "--registry", site.url, "--json"],
    ...roots.flatMap((root) => ["--root", root]),
  ]);
  const told = JSON.parse(cli.stdout).data as { score: Score; provenance: { logSize: number } };
  const api = await site.json(`/v1/score?from=${roots.join()}&to=${did}&scope=${scope}`);
  return {
    page: { score: number(/class="score[^"]*">([^<]+)</.exec(page)![1]!), size: sizeOf(page) },
    json: { score: data.score, size: data.head.logSize },
    curl: { score: number(/  (unknown|[\d.]+)  in scope/.exec(card)![1]!), size: sizeOf(card) },
    cli: { score: told.score, size: told.provenance.logSize },
    api: { score: api.score ?? "unknown", size: api.checkpoint.size },
  };
}

function sizeOf(text: string): number {
  const found = /log size<\/dt>\s*<dd>(\d+)/.exec(text) ?? /log size (\d+)/.exec(text);
  return Number(found?.[1]);
}

it("must hold 4: page, JSON, curl, badge, command line and guard give one score for the same roots, size and scope", async () => {
  const follower = await Network.open({ reader: await HttpRegistryReader.connect({ url: site.url }) });
  const { view } = site.registry;
  for (const scope of ["tools", "research"]) {
    const scores = new FlowVector(view.graph(scope), network.roots);
    const trust = trustFromNetwork(follower, { roots: network.roots });
    const known = network.identities.filter(({ did }) => scores.score(did) !== "unknown");
    const partly = known.filter(({ did }) => Number(scores.score(did)) < 1);
    const stranger = network.identities.at(-1)!;
    expect(partly.length).toBeGreaterThan(3);
    for (const who of [...partly.slice(0, 4), network.identities[0]!, stranger]) {
      const { did } = who;
      const answers = await ask(did, scope);
      const score = scores.score(did);
      const one = { score: typeof score === "number" ? Number(score.toFixed(6)) : score, size: view.size };
      const guard = { score: trust.score(did, scope), size: follower.view.size };
      expect({ ...answers, guard }).toEqual({ page: one, json: one, curl: one, cli: one, api: one, guard: one });
      // A badge has room for two decimals: they are those of the same number.
      const word = score === "unknown" ? "unknown" : score.toFixed(2);
      const badge = await site.text(`/a/${did}/badge.svg?scope=${scope}`);
      expect(badge).toContain(`${word} ${scope} · as seen by 2 roots`);
      // And the guard admits by that very number: at it, not a millionth above it.
      for (const [min, said] of thresholds(score)) {
        const rule: JsonObject = { tools: "write", agents: "*", trust: { min, scope } };
        const gate = await createGuard({ identity: generateIdentity(), policy: policyOf([rule]), trust });
        const call = await signed(who, gate.did, "tools/call", { name: "write" });
        expect(await verdict(gate.admit(call, stdio())), `${did} at ${min}`).toBe(said);
      }
    }
  }
});

/** Thresholds on both sides of a score, with what a guard must say of a caller at them. */
function thresholds(score: Score): [min: number, said: string][] {
  if (score === "unknown") return [[0.000001, "ERR_TRUST_INSUFFICIENT"]];
  const above = Number((score + 0.000001).toFixed(6));
  return [[score, "admitted"], ...(above <= 1 ? [[above, "ERR_TRUST_INSUFFICIENT"] as [number, string]] : [])];
}

it("from one agent's viewpoint they agree as well, and not with the roots", async () => {
  const { view } = site.registry;
  const [root] = network.roots;
  const roots = new FlowVector(view.graph("tools"), network.roots);
  const own = new FlowVector(view.graph("tools"), [root!]);
  const differing = network.identities.find(({ did }) => own.score(did) !== roots.score(did))!;
  const answers = await ask(differing.did, "tools", root);
  const one = { score: own.score(differing.did), size: view.size };
  expect(answers).toEqual({ page: one, json: one, curl: one, cli: one, api: one });
});
