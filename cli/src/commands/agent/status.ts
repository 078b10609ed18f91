import { isAbsolute, resolve } from "node:path";
import { parseDid } from "@peerage/core";
import { statusOf } from "../../agent/client.ts";
import { agentSocket, checkSocketPath } from "../../agent/socket.ts";
import type { Status } from "../../agent/wire.ts";
import type { Context, Options } from "../../context.ts";
import { tilde } from "../../files/paths.ts";
import type { Result } from "../../output.ts";
import type { Args } from "../../tree.ts";
import { styledDid } from "../../ui/agent.ts";
import { visible } from "../../ui/visible.ts";

/** `peerage agent status`: what a running agent says of itself. Exit 7 where none runs. */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const socket = await socketOf(context, options);
  return statusResult(context, socket, await statusOf(socket));
}

/** The socket that is meant: `--socket`, the setting, or where the agent listens by itself. */
export async function socketOf(context: Context, options: Options): Promise<string> {
  const given = options["socket"];
  if (typeof given === "string") return checkSocketPath(isAbsolute(given) ? given : resolve(context.io.cwd, given));
  return checkSocketPath((await context.settings()).value("agent") ?? agentSocket(context));
}

/** An agent's own words as an answer. */
export function statusResult(context: Context, socket: string, status: Status): Result {
  const { ui } = context;
  const did = parseDid(status.did);
  const { locked, sealed, kinds, audiences, signed, refused } = status;
  const state = locked ? "locked" : sealed ? "open" : "open; its key file is not sealed";
  return {
    data: { socket, did, kid: status.kid, locked, sealed, kinds, audiences, signed, refused },
    text: ui.facts([
      { mark: locked ? "warn" : "ok", label: locked ? "locked" : "ready", value: styledDid(ui, did) },
      { label: "socket", value: tilde(context.paths, socket) },
      { label: "key", value: state },
      { label: "signs", value: kinds.map((kind) => visible(kind, 40)).join(", ") },
      {
        label: "for",
        value: audiences ? audiences.map((audience) => visible(audience, 200)).join(", ") : "any audience",
      },
      { label: "so far", value: `${signed} signed, ${refused} refused` },
    ]),
    plain: [[did, socket, locked ? "locked" : "open", signed, refused]],
  };
}
