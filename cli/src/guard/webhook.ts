import { readFile } from "node:fs/promises";
import { ApprovalWebhook, parseWebhookSecret } from "@peerage/mcp-middleware";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";
import { visible } from "../ui/visible.ts";

/**
 * The webhook of `--webhook`, which is told of requests that wait for a person. Its key comes from a file or the
 * environment, never from the command line, which other users of the machine can read.
 */
export async function openWebhook(
  context: Context,
  options: Options,
  itemUrl: ((id: string) => string | undefined) | undefined,
  alarm: (text: string) => void,
): Promise<ApprovalWebhook | undefined> {
  const { webhook: url, webhookSecret: path } = options;
  if (typeof url !== "string") {
    if (path !== undefined) throw usage("--webhook-secret needs --webhook", "--webhook <url>");
    return undefined;
  }
  const text = typeof path === "string" ? await secretIn(path) : context.io.env["PEERAGE_WEBHOOK_SECRET"];
  if (text === undefined || text === "")
    throw usage("a webhook needs a key to sign with", "--webhook-secret <file>, or PEERAGE_WEBHOOK_SECRET");
  return new ApprovalWebhook({
    url,
    secret: parseWebhookSecret(text),
    itemUrl,
    now: context.io.now,
    onProblem: ({ message }) => alarm(message),
  });
}

async function secretIn(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new CliError("ERR_CONFIG_INVALID", `${visible(path, 200)} cannot be read (${codeOf(error) ?? "unknown"})`);
  }
}
