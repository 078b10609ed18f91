import { createServer } from "node:net";

// Below every range from which systems give out ports by themselves (Linux, gVisor, macOS): nobody is given one of these.
const FIRST = 10_000;
const COUNT = 6_000;
/** Workers of one run have different process ids, so they hardly ever meet here, and what is taken is passed over. */
let next = process.pid * 101;

/**
 * A port of 127.0.0.1 on which nothing listens, and which stays so until whoever asked for it listens there: a port that
 * was given for port 0 and was closed again may be anybody's the next moment.
 */
export async function closedPort(): Promise<number> {
  for (let tried = 0; tried < COUNT; tried++) {
    const port = FIRST + (next++ % COUNT);
    if (await isFree(port)) return port;
  }
  throw new Error("no port is free");
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
  if (listening) await new Promise((resolve) => server.close(resolve));
  return listening;
}
