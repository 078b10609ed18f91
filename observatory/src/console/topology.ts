import { fingerprintText, scoreText } from "../ui/format.ts";
import type { LiveAgent, LiveData, LiveTool } from "./live-data.ts";
import { type Child, h, type Node, sigil } from "./node.ts";
import { paths } from "./paths.ts";

/** Where things stand in the picture: three fixed columns, so that places stay and change shows. */
interface Columns {
  readonly kind: "wide" | "narrow";
  readonly width: number;
  readonly row: number;
  readonly top: number;
  /** Right edge of the agents' words, or undefined where they stand above and below the line. */
  readonly words: number | undefined;
  readonly sigil: number;
  readonly size: number;
  readonly gate: readonly [left: number, right: number];
  readonly tools: readonly [left: number, right: number];
  readonly letters: number;
  readonly most: number;
}

const wide: Columns = {
  kind: "wide",
  width: 1132,
  row: 60,
  top: 6,
  words: 252,
  sigil: 278,
  size: 32,
  gate: [560, 594],
  tools: [822, 1131],
  letters: 34,
  most: 18,
};
const narrow: Columns = {
  kind: "narrow",
  width: 358,
  row: 84,
  top: 20,
  words: undefined,
  sigil: 13,
  size: 25,
  gate: [182, 200],
  tools: [226, 357],
  letters: 17,
  most: 11,
};

/** More flows than this stand still. */
const MOST_MOVING = 60;

/** Agents, gate and tools with the calls between them, for a wide and for a narrow page; style sheets choose. */
export function topology(data: LiveData): Node[] {
  return [picture(data, wide), picture(data, narrow)];
}

function picture(data: LiveData, columns: Columns): Node {
  const { agents, tools, gate } = data;
  const rows = Math.max(agents.length, tools.length, 3);
  const height = columns.top + rows * columns.row + (columns.kind === "wide" ? 8 : 26);
  const spread = (i: number, n: number): number =>
    Math.round(columns.top + ((rows - n) / 2 + i + 0.5) * columns.row + (columns.kind === "narrow" ? 4 : 0));
  const [left, right] = columns.gate;
  // Shorter than the columns beside it, so that lines run together towards it.
  const gateHeight = Math.round(rows * columns.row * (columns.kind === "wide" ? 0.66 : 0.97));
  const gateTop = Math.round(columns.top + (rows * columns.row - gateHeight) / 2);
  const port = (i: number, n: number): number => Math.round(gateTop + ((i + 0.5) * gateHeight) / Math.max(1, n));
  const width = widths(data, columns.most);
  const moves = agents.length + tools.length <= MOST_MOVING;
  const { counts } = data;
  const label =
    `${agents.length} agents, ${tools.length} targets: ${counts.admitted} calls admitted, ${counts.refused} refused, ` +
    `${counts.asked} asked of a person. The same calls are listed below.`;
  const flows = [
    ...agents.flatMap((agent, i) =>
      agentFlows(agent, columns, spread(i, agents.length), port(i, agents.length), width),
    ),
    ...tools.flatMap((tool, i) => toolFlow(tool, columns, port(i, tools.length), spread(i, tools.length), width)),
  ];
  return h(
    "svg",
    {
      class: `topology ${columns.kind} lens-${data.lens}${moves && data.at === undefined ? " moving" : ""}`,
      viewBox: `0 0 ${columns.width} ${height}`,
      role: "group",
      "aria-label": label,
    },
    h("g", { class: "flows" }, flows),
    h(
      "a",
      { href: paths.policy({ guard: data.guard }), class: "gate", "aria-label": "The policy of the gate" },
      h("rect", { x: left, y: gateTop, width: right - left, height: gateHeight, rx: (right - left) / 2 }),
      h("text", { x: (left + right) / 2, y: gateTop - 14 }, "gate"),
    ),
    ...(agents.length === 0
      ? [
          h(
            "text",
            { class: "nobody", x: left / 2, y: height / 2 },
            columns.kind === "wide" ? "nobody has called" : "no calls",
          ),
        ]
      : agents.map((agent, i) => agentNode(agent, columns, spread(i, agents.length)))),
    ...tools.map((tool, i) => toolNode(tool, columns, spread(i, tools.length), data)),
    h(
      "text",
      { class: "under", x: (left + right) / 2, y: columns.kind === "wide" ? gateTop + gateHeight + 24 : height - 5 },
      [
        gate.policy === undefined ? undefined : `policy ${gate.policy.slice(7, 15)}`,
        gate.p50 === undefined ? undefined : `p50 ${msText(gate.p50)}`,
      ]
        .filter((part) => part !== undefined)
        .join(" · "),
    ),
  );
}

/** How thick a line of so many calls, or of such a time, is drawn. */
function widths({ agents, tools, lens }: LiveData, most: number): (what: number, ms: number | undefined) => number {
  const counts = [...agents, ...tools].flatMap(({ admitted, refused, asked }) => [admitted, refused, asked]);
  const times = [...agents, ...tools].map(({ ms }) => ms ?? 0);
  const largest = Math.max(1, ...(lens === "time" ? times : counts));
  return (n, ms) => {
    const value = lens === "time" ? (ms ?? 0) : n;
    return Math.round((1.6 + (most - 1.6) * Math.sqrt(value / largest)) * 10) / 10;
  };
}

type Width = ReturnType<typeof widths>;

function agentFlows(agent: LiveAgent, columns: Columns, y: number, port: number, width: Width): Node[] {
  const x = columns.sigil + columns.size / 2 + 3;
  const end = columns.gate[0];
  const flows: Node[] = [];
  if (agent.admitted > 0) {
    const tone = trustTone(agent);
    flows.push(...flow(`ok ${tone}`, curve(x, y - 2, end, port - 4), width(agent.admitted, agent.ms)));
  }
  for (const [kind, n, offset] of [
    ["bad", agent.refused, 7],
    ["warn", agent.asked, agent.refused > 0 ? 14 : 7],
  ] as const) {
    if (n === 0) continue;
    const at = port + offset;
    flows.push(
      h("path", {
        class: `flow ${kind}`,
        d: curve(x, y + offset / 2, end - 15, at),
        "stroke-width": Math.min(5, width(n, undefined)),
      }),
    );
    const mark = end - 9;
    flows.push(
      kind === "bad"
        ? h("path", { class: "stop bad", d: `M${mark - 5} ${at - 5}l10 10m0-10l-10 10` })
        : h("path", { class: "stop warn", d: `M${mark} ${at}m-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0m5-2.5v2.5l2 1.5` }),
    );
  }
  return flows;
}

function toolFlow(tool: LiveTool, columns: Columns, port: number, y: number, width: Width): Node[] {
  if (tool.admitted === 0) return [];
  return flow("ok", curve(columns.gate[1], port, columns.tools[0], y), width(tool.admitted, tool.ms));
}

/** A line, and what moves along it. */
function flow(tone: string, d: string, width: number): Node[] {
  return [
    h("path", { class: `flow ${tone}`, d, "stroke-width": width }),
    h("path", { class: "drift", d, "stroke-width": Math.max(1, Math.round(width * 2.2) / 10) }),
  ];
}

function curve(x0: number, y0: number, x1: number, y1: number): string {
  const middle = Math.round((x0 + x1) / 2);
  return `M${x0} ${y0}C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}`;
}

function agentNode(agent: LiveAgent, columns: Columns, y: number): Node {
  const { did, name } = agent;
  const who = name ?? (did === undefined ? "without proof" : fingerprintText(did));
  const score = agent.score === undefined ? undefined : scoreText(agent.score);
  const numbers = [
    h("tspan", {}, [score, `${agent.admitted} ok`].filter((part) => part !== undefined).join(" · ")),
    ...(agent.refused > 0 ? [h("tspan", { class: "bad" }, ` · ${agent.refused} refused`)] : []),
    ...(agent.asked > 0
      ? [h("tspan", { class: "warn" }, columns.kind === "wide" ? ` · ${agent.asked} waited` : ` · ${agent.asked} ◔`)]
      : []),
  ];
  const print = did !== undefined && name !== undefined ? fingerprintText(did) : undefined;
  const words: Child[] = [h("title", {}, did ?? "calls without a signature that held")];
  if (columns.words !== undefined) {
    const x = columns.words;
    words.push(
      h(
        "text",
        { class: "name end", x, y: y - 3 },
        cut(who, columns.letters - (print === undefined ? 0 : 15)),
        ...(print === undefined ? [] : [h("tspan", { class: "fp", dx: 7 }, print)]),
      ),
      h("text", { class: "numbers end", x, y: y + 15 }, numbers),
    );
  } else {
    words.push(
      h("text", { class: "name", x: 0, y: y - 21 }, cut(who, columns.letters)),
      h("text", { class: "numbers", x: 0, y: y + 28 }, numbers),
      ...(print === undefined ? [] : [h("text", { class: "fp", x: 0, y: y + 41 }, print)]),
    );
  }
  const half = columns.size / 2;
  const place = { x: columns.sigil - half, y: y - half, width: columns.size, height: columns.size };
  const face =
    did === undefined
      ? h("circle", { class: "nosigil", cx: columns.sigil, cy: y, r: half - 1 })
      : sigil(did, { class: "", ...place });
  const parts = [...words, face];
  return did === undefined
    ? h("a", { class: "who", href: paths.calls({ caller: "unsigned" }) }, parts)
    : h("a", { class: "who", href: paths.agent(did) }, parts);
}

function toolNode(tool: LiveTool, columns: Columns, y: number, { guard, window }: LiveData): Node {
  const [left, right] = columns.tools;
  const [inset, letters] = columns.kind === "wide" ? [16, 34] : [9, 16];
  const href = paths.calls({ target: tool.target, guard, window });
  const waits = tool.waiting > 0;
  const words = h("g", { class: "badge" }, [
    h("rect", { x: right - 74, y: y - 13, width: 62, height: 24, rx: 12 }),
    h("text", { x: right - 43, y: y + 4 }, `${tool.waiting} ${tool.waiting === 1 ? "waits" : "wait"}`),
  ]);
  return h(
    "a",
    { class: waits ? "tool waits" : "tool", href },
    h("title", {}, `${tool.method} ${tool.label}: ${tool.admitted} admitted, ${tool.refused} refused`),
    h("rect", { class: "box", x: left, y: y - 23, width: right - left, height: 46, rx: 9 }),
    h(
      "text",
      { class: "name", x: left + inset, y: y - 3 },
      cut(tool.label, letters - (waits && columns.kind === "wide" ? 8 : 0)),
    ),
    h(
      "text",
      { class: "rule", x: left + inset, y: y + 14 },
      waits && columns.kind === "narrow"
        ? `◔ ${tool.waiting} waiting`
        : cut(tool.rule, columns.kind === "wide" ? (waits ? 28 : 38) : 19),
    ),
    ...(waits && columns.kind === "wide" ? [words] : []),
  );
}

/** How brightly an agent's line is drawn under the lens of trust. */
function trustTone({ score }: LiveAgent): string {
  if (score === undefined || score === "unknown") return "t0";
  return score < 0.3 ? "t1" : score < 0.6 ? "t2" : "t3";
}

function cut(text: string, most: number): string {
  const letters = Array.from(text);
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join("")}…`;
}

/** A duration: `3 ms`, `1.2 s`. */
export function msText(ms: number): string {
  return ms < 1000 ? `${Math.round(ms * 10) / 10} ms` : `${Math.round(ms / 100) / 10} s`;
}
