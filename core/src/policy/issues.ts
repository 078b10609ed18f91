import type { z } from "zod";
import type { PolicyProblem } from "./problem.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly (string | number)[];

/** What the schema found, in words that say what to write instead. `read` gives the value that stands at a path. */
export function problemsOf(issues: readonly Issue[], read: (path: Path) => unknown): PolicyProblem[] {
  return issues.flatMap((issue) => fromIssue(issue, [], read));
}

function fromIssue(issue: Issue, above: Path, read: (path: Path) => unknown): PolicyProblem[] {
  const path = [...above, ...(issue.path as Path)];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key) }));
    case "invalid_union": {
      // The alternative that was meant is the one that fails further in; if there is none, the union says what it takes.
      const meant = issue.errors.find((errors) => errors.every((one) => !isWrongType(one)));
      if (meant) return meant.flatMap((one) => fromIssue(one, path, read));
      return [{ path, message: withFound(missing(issue, path, read) ?? issue.message, read(path)) }];
    }
    case "invalid_key":
      return [{ path, message: issue.issues[0]?.message ?? issue.message }];
    default:
      return [{ path, message: withFound(missing(issue, path, read) ?? messageOf(issue), read(path)) }];
  }
}

/** True if an alternative of a union was not even of the right type, so it is not the one that was meant. */
function isWrongType(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  return issue.code === "invalid_type" || issue.code === "invalid_value" || issue.code === "invalid_union";
}

function missing(issue: Issue, path: Path, read: (path: Path) => unknown): string | undefined {
  if (read(path) !== undefined) return undefined;
  const key = path.at(-1);
  if (key === "allow") return "`allow` is missing; `allow: []` denies everything";
  if (key === "by") return '`by` is missing; say whose entry counts, `by: "*"` for anyone\'s';
  return `\`${String(key)}\` is missing; ${messageOf(issue)}`;
}

function unknownKey(key: string): string {
  return `\`${key}\` is not a key here; check its spelling and indentation`;
}

/** What is wanted where a value has the wrong type altogether. */
const wanted: Readonly<Record<string, string>> = {
  array: "a list is wanted here",
  object: "keys and values are wanted here",
  record: "keys and values are wanted here",
  string: "text is wanted here",
  number: "a number is wanted here",
  int: "a whole number is wanted here",
  boolean: "true or false is wanted here",
};

function messageOf(issue: Issue): string {
  // A message of the grammar's own is better than the type; the schema library's are recognised by their beginning.
  if (issue.code !== "invalid_type" || !issue.message.startsWith("Invalid input")) return issue.message;
  return wanted[issue.expected] ?? issue.message;
}

function withFound(message: string, found: unknown): string {
  return found === null ? `${message}; found nothing` : message;
}
