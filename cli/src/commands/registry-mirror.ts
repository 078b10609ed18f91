import { join, resolve } from "node:path";
import { formatVerifierKey, LogForkedError, originHash } from "@peerage/core";
import { openMirror, serveApp } from "@peerage/registry";
import { parseAddress } from "../address.ts";
import type { Context } from "../context.ts";
import { describeError, usage } from "../errors.ts";
import { isRegistryUrl } from "../files/config.ts";
import { tilde } from "../files/paths.ts";
import { exitAfter, stopSignal } from "../interrupt.ts";
import { everySeconds } from "../log/every.ts";
import { keepEvidence } from "../log/evidence.ts";
import { announce, loggerOf } from "../log/logging.ts";
import { quorumOf, readTlogPolicy } from "../log/tlog-policy.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { Progress } from "../ui/progress.ts";
import { count } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";

/** Default port of a mirror. */
const MIRROR_PORT = 7077;

/** `peerage registry mirror`: a verified copy of another registry's log, served and cosigned; with `--once` made and no more. */
export async function run(context: Context, { words: [word = ""], options }: Args): Promise<Result | number> {
  const url = word.replace(/\/+$/, "");
  if (!isRegistryUrl(url)) throw usage(`${visible(word, 200)} is no registry`, "https, or http on this machine");
  const once = options["once"] === true;
  const listen = parseAddress(text(options["listen"]), MIRROR_PORT, options["behindProxy"] === true);
  const dataDir = resolve(
    context.io.cwd,
    text(options["data"]) ?? join(context.paths.data, "mirrors", new URL(url).host.replace(/[^a-z0-9.-]/gi, "_")),
  );
  const quorum = quorumOf(await readTlogPolicy(options["witnessPolicy"]));
  const name = text(options["name"]);
  const progress = new Progress(context, "copying the log");
  const logger = loggerOf(context, options);
  const signal = once ? undefined : stopSignal();
  await using mirror = await openMirror({
    url,
    dataDir,
    followMs: once ? 0 : everySeconds(options["every"], 10) * 1_000,
    now: context.io.now,
    ...(name === undefined ? {} : { name }),
    ...(quorum ? { quorum } : {}),
    onProgress: (done, total) => progress.show(done, total),
    ...(logger ? { logger } : {}),
    onAlarm: (error, evidence) => {
      const { message } = describeError(error);
      if (logger) logger.warn({ code: error.code, reason: message }, "the registry is not followed");
      else context.warn(`the registry is not followed: ${message}`);
      if (!evidence) return;
      void keepEvidence(context, options, [evidence]).then((paths) =>
        paths.forEach((path) => context.warn(`evidence is kept in ${visible(path, 400)}`)),
      );
    },
  }).catch(async (error: unknown) => {
    if (error instanceof LogForkedError) await keepEvidence(context, options, [error.evidence]);
    throw error;
  });
  if (once) await mirror.refresh();
  progress.end();
  const { origin, key, path, checkpoint, rejected } = mirror;
  const facts = {
    registry: url,
    origin,
    size: checkpoint.size,
    rejected,
    key: formatVerifierKey(key),
    path,
    hash: originHash(origin),
    data: dataDir,
  };
  const { ui } = context;
  if (once || !signal) {
    return {
      data: facts,
      text: ui.facts([
        { mark: "ok", label: "mirror", value: visible(origin, 200) },
        {
          mark: rejected === 0 ? "ok" : "warn",
          label: "copied",
          value: `${count(checkpoint.size, "entry")}, all hashed to the signed root${rejected === 0 ? "" : `, ${rejected} that count for nothing`}`,
        },
        { label: "cosigns", value: facts.key },
        { label: "data", value: tilde(context.paths, dataDir) },
      ]),
      plain: [[origin, checkpoint.size, facts.key]],
    };
  }
  await using server = await serveApp(mirror.app, listen);
  announce(context, logger, "mirror", {
    address: server.url + path,
    of: `${url}, ${visible(origin, 200)}`,
    copied: count(checkpoint.size, "entry"),
    cosigns: facts.key,
    data: tilde(context.paths, dataDir),
  });
  return exitAfter(await signal);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
