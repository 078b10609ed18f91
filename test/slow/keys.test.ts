import { expect, it } from "vitest";
import { openTestRegistry } from "../_cli.ts";
import { crashKeyChange, operationsOf } from "../_key-crash.ts";

it.each(["rotate", "recover", "revoke"] as const)(
  "A-CLI-02 a %s that crashes before any of its file operations loses no key and makes one event only",
  { timeout: 1_800_000 },
  async (change) => {
    await using registry = await openTestRegistry();
    const total = (await operationsOf(registry.url, change)).length;
    expect(total).toBeGreaterThan(change === "revoke" ? 8 : 25);
    for (let at = 1; at <= total; at += 3) {
      const points = [at, at + 1, at + 2].filter((point) => point <= total);
      await Promise.all(points.map((point) => crashKeyChange(registry.url, change, point)));
    }
  },
);
