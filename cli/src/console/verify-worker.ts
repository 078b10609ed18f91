import { parentPort, workerData } from "node:worker_threads";
import { verifyAudit } from "@peerage/mcp-middleware";

/** Verifies one audit log, so that the thread that serves pages, or decides calls, never waits for it. */
const report = await verifyAudit(String(workerData));
parentPort?.postMessage(report);
