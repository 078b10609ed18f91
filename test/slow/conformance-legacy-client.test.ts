import { expect, it } from "vitest";
import { everythingBattery, fixtureBattery, once, overHttp, overStdio, signing, timeless } from "../_battery.ts";
import { startFixture, strictGuard } from "../_conformance.ts";
import { bridged, everythingStdio, fixture, guarded, node, party, startEverythingHttp } from "../_mcp.ts";

const alice = party();
const server = party();
const name = "SDK 2 legacy";
const targets = [
  {
    target: "server-everything",
    command: everythingStdio,
    start: () => startEverythingHttp(),
    battery: everythingBattery,
  },
  {
    target: "our fixture of both eras",
    command: [node, fixture("conformance-server.ts"), "v2", "stdio"] as const,
    start: () => startFixture("v2"),
    battery: fixtureBattery,
  },
];

it.for(targets)(
  "every feature of $target is the same for a legacy client of SDK 2, over stdio and HTTP",
  async (one) => {
    const { command, start, battery } = one;
    const direct = timeless(await battery(name, overStdio(name, command)));
    expect(timeless(await battery(name, overStdio(name, bridged(alice, guarded(server, command)))))).toEqual(direct);
    await using upstream = await start();
    await using guard = await strictGuard(upstream.url);
    const overHttpDirectly = once(await battery(name, overHttp(name, upstream.url)));
    expect(once(await battery(name, overHttp(name, guard.url, signing(alice, guard.url))))).toEqual(overHttpDirectly);
    expect(once(await battery(name, overStdio(name, bridged(alice, [guard.url]))))).toEqual(overHttpDirectly);
  },
);
