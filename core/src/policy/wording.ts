import { listOf, type Approval, type ArgumentTest, type Need, type OneOrMore, type Principal } from "./document.ts";

// What a condition wants, in words for people: explanations and the console show them.

const SHOWN = 4;

/** `a`, `a or b`, `a, b or c`, `a, b, c, d or 3 more`. */
export function either(words: readonly string[]): string {
  const shown = words.length > SHOWN + 1 ? [...words.slice(0, SHOWN), `${words.length - SHOWN} more`] : words;
  return shown.length < 2 ? (shown[0] ?? "nobody") : `${shown.slice(0, -1).join(", ")} or ${shown.at(-1) ?? ""}`;
}

/** Principals as they are written, which is what an operator knows them by. */
export function principalsText(principals: OneOrMore<Principal>): string {
  return either(
    listOf<Principal>(principals).map((word) =>
      word === "*" ? "any agent" : word === "$caller" ? "the caller" : word,
    ),
  );
}

/** A test of an argument: `amount > 0 and < 100`. */
export function testText(path: string, test: ArgumentTest): string {
  if (Array.isArray(test)) return `${path} one of ${JSON.stringify(test)}`;
  if (typeof test !== "object") return `${path} ${JSON.stringify(test)}`;
  const operators = Object.entries(test).map(([operator, bound]) =>
    operator === "absent" ? "absent" : `${operator} ${JSON.stringify(bound)}`,
  );
  return `${path} ${operators.join(" and ")}`;
}

/** A requirement: `fraud_check passed by @fraud within 1d`. */
export function needText(need: Need): string {
  const { binds, after, tool, sub } = need;
  return [
    times(need.count, "entry", "entries"),
    need.step,
    either(listOf(need.result ?? ["approved", "passed"])),
    `by ${principalsText(need.by)}`,
    need.within && `within ${need.within}`,
    binds === "request" && "of this request",
    binds === "tool" && "of this tool",
    tool !== undefined && `about ${either(listOf<string>(tool))}`,
    need.at === "start" && "at the start of the run",
    after !== undefined && `after ${listOf<string>(after).join(" and ")}`,
    sub &&
      `with ${Object.entries(sub)
        .map(([path, test]) => testText(path, test))
        .join(", ")}`,
    need.once && "not used before",
  ]
    .filter(Boolean)
    .join(" ");
}

/** An approval: `2 approvals by @staff within 30s after backup`. */
export function approvalText(approval: Approval): string {
  return [
    times(approval.count, "approval", "approvals") ?? "one approval",
    `by ${principalsText(approval.by)}`,
    `within ${approval.within ?? "30m"}`,
    approval.after !== undefined && `after ${listOf<string>(approval.after).join(" and ")}`,
  ]
    .filter(Boolean)
    .join(" ");
}

function times(count: number | undefined, one: string, more: string): string | undefined {
  if (count === undefined || count === 1) return undefined;
  return `${count} ${count === 1 ? one : more}`;
}
