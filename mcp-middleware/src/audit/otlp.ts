import type { JsonObject } from "@peerage/core";
import type { AuditReader } from "./reader.ts";
import type { AuditRecord, DecisionBody, OutcomeBody } from "./record.ts";

/**
 * A log as OpenTelemetry logs: lines of OTLP/JSON, each an `ExportLogsServiceRequest` with one record, as the file exporter
 * writes them and a collector's `otlpjsonfile` receiver reads them. Names follow the semantic conventions for MCP and
 * GenAI where they have one. Nothing in it is more than the log says: arguments and results stay digests.
 */
export function* otlpLines(
  reader: AuditReader,
  filter: (record: AuditRecord) => boolean = () => true,
): Generator<string> {
  const guard = reader.guard ?? "";
  const resource = { attributes: attributes({ "service.name": "peerage-guard", "peerage.guard.did": guard }) };
  const causes = new Map<string, string | undefined>();
  const causeOf = (policy: string): string | undefined => {
    if (!causes.has(policy)) causes.set(policy, reader.policy(policy as DecisionBody["policy"])?.metadata?.name);
    return causes.get(policy);
  };
  for (const record of reader.records()) {
    if (!filter(record)) continue;
    const logRecord = logRecordOf(record, guard, causeOf);
    yield JSON.stringify({
      resourceLogs: [{ resource, scopeLogs: [{ scope: { name: "peerage.audit" }, logRecords: [logRecord] }] }],
    });
  }
}

type Value = string | number | boolean | readonly string[] | undefined;

function logRecordOf(record: AuditRecord, guard: string, causeOf: (policy: string) => string | undefined): JsonObject {
  const nanos = `${Date.parse(record.at)}000000`;
  const { severity, name, body, facts, trace } = describe(record, guard, causeOf);
  return {
    timeUnixNano: nanos,
    observedTimeUnixNano: nanos,
    severityNumber: severity,
    severityText: severity >= 13 ? "WARN" : "INFO",
    eventName: `peerage.${name}`,
    body: { stringValue: body },
    attributes: attributes({
      "peerage.seq": record.seq,
      ...(record.prev ? { "peerage.prev": record.prev } : {}),
      ...facts,
    }),
    ...(trace === undefined ? {} : { traceId: trace }),
  };
}

interface Described {
  readonly severity: 9 | 13;
  readonly name: string;
  readonly body: string;
  readonly facts: Readonly<Record<string, Value>>;
  readonly trace?: string | undefined;
}

function describe(record: AuditRecord, guard: string, causeOf: (policy: string) => string | undefined): Described {
  switch (record.kind) {
    case "decision":
      return decision(record, guard, causeOf);
    case "outcome":
      return outcome(record);
    case "approval": {
      const { event, item, caller, req, entry, by } = record;
      const facts = { "peerage.item": item, "peerage.agent.did": caller, "peerage.req": req, "peerage.entry": entry };
      const severity = event === "denied" || event === "timeout" ? 13 : 9;
      return {
        severity,
        name: "approval",
        body: `approval ${event}`,
        facts: { ...facts, "peerage.action": event, "peerage.approver": by },
      };
    }
    case "start":
      return {
        severity: 9,
        name: "start",
        body: "a guard began to record",
        facts: { "peerage.policy": record.policy },
      };
    case "suppressed":
      return {
        severity: 13,
        name: "suppressed",
        body: "messages were refused and not recorded one by one",
        facts: { "peerage.messages": record.messages },
      };
  }
}

/** The seven fields of an audit record of draft-klrc-aiagent-auth are the seven groups here. */
function decision(record: DecisionBody, guard: string, causeOf: (policy: string) => string | undefined): Described {
  const { verdict, caller, method, target, input } = record;
  const spiffe = (caller as { readonly spiffe?: { readonly id?: string } } | undefined)?.spiffe?.id;
  return {
    severity: verdict === "refused" ? 13 : 9,
    name: "decision",
    body: `${verdict} ${method}${target === undefined ? "" : ` ${target}`}`,
    trace: record.trace,
    facts: {
      // 1 the agent
      "peerage.agent.did": caller?.did,
      "peerage.agent.kid": caller?.kid,
      "peerage.agent.spiffe_id": spiffe,
      "peerage.agent.unverified": caller?.unverified,
      // 2 on whose behalf
      "peerage.subject.did": record.subject ?? caller?.did,
      // 3 the resource
      "peerage.audience": guard,
      ...(method === "tools/call" ? { "gen_ai.tool.name": target } : { "peerage.target": target }),
      "peerage.req": record.req,
      // 4 the action and the decision
      "mcp.method.name": method,
      "peerage.verdict": verdict,
      "peerage.step": record.step,
      "peerage.rule": record.rule,
      "peerage.policy": record.policy,
      "peerage.evidence": record.evidence,
      "peerage.spent": record.spent,
      "peerage.item": record.item,
      // 5 when, and what it belongs to
      "peerage.decision": record.id,
      "peerage.call": record.call,
      "peerage.run": record.run,
      // 6 posture and risk
      "peerage.binding": caller?.binding,
      "peerage.score": caller?.score,
      "peerage.trust_age_seconds": input?.trustAgeSeconds,
      "peerage.view": record.view,
      // 7 why it was refused: a revoked key, a denial, a policy that denies everything and its reason
      "error.type": record.reason,
      "peerage.detail": record.detail,
      "peerage.cause": verdict === "refused" ? causeOf(record.policy) : undefined,
    },
  };
}

function outcome({ id, outcome: how, ms, sent, res }: OutcomeBody): Described {
  return {
    severity: how === "executed" ? 9 : 13,
    name: "outcome",
    body: how,
    facts: {
      "peerage.decision": id,
      "peerage.outcome": how,
      "peerage.ms": ms,
      "peerage.sent": sent,
      "peerage.res": res,
    },
  };
}

/** Attributes as OTLP/JSON has them; what is not known is left out. A 64-bit integer is a string there. */
function attributes(facts: Readonly<Record<string, Value>>): JsonObject[] {
  return Object.entries(facts).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: anyValue(value) }],
  );
}

function anyValue(value: Exclude<Value, undefined>): JsonObject {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number")
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  return { arrayValue: { values: value.map((one) => ({ stringValue: one })) } };
}
