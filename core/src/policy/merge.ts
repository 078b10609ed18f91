import type { JsonValue } from "../json/types.ts";
import type { AllowRule, DenyRule, PolicyDocument } from "./document.ts";
import { policySchema } from "./grammar.ts";
import { problemsOf } from "./issues.ts";
import { policyInvalid, type PolicyProblem } from "./problem.ts";
import { readYaml, type Path, type YamlSource } from "./read-yaml.ts";

/** One file of a policy directory. */
export interface PolicyFile {
  /** Its name in the directory: `payments.yaml`. */
  readonly name: string;
  readonly text: string;
}

/** A document that passed the schema, and where each part of it stands. */
export interface PolicySource {
  readonly written: PolicyDocument;
  /** Adds file and line to a problem. */
  readonly located: (problem: PolicyProblem) => PolicyProblem;
}

interface Part {
  /** Undefined for a policy that is one text. */
  readonly file: string | undefined;
  readonly source: YamlSource;
  readonly document: PolicyDocument;
}

/**
 * Reads one text, or the files of a directory merged in the order of their names, tests aside. One bad file spoils all.
 * @throws {PeerageError} ERR_POLICY_INVALID
 */
export function readPolicy(policy: string | readonly PolicyFile[]): PolicySource {
  if (typeof policy === "string") {
    const part = readPart(undefined, policy);
    return { written: part.document, located: (problem) => locate(problem, part, problem.path) };
  }
  const files = policy.filter(({ name }) => !/\.test\.ya?ml$/.test(name));
  if (files.length === 0) throw policyInvalid([{ message: "no policy file; `allow: []` denies everything" }]);
  const sorted = files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return merge(sorted.map(({ name, text }) => readPart(name, text)));
}

/** At most one of the files says each of these. */
const saidOnce = ["metadata", "open", "defaults", "also"] as const;

function readPart(file: string | undefined, text: string): Part {
  const source = readYaml(text, file);
  const result = policySchema.safeParse(source.value);
  // The value as read, not the schema's copy: the digest is over every member that was written.
  const part = { file, source, document: source.value as unknown as PolicyDocument };
  if (result.success) return part;
  const problems = problemsOf(result.error.issues, (path) => valueAt(source.value, path));
  throw policyInvalid(problems.map((problem) => locate(problem, part, problem.path)));
}

function merge(parts: readonly Part[]): PolicySource {
  const problems: PolicyProblem[] = [];
  const origins = new Map<string, Part>();
  const once = (key: string, part: Part, path: Path): void => {
    const other = origins.get(key);
    if (other === undefined) origins.set(key, part);
    else problems.push(locate({ message: `${key} stands in ${other.file ?? ""} too; write it once` }, part, path));
  };
  for (const part of parts) {
    for (const key of saidOnce) if (part.document[key] !== undefined) once(key, part, [key]);
    for (const group of Object.keys(part.document.groups ?? {})) once(`the group ${group}`, part, ["groups", group]);
  }
  if (problems.length > 0) throw policyInvalid(problems);
  const deny = collect(parts, ({ document }) => document.deny ?? []);
  const allow = collect(parts, ({ document }) => document.allow);
  const groups = Object.fromEntries(parts.flatMap(({ document }) => Object.entries(document.groups ?? {})));
  const readonly = parts.flatMap(({ document }) => document.readonly ?? []);
  const said = saidOnce.map((key) => [key, origins.get(key)?.document[key]] as const);
  const written = {
    apiVersion: "peerage.dev/v1",
    kind: "Policy",
    ...Object.fromEntries(said.filter(([, value]) => value !== undefined)),
    ...(Object.keys(groups).length > 0 && { groups }),
    ...(readonly.length > 0 && { readonly }),
    ...(deny.rules.length > 0 && { deny: deny.rules }),
    allow: allow.rules,
  } as PolicyDocument;
  return {
    written,
    located: (problem) => {
      const [key, place] = problem.path ?? [];
      const rule =
        typeof place === "number" ? (key === "deny" ? deny : key === "allow" ? allow : undefined) : undefined;
      const origin = rule?.origins[place as number];
      if (origin) return locate(problem, origin.part, [key as string, origin.index, ...(problem.path ?? []).slice(2)]);
      const part = origins.get(key === "groups" ? `the group ${String(place)}` : String(key));
      return part ? locate(problem, part, problem.path) : problem;
    },
  };
}

function collect<T extends DenyRule | AllowRule>(
  parts: readonly Part[],
  rulesOf: (part: Part) => readonly T[],
): { rules: T[]; origins: { part: Part; index: number }[] } {
  const placed = parts.flatMap((part) => rulesOf(part).map((rule, index) => ({ rule, part, index })));
  return { rules: placed.map(({ rule }) => rule), origins: placed };
}

function locate(problem: PolicyProblem, { file, source }: Part, path: Path | undefined): PolicyProblem {
  const line = problem.line ?? source.lineOf(path ?? []);
  return { ...problem, ...(file !== undefined && { file }), line, ...(path && { path }) };
}

function valueAt(value: JsonValue, path: Path): unknown {
  let at: unknown = value;
  for (const part of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string | number, unknown>)[part];
  }
  return at;
}
