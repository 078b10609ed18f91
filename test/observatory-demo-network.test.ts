import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { LEAST_AGENTS, planNetwork } from "../scripts/demo-plan.ts";
import { Home } from "./_cli.ts";
import { startProcess } from "./_running.ts";
import { node } from "./_mcp.ts";

const script = fileURLToPath(new URL("../scripts/demo-network.ts", import.meta.url));

it("the demo network is the same for the same seed, and has two rings that nearly nobody else vouches for", () => {
  const plan = planNetwork(200, "peerage");
  expect(planNetwork(200, "peerage").events).toEqual(plan.events);
  expect(planNetwork(200, "other").events).not.toEqual(plan.events);
  expect(() => planNetwork(LEAST_AGENTS - 1, "peerage")).toThrow(RangeError);
  expect(plan.agents).toHaveLength(200);
  expect(new Set(plan.agents.map(({ name }) => name)).size).toBe(200);
  expect(plan.rings).toHaveLength(2);
  for (const ring of plan.rings) {
    const members = new Set(ring);
    const into = plan.events.flatMap((event) => (event.kind === "vouch" && members.has(event.to) ? [event.from] : []));
    expect(into.filter((from) => !members.has(from))).toHaveLength(1);
    expect(into.length).toBeGreaterThan(ring.length * 5);
  }
});

it("demo:network publishes it through the real interface, told in JSON, and the pages show names, rings and scores", async () => {
  await using home = await Home.make();
  await using demo = startProcess(home, node, [script, "--agents", "40", "--port", "0", "--json"]);
  const summary = JSON.parse(await demo.match(/^\{"url".*\}$/m)) as Record<string, string> & { rings: string[][] };
  const { url = "", rings } = summary;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is that of each page
  const json = async (path: string): Promise<any> => (await fetch(url + path)).json();
  const front = await json("/index.json");
  expect(front).toMatchObject({ agents: 40, viewpoint: "2 roots" });
  expect(front.entries).toBe(summary["logSize"]);
  expect(front.reliedOn.every(({ name }: { name?: string }) => /^[a-z]+-[a-z-]+(?:-\d+)?$/.test(name ?? ""))).toBe(
    true,
  );
  const { clusters } = await json("/clusters.json");
  const thin = clusters.filter((cluster: { thin: boolean }) => cluster.thin);
  expect(thin).toHaveLength(2);
  for (const ring of rings) {
    const [member = ""] = ring;
    const { agent, score } = await json(`/a/${member}.json`);
    expect(agent.name).toMatch(/deals|approval|rated|payout|pro|star/);
    expect(score === "unknown" || score < 0.25).toBe(true);
  }
});
