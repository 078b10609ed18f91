/** How late the last of many readers hears of a statement, beside a bare server that writes the same to as many. */
import { fromUtf8 } from "@peerage/core";
import type { Measurement } from "./lib/figures.ts";
import { at, measured, type Scale } from "./lib/measure.ts";
import { type MeasuredServer, startBareServer, startMeasuredRegistry } from "./registry-process.ts";
import { makeVouches } from "./vouches.ts";

const PER_SECOND = 10;

export async function benchFeed(scale: Scale): Promise<Measurement[]> {
  const { readers, events, rounds } = at(scale, {
    quick: { readers: [50], events: 5, rounds: 1 },
    normal: { readers: [200, 1_000, 2_000], events: 15, rounds: 2 },
  });
  const vouches = await makeVouches(readers.length * events * rounds);
  const bodies = vouches.map(({ bytes }) => fromUtf8(bytes));
  const measurements: Measurement[] = [];
  for (const streams of readers) {
    const late = { bare: [] as number[], ours: [] as number[] };
    let memory = 0;
    for (let round = 0; round < rounds; round++) {
      const some = bodies.splice(0, events);
      {
        await using bare = await startBareServer();
        late.bare.push(await lateness(bare, streams, some));
      }
      await using registry = await startMeasuredRegistry();
      late.ours.push(await lateness(registry, streams, some));
      memory = (await registry.figures()).rssMb;
    }
    const count = `${streams.toLocaleString("en-US")} readers`;
    const beside = `sse/bare-${streams}`;
    measurements.push(
      measured(
        beside,
        `bare server, ${count}, ${PER_SECOND} statements/s: p99 after the first reader`,
        "ms",
        late.bare,
      ),
      measured(
        `sse/feed-${streams}`,
        `live feed, ${count}: p99 after the first reader, nothing lost`,
        "ms",
        late.ours,
        {
          beside,
          note: `${Math.round(memory)} MiB`,
        },
      ),
    );
  }
  return measurements;
}

async function lateness(server: MeasuredServer, streams: number, bodies: readonly string[]): Promise<number> {
  const result = await server.listen({ streams, events: bodies.length }, () =>
    server.load({ connections: 4, bodies, perSecond: PER_SECOND }),
  );
  if (result.received !== result.expected) throw new Error(`${result.expected - result.received} events were lost`);
  return result.p99;
}
