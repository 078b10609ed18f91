import { describe, expect, it } from "vitest";
import { type ClientName, everythingBattery, once, overHttp, overStdio, signing, timeless } from "./_battery.ts";
import { strictGuard } from "./_conformance.ts";
import { bridged, everythingStdio, guarded, party, startEverythingHttp } from "./_mcp.ts";

const alice = party();
const server = party();
/** The third kind, "SDK 2 legacy", has its turn in the slow suite. */
const names: readonly ClientName[] = ["SDK 1", "SDK 2 auto"];

describe.each(names)("every feature of server-everything, for a client of %s", (name) => {
  it("over stdio is the same through bridge and guard as directly", async () => {
    const [direct, through] = await Promise.all([
      everythingBattery(name, overStdio(name, everythingStdio)),
      everythingBattery(name, overStdio(name, bridged(alice, guarded(server, everythingStdio)))),
    ]);
    expect(Object.keys(direct.results).length).toBeGreaterThanOrEqual(48);
    expect(timeless(through)).toEqual(timeless(direct));
  });

  it("over HTTP is the same through guard and bridge, or a client that signs, as directly", async () => {
    await using upstream = await startEverythingHttp();
    await using guard = await strictGuard(upstream.url);
    const [direct, throughBridge, signed] = await Promise.all([
      everythingBattery(name, overHttp(name, upstream.url)),
      everythingBattery(name, overStdio(name, bridged(alice, [guard.url]))),
      everythingBattery(name, overHttp(name, guard.url, signing(alice, guard.url))),
    ]);
    expect(once(signed)).toEqual(once(direct));
    expect(once(throughBridge)).toEqual(once(direct));
  });
});
