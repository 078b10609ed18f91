/** The listener that ends the process at Ctrl-C; commands that stop in order take it away first. */
export function interrupted(): void {
  process.exit(130);
}

/** From now on this process stops in order: the promise settles with the first SIGINT, SIGTERM or SIGHUP. */
export function stopSignal(): Promise<NodeJS.Signals> {
  process.off("SIGINT", interrupted);
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, resolve);
  });
}

/** The exit code after a stop: 130 for Ctrl-C, 0 for an orderly end that was asked for. */
export function exitAfter(signal: NodeJS.Signals): number {
  return signal === "SIGINT" ? 130 : 0;
}
