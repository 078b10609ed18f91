import { readFile } from "node:fs/promises";
import { ApprovalWebhook, parseWebhookSecret, type WebhookEndpoint } from "@peerage/mcp-middleware";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";
import { visible } from "../ui/visible.ts";

/** The webhook of `--webhook`, which is told of requests that wait for a person. */
export async function openWebhook(
  context: Context,
  options: Options,
  itemUrl: ((id: string) => string | undefined) | undefined,
  alarm: (text: string) => void,
): Promise<ApprovalWebhook | undefined> {
  const endpoint = await webhookEndpoint(context, options);
  return endpoint && new ApprovalWebhook({ ...endpoint, itemUrl, onProblem: ({ message }) => alarm(message) });
}

/**
 * Where `--webhook` posts. The key comes from a file or the environment, never from the command line, which other users of
 * the machine can read.
 * @throws {CliError} ERR_USAGE without a key. @throws {PeerageError} ERR_CONFIG_INVALID for one that is too short
 */
export async function webhookEndpoint(context: Context, options: Options): Promise<WebhookEndpoint | undefined> {
  const { webhook: url, webhookSecret: path } = options;
  if (typeof url !== "string") {
    if (path !== undefined) throw usage("--webhook-secret needs --webhook", "--webhook <url>");
    return undefined;
  }
  const text = typeof path === "string" ? await secretIn(path) : context.io.env["PEERAGE_WEBHOOK_SECRET"];
  if (text === undefined || text === "")
    throw usage("a webhook needs a key to sign with", "--webhook-secret <file>, or PEERAGE_WEBHOOK_SECRET");
  return { url, secret: parseWebhookSecret(text), now: context.io.now };
}

async function secretIn(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new CliError("ERR_CONFIG_INVALID", `${visible(path, 200)} cannot be read (${codeOf(error) ?? "unknown"})`);
  }
}
