import { parentPort } from "node:worker_threads";
import { arrange, type Shape } from "./arrange.ts";

/** Lays out one shape after another, so that the thread that answers requests never waits for it. */
parentPort?.on("message", ({ id, shape }: { id: number; shape: Shape }) => {
  const arranged = arrange(shape);
  parentPort?.postMessage(
    { id, arranged },
    [arranged.x, arranged.y, arranged.community].map(({ buffer }) => buffer as ArrayBuffer),
  );
});
