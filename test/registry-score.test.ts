import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type Did,
  generateIdentity,
  HttpRegistryReader,
  type Identity,
  isPeerageError,
  issueRevocation,
  issueVouch,
  trustScore,
} from "@peerage/core";
import { startRegistry, type TestRegistry } from "./_registry.ts";

const agents = Array.from({ length: 14 }, () => generateIdentity());
const did = (n: number): Did => agents[n]!.did;
let registry: TestRegistry;
let reader: HttpRegistryReader;

const vouch = async (from: Identity, to: Identity, confidence: number) =>
  registry.publish((await issueVouch(from, { subject: to.did, scope: ["tools"], confidence })).bytes);

beforeAll(async () => {
  registry = await startRegistry();
  for (const [from, to, confidence] of [
    ...[
      [0, 1, 90],
      [0, 2, 80],
      [1, 3, 90],
      [2, 3, 70],
      [3, 4, 80],
      [1, 4, 60],
      [4, 5, 90],
      [5, 4, 50],
      [4, 3, 40],
    ],
    ...[
      [6, 7, 90],
      [7, 6, 90],
      [3, 8, 100],
      [8, 9, 100],
      [9, 4, 30],
      [2, 9, 75],
      [10, 11, 55],
    ],
  ] as [number, number, number][]) {
    await vouch(agents[from]!, agents[to]!, confidence);
  }
  reader = await HttpRegistryReader.connect({ url: registry.url });
});
afterAll(() => registry[Symbol.asyncDispose]());

it("A-TRUST-03 a client computes the registry's score again, for every pair of agents", async () => {
  const graph = registry.registry.view.graph("tools");
  for (let from = 0; from < 12; from++) {
    for (let to = 0; to < 12; to++) {
      const question = { roots: [did(from)], target: did(to), scope: "tools" };
      const { score } = await reader.score(question);
      expect(score, `${from} → ${to}`).toBe(trustScore(graph, { roots: [did(from)], target: did(to) }).score);
    }
  }
  const two = await reader.score({ roots: [did(1), did(2)], target: did(4), scope: "tools" });
  expect(two.score).toBe(trustScore(graph, { roots: [did(1), did(2)], target: did(4) }).score);
  expect(two.score).toBeGreaterThan(0.5);
});

it("A-TRUST-03 A-LOG-01 a registry that states another score, hides a vouch or alters one is caught", async () => {
  const question = { roots: [did(0)], target: did(4), scope: "tools" };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the answer is edited on its way
  const through = async (edit: (answer: any) => void): Promise<string | undefined> => {
    const lying: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (!(input as URL | string).toString().includes("/v1/score")) return response;
      const answer = await response.json();
      edit(answer);
      return Response.json(answer);
    };
    const client = await HttpRegistryReader.connect({ url: registry.url, fetch: lying });
    try {
      await client.score(question);
      return undefined;
    } catch (error) {
      return isPeerageError(error) ? error.code : String(error);
    }
  };
  expect(await through(() => undefined)).toBeUndefined();
  expect(await through((answer) => (answer.score = 1))).toBe("ERR_REGISTRY_RESPONSE");
  expect(await through((answer) => (answer.status = "unknown"))).toBe("ERR_REGISTRY_RESPONSE");
  expect(await through((answer) => answer.evidence.statements.shift())).toBe("ERR_REGISTRY_RESPONSE");
  expect(await through((answer) => (answer.to = did(3)))).toBe("ERR_REGISTRY_RESPONSE");
  expect(await through((answer) => delete answer.evidence)).toBe("ERR_REGISTRY_RESPONSE");
  const raised = (leaf: string) => leaf.replace(/"confidence":\d+/, '"confidence":99');
  expect(
    await through((answer) => (answer.evidence.statements[0].leaf = raised(answer.evidence.statements[0].leaf))),
  ).toBe("ERR_INCLUSION_INVALID");
  expect(await through((answer) => (answer.evidence.statements[0].index = answer.evidence.statements[1].index))).toBe(
    "ERR_INCLUSION_INVALID",
  );
  const forge = (note: string) => note.replace(/\n\d+\n/, "\n99\n");
  expect(await through((answer) => (answer.evidence.checkpoint = forge(answer.evidence.checkpoint)))).toBe(
    "ERR_CHECKPOINT_INVALID",
  );
});

it("answers as of an older log size what it answered then", async () => {
  const ask = (at?: number) =>
    registry.json(`/v1/score?from=${did(0)}&to=${did(1)}&scope=tools${at === undefined ? "" : `&at=${at}`}`);
  const before = await ask();
  const target = await vouch(agents[0]!, agents[13]!, 50);
  const revocation = await issueRevocation(agents[0]!, { revokes: "subject", target: did(1) });
  await registry.publish(revocation.bytes);
  const after = await ask();
  expect(before.score).toBe(0.9);
  expect(after).toMatchObject({ score: null, status: "unknown" });
  const then = await ask(before.checkpoint.size);
  expect({ ...then }).toEqual({ ...before });
  const explained = await registry.json(
    `/v1/explain?from=${did(0)}&to=${did(1)}&scope=tools&at=${before.checkpoint.size}`,
  );
  expect(explained.explanation.score).toBe(0.9);
  expect((await registry.get(`/v1/score?to=${did(1)}&at=${target.index + 1_000}`)).status).toBe(404);
});
