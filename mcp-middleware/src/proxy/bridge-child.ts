import { readMessage } from "./answer.ts";
import type { HostSide } from "./bridge.ts";
import { endServer, type ExitStatus, forwardSignals, type ServerCommand, startServer } from "./child.ts";
import { LineSplitter } from "./framing.ts";
import { toLine, upstreamReply } from "./json-rpc.ts";
import { Introduction } from "./introduction.ts";
import { OrderedWriter } from "./ordered-writer.ts";

/** Bridges a host to a child over stdio; the child's lines reach the host byte for byte. */
export async function bridgeToChild(
  host: HostSide,
  options: ServerCommand & { readonly signals?: boolean; readonly graceMs?: number },
): Promise<ExitStatus> {
  const server = startServer(options);
  using _signals = options.signals === false ? undefined : forwardSignals(server);
  const toServer = new OrderedWriter(server.stdin, (full) => host.pause(full));
  host.onPressure((full) => (full ? server.stdout.pause() : server.stdout.resume()));
  const introduction = new Introduction(host.signer, (message) => toServer.write(toLine(message)));
  host.onUnknownServer((message) => introduction.ask(message));
  void server.exited.then(() => introduction.giveUp());
  const fromServer = new LineSplitter({
    onLine: (line) => {
      const message = readMessage(line)?.message;
      if (message === undefined || !introduction.answered(message)) host.forward(line, message);
    },
    onTooLarge: () => host.log("a line of the server is too long and was dropped"),
  });
  server.stdout.on("data", (chunk: Buffer) => fromServer.push(chunk));
  host.start((signed) => toServer.write(toLine(signed)));
  let status = await Promise.race([server.exited, host.left]);
  if (status === undefined) {
    await host.signed();
    status = await endServer(server, {
      busy: () => host.busy,
      ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
    });
  }
  // What was read before is owed an answer, also where it was still being signed.
  host.pause(true);
  await host.signed();
  await host.close((id) => upstreamReply(id, "the server has ended."));
  return status;
}
