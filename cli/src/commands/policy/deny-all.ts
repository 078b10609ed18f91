import { mkdir } from "node:fs/promises";
import { clearDenyAll, readDenyAll, setDenyAll } from "@peerage/mcp-middleware";
import type { Context } from "../../context.ts";
import { usage } from "../../errors.ts";
import { denyAllMarker, stateFolder } from "../../files/guard-files.ts";
import { tilde } from "../../files/paths.ts";
import type { Result } from "../../output.ts";
import { durationSeconds } from "../../policy/durations.ts";
import type { Args } from "../../tree.ts";
import { rfc3339 } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";

/** `peerage policy deny-all`: from the next message on no guard of this user admits anything, until `--off`. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const off = options["off"] === true;
  if (off && (options["for"] !== undefined || options["because"] !== undefined)) throw usage("--off stands alone");
  const seconds = options["for"] === undefined ? undefined : durationSeconds(options["for"], "--for");
  const because = typeof options["because"] === "string" ? options["because"] : undefined;
  if (because !== undefined && because.length > 400) throw usage("--because is at most 400 characters");
  const state = stateFolder(context, options);
  const path = denyAllMarker(state);
  const now = context.io.now();
  const before = readDenyAll(path, now);
  const dryRun = options["dryRun"] === true;
  const until = seconds === undefined ? undefined : new Date(now.getTime() + seconds * 1000);
  if (!dryRun) {
    await mkdir(state, { recursive: true, mode: 0o700 });
    if (off) clearDenyAll(path);
    else setDenyAll(path, { ...(until ? { until } : {}), ...(because === undefined ? {} : { because }) });
  }
  const { ui } = context;
  const untilText = until ? rfc3339(Math.floor(until.getTime() / 1000)) : undefined;
  const said = off
    ? before
      ? "the policy decides again"
      : "nothing was denied beyond the policy"
    : `everything, ${untilText === undefined ? "until peerage policy deny-all --off" : `until ${untilText}`}`;
  return {
    data: {
      denied: !off,
      ...(off || untilText === undefined ? {} : { until: untilText }),
      ...(off || because === undefined ? {} : { because }),
      before: before !== undefined,
      marker: path,
      dryRun,
    },
    text: ui.facts([
      {
        mark: dryRun ? "none" : off ? "ok" : "warn",
        label: off ? "lifted" : dryRun ? "would deny" : "denied",
        value: said,
      },
      ...(off || because === undefined ? [] : [{ label: "because", value: visible(because, 400) }]),
      { label: "marker", value: tilde(context.paths, path) },
    ]),
    plain: [[off ? "off" : "on", untilText ?? ""]],
  };
}
