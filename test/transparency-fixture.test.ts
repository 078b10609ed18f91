import { describe, expect, it } from "vitest";
import { type ClientName, fixtureBattery, overHttp, overStdio, signing } from "./_battery.ts";
import { startFixture, strictGuard } from "./_conformance.ts";
import { bridged, type Command, fixture, guarded, node, party } from "./_mcp.ts";

const alice = party();
const server = party();
/** The third kind, "SDK 2 legacy", has its turn in the slow suite. */
const names: readonly ClientName[] = ["SDK 1", "SDK 2 auto"];
const command: Command = [node, fixture("conformance-server.ts"), "v2", "stdio"];

describe.each(names)("every feature of a server of both eras, for a client of %s", (name) => {
  it("over stdio is the same through bridge and guard as directly", async () => {
    const [direct, through] = await Promise.all([
      fixtureBattery(name, overStdio(name, command)),
      fixtureBattery(name, overStdio(name, bridged(alice, guarded(server, command)))),
    ]);
    expect(Object.keys(direct.results).length).toBeGreaterThanOrEqual(32);
    if (name === "SDK 2 auto") expect(direct.results["subscription"]).toBe("ended");
    expect(through).toEqual(direct);
  });

  it("over HTTP is the same through guard and bridge, or a client that signs, as directly", async () => {
    await using upstream = await startFixture("v2");
    await using guard = await strictGuard(upstream.url);
    const direct = await fixtureBattery(name, overHttp(name, upstream.url));
    expect(await fixtureBattery(name, overHttp(name, guard.url, signing(alice, guard.url)))).toEqual(direct);
    expect(await fixtureBattery(name, overStdio(name, bridged(alice, [guard.url])))).toEqual(direct);
  });
});
