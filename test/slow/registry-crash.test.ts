import { expect, it } from "vitest";
import { killAgainAndAgain } from "../_registry-kills.ts";
import { faultOf, traceable } from "../_faults.ts";

it("A-LOG-07 loses no acknowledged statement when it is killed 200 times between acknowledgements", async () => {
  const acknowledged = await killAgainAndAgain(200);
  console.log(`200 kills of a registry: ${acknowledged} acknowledged, none lost`);
  expect(acknowledged).toBeGreaterThan(1_000);
}, 1_800_000);

// Each call of a kind in turn, from the first that opens the log to those in the midst of a load.
const places = [1, 2, 3, 5, 8, 13, 21, 34, 55];

it.skipIf(!traceable).for([
  ["fsync,fdatasync", "EIO"],
  ["fsync,fdatasync", "ENOSPC"],
  ["pwrite64", "EIO"],
  ["pwrite64", "ENOSPC"],
  ["rename", "EIO"],
  ["rename", "ENOSPC"],
] as const)("A-LOG-07 a %s that fails with %s ends in a refusal, wherever it falls", async ([calls, error]) => {
  let met = 0;
  for (const place of places) {
    const { acknowledged, refused } = await faultOf({ calls, error, from: place });
    console.log(`${error} at ${calls} ${place}: ${acknowledged} acknowledged, ${refused} refused`);
    if (refused > 0) met++;
  }
  // Later ones may be more than the load brings.
  expect(met).toBeGreaterThan(1);
});
