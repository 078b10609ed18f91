import {
  type CheckpointPolicy,
  checkStatementTime,
  type JsonValue,
  parseLogProof,
  type Statement,
  toHex,
  verifyCheckpoint,
  verifyForkEvidence,
  verifyLogProof,
  verifyStatement,
  type View,
} from "@peerage/core";
import type { Snapshot } from "../network.ts";
import { describeError } from "../errors.ts";
import { fingerprint } from "../ui/agent.ts";
import { rfc3339, span } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import { type Check, check, failed, notChecked, passed, type Verdict, verdictOf } from "./check.ts";

/** A log as a user trusts it: by flags, or as pinned at first contact. */
export interface LogKeys {
  readonly policies: readonly CheckpointPolicy[];
  /** The followed log, where a registry is configured and can be reached. */
  readonly snapshot: () => Promise<Snapshot | undefined>;
}

/** A statement: its one form, its signature, its time, and what became of it in the log. */
export async function verifyStatementText(bytes: Uint8Array, now: Date, logs: LogKeys, view?: View): Promise<Verdict> {
  let statement: Statement;
  try {
    statement = await verifyStatement(bytes, view ? { keysOf: (did) => view.keysOf(did) } : {});
  } catch (error) {
    const { code, message } = describeError(error);
    const name = code === "ERR_STATEMENT_INVALID" && message.includes("proof") ? "signature" : "statement";
    return verdict("statement", [failed(name, message, code)]);
  }
  const checks: Check[] = [
    passed("form", `a ${statement.kind} in its one form, ${bytes.length} bytes`),
    passed("signature", `${fingerprint(statement.issuer)} signed these bytes`),
    await check("time", timeText(statement), () => checkStatementTime(statement, now)),
    ...(await logChecks(statement, logs)),
  ];
  const { kind, id, issuer } = statement;
  const data = { kind, id, issuer, document: statement.document };
  return { ...verdict(kind, checks, ["time", "log", "status"], data), signer: issuer };
}

function timeText(statement: Statement): string {
  if (statement.kind === "Vouch") return `in force until ${rfc3339(statement.validUntil)}`;
  return `issued ${rfc3339(statement.issuedAt)}`;
}

async function logChecks(statement: Statement, logs: LogKeys): Promise<Check[]> {
  let snapshot: Snapshot | undefined;
  try {
    snapshot = await logs.snapshot();
  } catch (error) {
    return [notChecked("log", `could not be asked: ${describeError(error).message}`)];
  }
  if (!snapshot) return [notChecked("log", "no registry is named: not looked up (offline)")];
  const { view } = snapshot;
  const logged = view.statement(statement.id);
  if (!logged) return [failed("log", `not in the log of ${visible(view.origin, 120)}`, "ERR_NOT_FOUND")];
  const checks = [passed("log", `entry #${logged.index}, published ${rfc3339(logged.time)}`)];
  const vouch = view.vouch(statement.id);
  if (vouch) {
    const code =
      vouch.status === "revoked" ? "ERR_VOUCH_REVOKED" : vouch.status === "expired" ? "ERR_VOUCH_EXPIRED" : undefined;
    const text = vouch.revokedBy ? `withdrawn by entry #${vouch.revokedBy.index}` : vouch.status.replaceAll("-", " ");
    checks.push(
      vouch.status === "in-force"
        ? passed("status", `in force, checkpoint ${span(snapshot.age)} old`)
        : failed("status", text, code),
    );
  }
  return checks;
}

/** A checkpoint of a log: the log's signature, and who stamped the time. */
export async function verifyCheckpointText(note: string, now: Date, logs: LogKeys): Promise<Verdict> {
  const origin = note.split("\n")[0] ?? "";
  const policy = logs.policies.find((candidate) => candidate.origin === origin);
  if (!policy) return unknownLog("checkpoint", origin);
  let data: object | undefined;
  const one = await check("checkpoint", "", async () => {
    const { size, root, time, witnessed } = await verifyCheckpoint(note, policy, { now });
    data = { origin, size, root: toHex(root), ...(time === undefined ? {} : { time: rfc3339(time) }), witnessed };
  });
  const { size, time } = (data ?? {}) as { size?: number; time?: string };
  const checks = [one.state === "ok" ? { ...one, text: `${visible(origin, 120)} signed ${size ?? 0} entries` } : one];
  if (one.state === "ok") {
    checks.push(
      time === undefined ? notChecked("time", "no stamp of a known witness") : passed("time", `stamped ${time}`),
    );
    checks.push(notChecked("witnesses", "none configured: by the operator's word alone (unwitnessed)"));
  }
  return verdict("checkpoint", checks, [], data);
}

/** A log proof: that a statement is in the log, without asking anybody. */
export async function verifyLogProofText(
  proof: string,
  leaf: Uint8Array | undefined,
  now: Date,
  logs: LogKeys,
): Promise<Verdict> {
  let origin: string;
  try {
    origin = parseLogProof(proof).checkpoint.split("\n")[0] ?? "";
  } catch (error) {
    const { code, message } = describeError(error);
    return verdict("log proof", [failed("form", message, code)]);
  }
  const policy = logs.policies.find((candidate) => candidate.origin === origin);
  if (!policy) return unknownLog("log proof", origin);
  if (!leaf)
    return verdict(
      "log proof",
      [notChecked("statement", "no statement at hand: --statement <file>")],
      [],
      undefined,
      "Nothing was checked.",
    );
  let data: { index: number; size: number; time?: string } | undefined;
  const inclusion = await check("inclusion", "", async () => {
    const proven = await verifyLogProof(proof, leaf, policy, { now });
    data = {
      index: proven.index,
      size: proven.size,
      ...(proven.time === undefined ? {} : { time: rfc3339(proven.time) }),
    };
  });
  const statement = await check("statement", "its own signature holds", () => verifyStatement(leaf));
  const checks = [
    inclusion.state === "ok"
      ? { ...inclusion, text: `entry #${data?.index ?? 0} of ${data?.size ?? 0}, under a signed checkpoint` }
      : inclusion,
    ...(data?.time === undefined ? [] : [passed("time", `published by ${data.time}`)]),
    statement,
  ];
  return verdict("log proof", checks, [], data);
}

/** Evidence that a log signed two histories. Valid evidence means that the log is not. */
export async function verifyEvidence(value: JsonValue): Promise<Verdict> {
  let origin = "";
  const fork = await check("fork", "", async () => {
    ({ origin } = await verifyForkEvidence(value));
  });
  const checks = [
    fork.state === "ok"
      ? { ...fork, text: `the log ${visible(origin, 120)} signed two heads that contradict each other` }
      : fork,
    ...(fork.state === "ok"
      ? [notChecked("key", "it speaks for the key that it names: compare it with the one you pinned")]
      : []),
  ];
  return verdict("fork evidence", checks, [], { origin }, fork.state === "ok" ? "The fork is proven." : undefined);
}

function unknownLog(type: string, origin: string): Verdict {
  const text = `the log ${visible(origin, 120)} is not known here: --log-key <vkey> --origin <name>`;
  return {
    type,
    checks: [failed("log key", text, "ERR_CHECKPOINT_INVALID")],
    verdict: "invalid",
    summary: "Not authentic, as far as can be told.",
  };
}

function verdict(
  type: string,
  checks: Check[],
  circumstances: string[] = [],
  data?: object,
  summary?: string,
): Verdict {
  const word = verdictOf(checks, circumstances);
  const told = word === "valid" ? "Authentic." : word === "not-now" ? "Authentic, but not in force." : "Not authentic.";
  return { type, checks, verdict: word, summary: summary ?? told, ...(data ? { data } : {}) };
}
