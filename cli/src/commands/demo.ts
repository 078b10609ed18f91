import type { Context } from "../context.ts";
import { interrupted } from "../interrupt.ts";
import { jsonLine } from "../output.ts";
import type { Args } from "../tree.ts";
import { type Player, type World, createWorld, players, SERVER_PACKAGE } from "../demo/world.ts";
import { playStory, type Step } from "../demo/story.ts";
import { styledFingerprint } from "../ui/agent.ts";
import { span } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";

/** `peerage demo`: a whole network on this machine. `--json` prints one line a step; exit 0 only if all are as expected. */
export async function run(context: Context, _args: Args): Promise<number> {
  const started = performance.now();
  const print = (line: string): unknown => context.io.stdout.write(`${line}\n`);
  const json = context.globals.json === true;
  const { ui } = context;
  process.off("SIGINT", interrupted);
  const { promise: stopped, resolve: stop } = Promise.withResolvers<"stopped">();
  process.once("SIGINT", () => stop("stopped"));

  await using world = await createWorld(context.io.env);
  if (!json) introduce(context, world).forEach(print);
  const story = playStory(world);
  let fine = 0;
  let all = 0;
  for (;;) {
    const coming = story.next();
    const next = await Promise.race([coming, stopped]);
    if (next === "stopped") {
      // What is under way fails with its connection, and nobody waits for it any more.
      coming.catch(() => undefined);
      return 130;
    }
    if (next.done === true) break;
    const { step, expected, got } = next.value;
    all++;
    if (got === expected) fine++;
    print(json ? jsonLine({ step, expected, got }) : line(context, next.value));
  }
  const exit = fine === all ? 0 : 1;
  if (!json) {
    const text = `${fine} of ${all} as expected`;
    print("");
    print(
      `  ${exit === 0 ? ui.good(text) : ui.bad(text)}   ${ui.dim(`${span((performance.now() - started) / 1000)}, nothing left running, nothing kept`)}`,
    );
    print(`  ${ui.dim("next")}  peerage init build-bot`);
  }
  return exit;
}

const parts: Record<Player, string> = {
  owner: "the gate's owner, from whom its trust starts",
  gate: `guards ${SERVER_PACKAGE}`,
  scout: "an agent for which the owner vouches",
  stranger: "an agent that nobody knows",
};

function introduce({ ui }: Context, { registryUrl, who }: World): string[] {
  return [
    `  ${ui.bold("peerage demo")}   ${ui.dim("all on this machine")}`,
    "",
    `  ${ui.bold("registry")}  ${ui.link(registryUrl)}`,
    ...ui.table([
      ...players.map((player) => [ui.bold(player), styledFingerprint(ui, who[player].did), ui.dim(parts[player])]),
    ]),
    "",
  ];
}

function line({ ui }: Context, { step, expected, got, told }: Step): string {
  const fine = got === expected;
  const mark = fine ? ui.good(ui.mark.ok) : ui.bad(ui.mark.no);
  const first = `  ${mark}  ${ui.pad(ui.bold(step), 18)}  ${fine ? got : ui.bad(`${got}; expected ${expected}`)}`;
  return [first, ...ui.wrap(visible(told, 200), 25).map((text) => `${" ".repeat(25)}${ui.dim(text)}`)].join("\n");
}
