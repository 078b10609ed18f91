import { expect, it } from "vitest";
import { faultOf, traceable } from "./_faults.ts";

// test/slow/registry-crash.test.ts lets every kind of call fail at every place.

it.skipIf(!traceable)(
  "A-LOG-07 a failed fsync ends the process, and nothing that it acknowledged is lost",
  async () => {
    const { acknowledged, refused } = await faultOf({ calls: "fsync,fdatasync", error: "EIO", from: 20 });
    expect(acknowledged).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  },
);

it.skipIf(!traceable)("A-LOG-07 a disk that is full at a write ends in a refusal, not in a wrong answer", async () => {
  const { acknowledged, refused } = await faultOf({ calls: "pwrite64", error: "ENOSPC", from: 60 });
  expect(acknowledged).toBeGreaterThan(0);
  expect(refused).toBeGreaterThan(0);
});

it.skipIf(process.platform === "win32")(
  "a file that can grow no more ends in a refusal, not in a wrong answer",
  async () => {
    const { acknowledged, refused } = await faultOf({ fileBytes: 400 * 1024 });
    expect(acknowledged).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  },
);
