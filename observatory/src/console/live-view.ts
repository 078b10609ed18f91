import { type Counts, lenses, type LiveData, windows } from "./live-data.ts";
import { h, type Node } from "./node.ts";
import { paths } from "./paths.ts";
import { callTable, firstGuard, tone } from "./rows.ts";
import { topology } from "./topology.ts";

/** The live page as data: the server writes it, and the browser draws it anew whenever something was decided. */
export function liveView(data: LiveData): Node[] {
  return [
    h("div", { class: "livehead" }, heading(data), chips(data), controls(data)),
    h("section", { class: "panel stagebox", "aria-label": "Agents, gate and targets" }, topology(data), folded(data)),
    replay(data),
    h(
      "section",
      { class: "panel", "aria-labelledby": "calls" },
      h(
        "h2",
        { id: "calls" },
        "Calls",
        h("span", { class: "aside" }, "times in UTC"),
        h("a", { class: "more", href: paths.calls({ guard: data.guard }) }, "All calls, filters and export"),
      ),
      callTable(data.calls, {
        guards: data.guards.length > 1 && data.guard === undefined,
        empty:
          data.oldest === undefined
            ? ["No guard has recorded a call yet. ", ...firstGuard]
            : ["No call in this stretch of time."],
      }),
    ),
  ];
}

function heading({ guards, guard }: LiveData): Node {
  const [only] = guards;
  const title =
    guard ?? (guards.length === 1 ? only?.name : undefined) ?? (guards.length === 0 ? "No guard yet" : "All guards");
  return h(
    "div",
    {},
    h("h1", {}, h("bdi", {}, title)),
    ...(guards.length > 1
      ? [
          h(
            "p",
            { class: "chips", "aria-label": "Guards" },
            chip(paths.live(), "all", guard === undefined),
            guards.map(({ name }) => chip(paths.live({ guard: name }), name, name === guard)),
          ),
        ]
      : []),
  );
}

function chip(href: string, text: string, here: boolean): Node {
  return h(
    "a",
    { class: here ? "chip here" : "chip", href, "aria-current": here ? "true" : undefined },
    h("bdi", {}, text),
  );
}

function chips({ counts, suppressed, guard, window }: LiveData): Node {
  const list = (verdict: string): string => paths.calls({ verdict, guard, window });
  return h(
    "p",
    { class: "chips tally" },
    h("a", { class: tone(counts.admitted, "ok"), href: list("admitted") }, `✓ ${counts.admitted} admitted`),
    h("a", { class: tone(counts.refused, "bad"), href: list("refused") }, `✕ ${counts.refused} refused`),
    h("a", { class: tone(counts.waiting, "warn"), href: paths.approvals() }, `◔ ${counts.waiting} waiting`),
    ...(suppressed > 0 ? [h("span", { class: "chip" }, `${suppressed} of a flood, not listed`)] : []),
  );
}

function controls({ window, guard, lens, at }: LiveData): Node {
  const usual = (value: string, first: string): string | undefined => (value === first ? undefined : value);
  const query = { guard, at, window: usual(window, "15m"), lens: usual(lens, "calls") };
  return h(
    "div",
    { class: "controls" },
    h(
      "nav",
      { class: "segments", "aria-label": "Stretch of time" },
      windows.map((one) => segment(paths.live({ ...query, window: usual(one, "15m") }), one, one === window)),
    ),
    h(
      "nav",
      { class: "segments", "aria-label": "What lines show" },
      lenses.map((one) => segment(paths.live({ ...query, lens: usual(one, "calls") }), one, one === lens)),
    ),
  );
}

function segment(href: string, text: string, here: boolean): Node {
  return h("a", { href, "aria-current": here ? "true" : undefined }, text);
}

function folded({ folded: { agents, calls, tools }, lens, guard, window }: LiveData): Node {
  const quiet = [
    agents > 0
      ? `${agents} quieter ${agents === 1 ? "agent" : "agents"} with ${calls} ${calls === 1 ? "call" : "calls"}`
      : undefined,
    tools > 0 ? `${tools} more ${tools === 1 ? "target" : "targets"}` : undefined,
  ].filter((part) => part !== undefined);
  const meaning = {
    calls: "A line is as wide as its calls are many; what is refused ends at the gate.",
    time: "A line is as wide as its calls take long.",
    trust: "A line is as bright as its agent is trusted.",
  }[lens];
  return h(
    "p",
    { class: "muted small stagefoot" },
    meaning,
    ...(quiet.length > 0 ? [" + ", h("a", { href: paths.calls({ guard, window }) }, quiet.join(", ")), "."] : []),
  );
}

/** The stretch of time as bars, and the slider that goes back in it. */
function replay({ bars, from, to, at, oldest, guard, window, lens }: LiveData): Node {
  const most = Math.max(1, ...bars.map(total));
  const step = 100 / Math.max(1, bars.length);
  const drawn = bars.flatMap((bar, i): Node[] => {
    let y = 40;
    return (["admitted", "asked", "refused"] as const).flatMap((kind) => {
      if (bar[kind] === 0) return [];
      const height = Math.max(0.8, (bar[kind] / most) * 38);
      y -= height;
      const tone = { admitted: "ok", asked: "warn", refused: "bad" }[kind];
      return [
        h("rect", {
          class: tone,
          x: round(i * step + 0.15),
          y: round(y),
          width: round(step - 0.3),
          height: round(height),
        }),
      ];
    });
  });
  const end = at === undefined ? Math.floor(Date.parse(to) / 1000) : Math.floor(Date.parse(at) / 1000);
  const least = Math.floor(Date.parse(oldest ?? from) / 1000);
  const last = Math.floor(Date.parse(to) / 1000);
  return h(
    "section",
    { class: "panel replay", "aria-labelledby": "replay" },
    h(
      "h2",
      { id: "replay" },
      at === undefined ? "Replay" : "As it was",
      h("span", { class: "aside" }, `${day(from)} to ${day(at ?? to)} UTC`),
      ...(at === undefined
        ? []
        : [h("a", { class: "more", href: paths.live({ guard, window, lens }) }, "Back to now")]),
    ),
    h(
      "svg",
      {
        class: "bars",
        viewBox: "0 0 100 40",
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": `calls over ${window}`,
      },
      drawn,
    ),
    h(
      "form",
      { action: "/", method: "get", class: "row" },
      ...(guard === undefined ? [] : [h("input", { type: "hidden", name: "guard", value: guard })]),
      h("input", { type: "hidden", name: "window", value: window }),
      h("input", { type: "hidden", name: "lens", value: lens }),
      h(
        "label",
        { class: "slider" },
        "Show the stretch that ends then",
        h("input", {
          type: "range",
          name: "at",
          min: Math.min(least, last),
          max: last,
          step: Math.max(1, Math.floor((last - least) / 2000)),
          value: end,
          "data-replay": true,
        }),
      ),
      h("button", { class: "quiet", type: "submit" }, "Replay"),
    ),
  );
}

function total({ admitted, refused, asked }: Counts): number {
  return admitted + refused + asked;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function day(at: string): string {
  return at.slice(0, 19).replace("T", " ");
}
