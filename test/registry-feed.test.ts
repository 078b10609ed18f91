import { get } from "node:http";
import { beforeAll, describe, expect, it } from "vitest";
import { generateIdentity, issueVouch } from "@peerage/core";
import { startRegistry, type TestRegistry } from "./_registry.ts";

let leaves: Uint8Array[];
beforeAll(async () => {
  const voucher = generateIdentity();
  const validFrom = new Date();
  const issued = Array.from({ length: 300 }, () =>
    issueVouch(voucher, { subject: generateIdentity().did, scope: ["tools"], confidence: 50, validFrom }),
  );
  leaves = (await Promise.all(issued)).map(({ bytes }) => bytes);
});

interface Event {
  event: string;
  id?: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is each event's own
  data: any;
}

/** Reads events until `enough`, then hangs up. */
async function listen(
  registry: TestRegistry,
  options: { query?: string; lastEventId?: string },
  enough: (events: Event[]) => boolean,
): Promise<Event[]> {
  const headers: Record<string, string> =
    options.lastEventId === undefined ? {} : { "last-event-id": options.lastEventId };
  const response = await registry.get(`/v1/feed.sse${options.query ?? ""}`, headers);
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const events: Event[] = [];
  let text = "";
  const reader = response.body!.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    text += Buffer.from(next.value).toString();
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const field = (name: string): string | undefined =>
        lines.find((l) => l.startsWith(`${name}: `))?.slice(name.length + 2);
      const [event, id, data] = [field("event"), field("id"), field("data")];
      if (event !== undefined)
        events.push({ event, ...(id === undefined ? {} : { id: Number(id) }), data: JSON.parse(data!) });
    }
    if (enough(events)) break;
  }
  await reader.cancel();
  return events;
}

const idsOf = (events: Event[]): number[] => events.flatMap(({ id }) => id ?? []);
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe("the live feed", () => {
  it("A-LOG-11 a HEAD on the feed takes no place from those who listen", async () => {
    await using registry = await startRegistry({ streams: { maximum: 2 } });
    for (let i = 0; i < 5; i++) {
      const response = await fetch(`${registry.url}/v1/feed.sse`, { method: "HEAD" });
      expect(response.status).toBe(200);
    }
    await registry.publish(leaves[0]!);
    const events = await listen(registry, { query: "?after=-1" }, (seen) => seen.length > 0);
    expect(events[0]?.id).toBe(0);
  });

  it("A-LOG-11 resumes after the last event seen without gap or duplicate, while the log grows", async () => {
    await using registry = await startRegistry();
    const writing = (async () => {
      for (let at = 0; at < 300; at += 10) {
        await Promise.all(leaves.slice(at, at + 10).map((leaf) => registry.registry.submit(leaf)));
      }
      await registry.registry.published(299);
    })();
    const seen: number[] = [];
    const hangUpAfter = [3, 40, 1, 65, 100, 1_000];
    while (seen.at(-1) !== 299) {
      const want = hangUpAfter.shift() ?? 1_000;
      const from = seen.length === 0 ? { query: "?after=-1" } : { lastEventId: String(seen.at(-1)) };
      const events = await listen(registry, from, (so) => idsOf(so).length >= want || idsOf(so).at(-1) === 299);
      seen.push(...idsOf(events));
    }
    await writing;
    expect(seen).toEqual(range(0, 300));
  });

  it("A-LOG-11 tells statements of one second apart by their index", async () => {
    await using registry = await startRegistry();
    await Promise.all(leaves.slice(0, 100).map((leaf) => registry.registry.submit(leaf)));
    await registry.registry.published(99);
    const events = await listen(registry, { lastEventId: "41" }, (so) =>
      so.some(({ event }) => event === "checkpoint"),
    );
    expect(idsOf(events)).toEqual(range(42, 100));
    for (const { event, id, data } of events) {
      if (event === "statement") expect(data).toMatchObject({ index: id, kind: "Vouch" });
      else expect(data).toMatchObject({ size: 100, origin: registry.registry.origin });
    }
  });

  it("A-LOG-11 closes with a reason on a cursor from the future, and refuses one that is no index", async () => {
    await using registry = await startRegistry();
    for (const leaf of leaves.slice(0, 3)) await registry.publish(leaf);
    const closed = (events: Event[]): boolean => events.some(({ event }) => event === "closed");
    expect(await listen(registry, { lastEventId: "3" }, closed)).toEqual([
      { event: "closed", data: { reason: "future-cursor" } },
    ]);
    const present = await listen(registry, { lastEventId: "2" }, (so) => so.length > 0);
    expect(present).toMatchObject([{ event: "checkpoint" }]);
    for (const forged of ["-1", "1.5", "abc", "0x1", "99999999999999999999"]) {
      const response = await registry.get("/v1/feed.sse", { "last-event-id": forged });
      expect(response.status, forged).toBe(400);
    }
  });

  it("sends only what comes if no cursor is named, and a comment where nothing comes", async () => {
    await using registry = await startRegistry({ streams: { heartbeatMs: 20 } });
    await registry.publish(leaves[0]!);
    const response = await registry.get("/v1/feed.sse");
    const reader = response.body!.getReader();
    let text = "";
    while (!text.includes(": still here")) text += Buffer.from((await reader.read()).value!).toString();
    expect(text).not.toContain("event: statement");
    await registry.publish(leaves[1]!);
    while (!text.includes("event: statement")) text += Buffer.from((await reader.read()).value!).toString();
    expect(text).toContain("id: 1\n");
    await reader.cancel();
  });

  it("A-LOG-11 cuts a reader that never reads, holds no more than a page for it, and serves the others", async () => {
    await using registry = await startRegistry({ streams: { stallMs: 1_000 } });
    await Promise.all(leaves.map((leaf) => registry.registry.submit(leaf)));
    await registry.registry.published(299);
    // In process nothing but the stream itself buffers, so what is made without being read is seen exactly.
    const response = await registry.registry.app.request("/v1/feed.sse?after=-1");
    const listening = await listen(registry, { query: "?after=-1" }, (so) => idsOf(so).length === 300);
    expect(idsOf(listening)).toEqual(range(0, 300));
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const reader = response.body!.getReader();
    await expect(
      (async () => {
        let bytes = 0;
        for (let next = await reader.read(); !next.done; next = await reader.read()) bytes += next.value.length;
        return bytes;
      })(),
    ).rejects.toThrow("consumer-too-slow");
  });

  it("A-LOG-11 frees the place of a reader that hangs up, and takes no more readers than it said", async () => {
    await using registry = await startRegistry({ streams: { maximum: 2 } });
    const open = (): Promise<{ status: number; hangUp: () => void }> =>
      new Promise((resolve, reject) => {
        const call = get(`${registry.url}/v1/feed.sse`, (response) => {
          response.on("error", () => undefined);
          response.resume();
          resolve({ status: response.statusCode ?? 0, hangUp: () => call.destroy() });
        });
        call.on("error", reject);
      });
    const [first, second] = [await open(), await open()];
    expect([first.status, second.status]).toEqual([200, 200]);
    const third = await open();
    expect(third.status).toBe(503);
    third.hangUp();
    first.hangUp();
    let status = 503;
    while (status === 503) {
      const again = await open();
      status = again.status;
      again.hangUp();
    }
    expect(status).toBe(200);
    second.hangUp();
  });
});
