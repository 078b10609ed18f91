import { generateIdentity, HttpRegistryReader, issueProfile, issueVouch } from "@peerage/core";
import { expect, it } from "vitest";
import { startRegistry } from "./_registry.ts";

it("keeps of a log that it follows no more than the entries", async () => {
  await using registry = await startRegistry();
  for (let i = 0; i < 3; i++) await registry.publish((await issueProfile(generateIdentity(), { role: "agent" })).bytes);
  const reader = await HttpRegistryReader.connect({ url: registry.url });
  for await (const { index, leaf } of reader.leaves(2, 3)) {
    expect(index).toBe(2);
    // A view would keep the other entries of its bundle in memory, once for each time that the bundle was fetched.
    expect(leaf.buffer.byteLength).toBe(leaf.byteLength);
  }
});

it("finds a profile without the vouches of its agent, as the whole record has it", async () => {
  await using registry = await startRegistry();
  const [alice, bob] = [generateIdentity(), generateIdentity()];
  await registry.publish((await issueProfile(alice, { role: "agent" })).bytes);
  await registry.publish((await issueVouch(bob, { subject: alice.did, scope: ["tools"], confidence: 50 })).bytes);
  const { view } = registry.registry;
  expect(view.profileOf(alice.did)?.statement.role).toBe("agent");
  for (const { did } of [alice, bob, generateIdentity()]) expect(view.profileOf(did)).toEqual(view.agent(did)?.profile);
});
