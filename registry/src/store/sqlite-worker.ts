import { parentPort, workerData } from "node:worker_threads";
import { unpackBatch } from "./sqlite-batch.ts";
import type { WriterRequest, WriterResponse } from "./sqlite-thread.ts";
import { SqliteWriter } from "./sqlite-writer.ts";

/** The thread that waits for the disk, so that the one that serves HTTP never does. */
const { path, epoch } = workerData as { path: string; epoch: number };
const port = parentPort;
if (!port) throw new TypeError("this file is the body of a worker thread");
const writer = new SqliteWriter(path, epoch);
const answer = (response: WriterResponse): void => port.postMessage(response);

port.on("message", (request: WriterRequest) => {
  try {
    if (request.kind === "close") {
      writer[Symbol.dispose]();
      port.close();
    } else {
      answer({ result: run(request) });
    }
  } catch (error) {
    answer({ error: error instanceof Error ? error.message : String(error) });
  }
});
answer({ result: "open" });

function run(request: Exclude<WriterRequest, { kind: "close" }>): unknown {
  switch (request.kind) {
    case "append": {
      const { entries, tiles } = unpackBatch(request.batch);
      return writer.append(entries, tiles, request.old, request.head);
    }
    case "publish":
      return writer.publish(request.checkpoint);
    case "durability":
      return writer.durability();
  }
}
