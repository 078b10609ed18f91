import { msText } from "../topology.ts";
import { liveView } from "../live-view.ts";
import { loadLive } from "../live.ts";
import type { LiveData } from "../live-data.ts";
import { h } from "../node.ts";
import type { ConsolePage } from "../ask.ts";

/** Who calls what at this moment, and what the gate says. */
export const live: ConsolePage<LiveData> = {
  load: loadLive,
  title: ({ guard, guards }) => guard ?? (guards.length === 1 ? (guards[0]?.name ?? "Console") : "Console"),
  view: (data) => [h("peerage-live", {}, h("div", { class: "liveview" }, liveView(data)))],
  text: (data) => `${[countLine(data), "", ...data.calls.map(callLine)].join("\n")}\n`,
};

function countLine({ window, counts }: LiveData): string {
  return `last ${window}: ${counts.admitted} admitted, ${counts.refused} refused, ${counts.waiting} waiting`;
}

/** A call in a line of text. */
export function callLine(call: LiveData["calls"][number]): string {
  const { at, verdict, name, did, target, why, ms } = call;
  return [at.slice(0, 19), verdict, name ?? did ?? "unsigned", target, why, ms === undefined ? "" : msText(ms)].join(
    "  ",
  );
}
