import {
  generateIdentity,
  generateSeed,
  HttpRegistryReader,
  type Identity,
  identityFromSeed,
  issueKeyInit,
  issueKeyRevoke,
  issueKeyRotate,
  issueVouch,
  keyDigest,
  multibaseOf,
  Network,
} from "@peerage/core";
import { createGuard, trustFromNetwork } from "@peerage/mcp-middleware";
import { expect, it } from "vitest";
import { policyOf, signed, stdio, verdict } from "./_guard.ts";
import { startRegistry } from "./_registry.ts";

it("A-SESS-06 a guard admits an agent by the key that stands: before and after a rotation, and not once it is revoked", async () => {
  await using registry = await startRegistry();
  const root = generateIdentity();
  const seeds = [generateSeed(), generateSeed(), generateSeed()];
  const { did } = identityFromSeed(seeds[0]!);
  const agent = (n: number): Identity => identityFromSeed(seeds[n]!, { did });
  const commit = (n: number) => keyDigest(multibaseOf(identityFromSeed(seeds[n]!).did));
  const init = await issueKeyInit(agent(0), { next: commit(1) });
  await registry.publish(init.bytes);
  await registry.publish((await issueVouch(root, { subject: did, scope: ["tools"], confidence: 90 })).bytes);

  const network = await Network.open({ reader: await HttpRegistryReader.connect({ url: registry.url }) });
  const trust = trustFromNetwork(network, { roots: [root.did], maxAgeSeconds: 3_600 });
  const policy = policyOf([{ id: "trusted", tools: "write", agents: "*", trust: 0.5 }]);
  const guard = await createGuard({ identity: generateIdentity(), policy, trust });
  const call = async (n: number): Promise<string> =>
    verdict(guard.admit(await signed(agent(n), guard.did, "tools/call", { name: "write" }), stdio()));

  expect([await call(0), await call(1)]).toEqual(["admitted", "ERR_PROOF_MALFORMED"]);
  const rotated = await issueKeyRotate(agent(1), { prev: init, next: commit(2) });
  await registry.publish(rotated.bytes);
  await network.refresh();
  expect([await call(0), await call(1), await call(2)]).toEqual([
    "ERR_KEY_SUPERSEDED",
    "admitted",
    "ERR_PROOF_MALFORMED",
  ]);
  await registry.publish((await issueKeyRevoke(agent(1), { prev: rotated })).bytes);
  await network.refresh();
  expect([await call(0), await call(1)]).toEqual(["ERR_KEY_REVOKED", "ERR_KEY_REVOKED"]);
});
