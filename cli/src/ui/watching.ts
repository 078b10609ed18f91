import type { Context } from "../context.ts";
import { exitAfter, stopSignal } from "../interrupt.ts";
import { type LiveRow, LiveScreen } from "./live-screen.ts";

/** A command that goes on until somebody stops it, and where it writes its rows. */
export interface Watching extends Disposable {
  /** Aborted once it is to end. */
  readonly signal: AbortSignal;
  /** The exit code, once it is to end. */
  readonly exit: Promise<number>;
  /** Writes a row: onto the live screen, or as lines where there is none. */
  add(row: LiveRow): void;
}

/**
 * Begins to watch until `q`, Ctrl-C or a signal. People at a terminal get a {@link LiveScreen}; pipes, `--json`,
 * `--plain` and `--no-input` get lines.
 */
export function watching(context: Context, status: () => string): Watching {
  const { stdout } = context.io;
  const screen = isWatched(context, stdout) ? openScreen(context, stdout, status) : undefined;
  const stop = new AbortController();
  const exit = Promise.race([
    stopSignal().then(exitAfter),
    ...(screen ? [screen.left.then((how) => (how === "quit" ? 0 : 130))] : []),
  ]).finally(() => {
    screen?.[Symbol.dispose]();
    stop.abort();
  });
  return {
    signal: stop.signal,
    exit,
    add: (row) => {
      if (screen) screen.add(row);
      else for (const line of row(context.ui)) stdout.write(`${line}\n`);
    },
    [Symbol.dispose]: () => screen?.[Symbol.dispose](),
  };
}

/** True where a person sits at both ends, and wants no lines for a program. */
export function isWatched({ io, globals }: Context, output: NodeJS.WritableStream): output is NodeJS.WriteStream {
  const isTerminal = (stream: object): boolean => (stream as Partial<NodeJS.WriteStream>).isTTY === true;
  if (globals.json === true || globals.plain === true || globals.input === false) return false;
  return isTerminal(io.stdin) && isTerminal(output) && io.env["TERM"] !== "dumb";
}

/** A live screen on a stream that {@link isWatched}. */
export function openScreen(
  { io }: Context,
  output: NodeJS.WriteStream,
  status: () => string,
  heading: readonly string[] = [],
): LiveScreen {
  return new LiveScreen({ input: io.stdin as NodeJS.ReadStream, output, env: io.env, status, heading });
}
