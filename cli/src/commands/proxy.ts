import { exitCodeOf, runBridge } from "@peerage/mcp-middleware";
import type { Context } from "../context.ts";
import { usage } from "../errors.ts";
import { interrupted } from "../interrupt.ts";
import { headersOf, serverUrl, signerFor } from "../mcp-signer.ts";
import type { Args } from "../tree.ts";
import { fingerprint } from "../ui/agent.ts";
import { visible } from "../ui/visible.ts";

/** `peerage proxy`: signs everything that this MCP client sends. stdout carries MCP frames and nothing else. */
export async function run(context: Context, { words: [url], rest, options }: Args): Promise<number> {
  const [command, ...args] = rest;
  if ((url === undefined) === (command === undefined)) {
    throw usage("a server is missing: its URL, or its command after --", "peerage proxy -- npx some-mcp-server");
  }
  const { err, io } = context;
  const alarm = (text: string): void => void io.stderr.write(`  ${err.warn(err.mark.warn)}  ${visible(text, 400)}\n`);
  const headers = headersOf(options);
  const endpoint = command === undefined ? { url: serverUrl(url ?? "") } : { command, args };
  await using made = await signerFor(context, endpoint, options, alarm, { unattended: true });
  const { signer, identity, agent } = made;
  process.off("SIGINT", interrupted);
  const where = "url" in endpoint ? endpoint.url.host : endpoint.command;
  context.say(`  ${err.good(err.mark.on)} signing for ${visible(where)} as ${fingerprint(identity.did)}`);
  const status = await runBridge({
    ...("url" in endpoint ? { url: endpoint.url, headers, agent } : { ...endpoint, env: io.env, cwd: io.cwd }),
    signer,
    log: alarm,
  });
  return exitCodeOf(status);
}
