import type { JsonObject } from "@peerage/core";
import { expect, it } from "vitest";
import { plain } from "../_battery.ts";
import { type Answer, bridged, everythingStdio, guarded, party, StdioPeer } from "../_mcp.ts";

const alice = party();
const server = party();

it("bridge and guard carry tasks from their beginning to their result, list and end", async () => {
  const battery = async (peer: StdioPeer): Promise<Answer[]> => {
    const params = { capabilities: { tasks: { cancel: {}, list: {} } }, clientInfo: { name: "t", version: "1" } };
    await peer.request("initialize", { protocolVersion: "2025-11-25", ...params });
    peer.notify("notifications/initialized");
    const start = (): Promise<Answer> =>
      peer.request("tools/call", {
        name: "simulate-research-query",
        arguments: { topic: "peers", ambiguous: false },
        task: { ttl: 60_000 },
      });
    const results: Answer[] = [];
    const made = await start();
    results.push(made);
    const { taskId } = made.result.task as { taskId: string };
    let task: Answer;
    do {
      await new Promise((resolve) => setTimeout(resolve, 200));
      task = await peer.request("tasks/get", { taskId });
    } while (task.result.status === "working");
    results.push(task, await peer.request("tasks/result", { taskId }));
    const second = await start();
    results.push(await peer.request("tasks/cancel", { taskId: second.result.task.taskId as string }));
    results.push(await peer.request("tasks/list"));
    results.push(await peer.request("tasks/get", { taskId: "no-such-task" }));
    return results.map(({ result, error }: Answer) => withoutIds({ result, error }));
  };
  await using direct = new StdioPeer(everythingStdio);
  await using through = new StdioPeer(bridged(alice, guarded(server, everythingStdio)));
  const [expected, seen] = await Promise.all([battery(direct), battery(through)]);
  expect(expected[0].result.task.status).toBe("working");
  expect(expected[2].result.content[0].text).toContain("peers");
  expect(seen).toEqual(expected);
});

/** Task ids are random hexadecimal. */
function withoutIds(value: JsonObject): Answer {
  return JSON.parse(JSON.stringify(plain(value)).replaceAll(/[0-9a-f]{32}/g, "@id"));
}
