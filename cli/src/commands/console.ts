import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pairingWords } from "@peerage/observatory";
import { parseAddress } from "../address.ts";
import { CODE_MS, FileAccess } from "../console/access.ts";
import { consoleAddress } from "../console/address.ts";
import { FilePairing, PAIRING_MS } from "../console/pairing.ts";
import { CONSOLE_PORT, serveConsole } from "../console/serve.ts";
import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { stateFolder } from "../files/guard-files.ts";
import { exitAfter, stopSignal } from "../interrupt.ts";
import type { Result } from "../output.ts";
import { policyPath } from "../policy/source.ts";
import type { Args } from "../tree.ts";
import { styledDid } from "../ui/agent.ts";
import { add } from "./approvals/approvers.ts";

/** `peerage console`: the operator's console over every guard that records on this machine, on loopback. */
export async function run(context: Context, { options }: Args): Promise<number> {
  const listen = parseAddress(text(options["listen"]), CONSOLE_PORT, options["behindProxy"] === true);
  const publicUrl = text(options["publicUrl"]);
  if (options["behindProxy"] === true && publicUrl?.startsWith("https://") !== true)
    throw usage("behind a proxy the console answers to one https address", "--public-url https://console.example");
  const audit = text(options["audit"]);
  const stopped = stopSignal();
  await using served = await serveConsole(context, {
    listen,
    state: stateFolder(context, options),
    audit: audit === undefined ? undefined : resolve(context.io.cwd, audit),
    publicUrl,
  });
  const { err } = context;
  context.say(`  ${err.good(err.mark.on)} console    ${err.link(served.url)}`);
  context.say(`    open       ${err.link(`${served.url}/#code=${await served.access.makeCode()}`)}`);
  context.say(
    `    ${err.dim("the code lets one browser in, once, within 10 minutes; peerage console open makes another")}`,
  );
  context.say(`    ${err.dim("Ctrl-C stops it")}`);
  return exitAfter(await stopped);
}

/** `peerage console open`: an address with a one-time code that lets a browser in. */
export async function open(context: Context, { options }: Args): Promise<Result> {
  const state = stateFolder(context, options);
  const running = consoleAddress(state);
  if (running === undefined)
    throw new CliError("ERR_NOT_FOUND", "no console runs on this machine", { hint: "peerage console" });
  const code = await new FileAccess(state, context.io.now).makeCode();
  const url = `${running}/#code=${code}`;
  const expires = new Date(context.io.now().getTime() + CODE_MS).toISOString();
  const { ui } = context;
  return {
    data: { url, console: running, code, expires },
    text: ui.facts([
      { mark: "ok", label: "open", value: ui.link(url) },
      { label: "code", value: code },
      { label: "until", value: `${expires}, once` },
    ]),
    plain: [[url]],
  };
}

/** `peerage console pair`: makes a browser's key an approver, after a look at the same six words here and there. */
export async function pair(context: Context, { options }: Args): Promise<Result> {
  const state = stateFolder(context, options);
  await policyPath(context, options["policy"]);
  const running = consoleAddress(state);
  if (running === undefined)
    throw new CliError("ERR_NOT_FOUND", "no console runs on this machine", { hint: "peerage console" });
  if (!context.canAsk) throw usage("a person must compare six words", "peerage approvers add <the browser's DID>");
  const pairing = new FilePairing(state);
  const code = await pairing.open();
  const { err } = context;
  context.say(`  code  ${err.bold(code)}`);
  context.say(`  ${err.dim(`enter it at ${running}/approver, in the browser whose key shall approve`)}`);
  const until = Date.now() + PAIRING_MS;
  let did = await pairing.offered(code);
  while (did === undefined && Date.now() < until) {
    await sleep(250);
    did = await pairing.offered(code);
  }
  if (did === undefined) {
    await pairing.close(code, "refused");
    throw new CliError("ERR_NOT_FOUND", "no browser handed a key in", { hint: "peerage console pair" });
  }
  context.say(`  key   ${styledDid(err, did)}`);
  context.say(`  words ${err.bold(pairingWords(code, did).join(" "))}`);
  let said: "added" | "refused" = "refused";
  try {
    if (!(await context.confirm("does the browser show the same six words?")))
      throw usage("nothing was changed: the words are not the same");
    const result = await add(context, { words: [did], rest: [], options });
    if ((result.exit ?? 0) === 0) said = "added";
    return result;
  } finally {
    await pairing.close(code, said);
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
