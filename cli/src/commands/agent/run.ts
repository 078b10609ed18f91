import { canonicalAudience } from "@peerage/core";
import { type AgentEvent, SigningAgent } from "../../agent/agent.ts";
import { type Asked, type Kind, kinds } from "../../agent/kinds.ts";
import { ordinary, type Rules } from "../../agent/rules.ts";
import { checkedDid } from "../../agents.ts";
import type { Context, Options } from "../../context.ts";
import { Interrupted, usage } from "../../errors.ts";
import { openIdentity } from "../../files/identities.ts";
import { exitAfter, stopSignal } from "../../interrupt.ts";
import { envelope } from "../../output.ts";
import { durationSeconds } from "../../policy/durations.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";
import type { Fact } from "../../ui/terminal.ts";
import { visible } from "../../ui/visible.ts";
import { socketOf } from "./status.ts";

/** How long an agent with a sealed key keeps it open when nobody needs it. */
const IDLE_SECONDS = 900;

/** `peerage agent`: opens the key, and signs with it over a Unix socket until it is stopped. */
export async function run(context: Context, { options }: Args): Promise<number> {
  const file = await context.identityFile();
  const rules: Rules = { kinds: kindsOf(options), audiences: await audiencesOf(context, options) };
  const idle = options["idle"];
  const idleSeconds = idle === undefined ? (file.locked ? IDLE_SECONDS : undefined) : durationSeconds(idle, "--idle");
  const socket = await socketOf(context, options);
  const confirm = options["confirm"] === true;
  if (confirm && (!context.canAsk || context.globals.yes === true))
    throw usage("--confirm needs a person at a terminal", "leave it out, and name --allow and --audience");

  const passphraseFile = options["passphraseFile"];
  const key = await openIdentity(file, () =>
    context.passphrase(file.name, typeof passphraseFile === "string" ? passphraseFile : undefined),
  );
  const stopped = stopSignal();
  await using agent = await SigningAgent.start(
    {
      file,
      socket,
      rules,
      idleSeconds,
      confirm: confirm ? confirmed : undefined,
      onEvent: (event) => tell(context, event),
    },
    key,
  );
  const data = {
    name: file.name,
    did: agent.did,
    socket,
    sealed: file.locked,
    kinds: [...rules.kinds],
    audiences: rules.audiences ? [...rules.audiences] : null,
    idle: idleSeconds ?? null,
    confirm,
  };
  const { ui } = context;
  const facts: Fact[] = [
    { mark: "ok", label: "signing", value: styledDid(ui, agent.did) },
    { label: "signs", value: `${data.kinds.join(", ")}${confirm ? ", each with a yes" : ""}` },
    { label: "for", value: data.audiences?.map((audience) => visible(audience, 200)).join(", ") ?? "any audience" },
    { label: "locks", value: idleSeconds === undefined ? "never" : `after ${idleSeconds} s without a signature` },
    { label: "use it", value: `PEERAGE_AGENT_SOCK=${socket}` },
    ...(file.locked
      ? []
      : [
          {
            mark: "warn" as const,
            label: "not sealed",
            value: "this user's programs can read the key: peerage key lock",
          },
        ]),
  ];
  const lines = context.globals.json === true ? [envelope("agent run", { data, text: [] })] : ui.facts(facts);
  for (const line of lines) context.io.stdout.write(`${line}\n`);
  return exitAfter(await stopped);
}

function kindsOf(options: Options): ReadonlySet<Kind> {
  const given = options["allow"] as string[] | undefined;
  if (given === undefined) return new Set(ordinary);
  return new Set(
    given.map((word) => {
      const kind = kinds.find((known) => known === word);
      if (kind === undefined) throw usage(`${visible(word)} is nothing that an agent signs`);
      return kind;
    }),
  );
}

async function audiencesOf(context: Context, options: Options): Promise<ReadonlySet<string> | undefined> {
  const given = options["audience"] as string[] | undefined;
  if (given === undefined) return undefined;
  const names = await context.names();
  return new Set(
    given.map((word): string => {
      if (URL.canParse(word) && /^https?:/.test(word)) return canonicalAudience(word);
      return names.get(word) ?? checkedDid(word);
    }),
  );
}

/** Ctrl-C at a question stops the agent, and signs nothing. */
async function confirmed(asked: Asked): Promise<boolean> {
  const { askYes } = await import("../../ui/ask.ts");
  try {
    return await askYes(`Sign ${described(asked)}?`);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    process.kill(process.pid, "SIGINT");
    return false;
  }
}

function tell(context: Context, event: AgentEvent): void {
  if (event.event === "refused") {
    const what = event.asked ? described(event.asked) : "unknown bytes";
    context.warn(`refused ${what}: ${event.why}`);
  } else if (event.event === "signed") {
    if (context.globals.verbose === true) context.say(`  signed ${described(event.asked)}`);
  } else context.say(`  ${event.event}`);
}

function described({ kind, audience, about }: Asked): string {
  return `${kind} (${visible(about, 120)})${audience === undefined ? "" : ` for ${visible(audience, 200)}`}`;
}
