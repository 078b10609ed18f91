import type { Did, Place } from "@peerage/core";
import { CliError } from "../errors.ts";
import { rfc3339 } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import { type Check, failed, notChecked, passed, type Verdict, verdictOf } from "../verify/check.ts";
import { type FoundProof, type PlaceCheck, standingAt } from "./check.ts";

/**
 * A place as `peerage verify` tells of it: whose it is now, by its own word and theirs. Of one agent, if one is wanted.
 * @throws {CliError} ERR_UPSTREAM_UNAVAILABLE while nobody can tell, ERR_NOT_FOUND where nothing was ever proven
 */
export function placeVerdict(check: PlaceCheck, wanted: Did | undefined): Verdict {
  const { place, before, checkedAt } = check;
  const gone = before.filter(({ agent }) => wanted === undefined || agent === wanted);
  if (check.answer === "unreachable") throw unreachable(check, gone.at(-1)?.at);
  if (check.answer === "absent" && gone.length === 0) {
    throw new CliError("ERR_NOT_FOUND", `${place.url} proves nobody: ${check.why ?? "nothing is published"}`, {
      hint: `publish ${place.file}: peerage prove ${place.kind} ${bareName(place)}`,
    });
  }
  const shown = check.proofs.filter((found) => wanted === undefined || agentOf(found) === wanted);
  const holding = shown.filter((found) => found.holds);
  const checks: Check[] = [
    passed("place", `${place.url}, a ${place.kind}`),
    check.answer === "found"
      ? passed("published", place.file)
      : failed("published", check.why ?? "nothing", "ERR_NOT_FOUND"),
    ...shown.flatMap(checksOf),
    // With somebody there now, those who are gone are news and no fault.
    ...gone.map(({ agent, at }) =>
      holding.length > 0
        ? notChecked("gone", `${agent}, proven here until ${at}, is so no longer`)
        : failed("gone", `${agent} was proven here at ${at}, and is so no longer`, "ERR_NOT_FOUND"),
    ),
  ];
  if (holding.length === 0 && gone.length === 0) {
    checks.push(
      failed("agent", wanted === undefined ? "no proof here holds" : `${wanted} is not proven here`, "ERR_NOT_FOUND"),
    );
  }
  const verdict = verdictOf(checks, gone.length > 0 ? ["gone", "published"] : []);
  return {
    type: "place",
    checks,
    verdict,
    summary: summaryOf(verdict, checkedAt),
    data: {
      place: place.url,
      kind: place.kind,
      file: place.file,
      checkedAt,
      agents: [...new Set([...shown.flatMap((found) => agentOf(found) ?? []), ...gone.map(({ agent }) => agent)])].map(
        (agent) => ({
          did: agent,
          status: standingAt(check, agent),
          ...sinceOf(shown, agent),
        }),
      ),
    },
  };
}

/** A place as it is typed: without its scheme. */
export function bareName({ url }: Place): string {
  return url.replace(/^https:\/\//, "");
}

function checksOf(found: FoundProof): Check[] {
  if (!found.holds)
    return [
      failed("proof", `${found.agent === undefined ? "" : `${found.agent}: `}${visible(found.why, 300)}`, found.code),
    ];
  const { issuer, issued } = found.proof;
  return [
    passed("agent", issuer),
    passed("proof", `both name each other; signed ${rfc3339(issued)}, by its own word`),
    found.key,
  ];
}

function summaryOf(verdict: Verdict["verdict"], at: string): string {
  if (verdict === "valid") return `Proven, as of ${at}.`;
  return verdict === "not-now" ? `No longer proven, as of ${at}.` : `Not proven, as of ${at}.`;
}

function sinceOf(found: readonly FoundProof[], agent: Did): { readonly issued?: string } {
  const own = found.find((one) => one.holds && one.proof.issuer === agent);
  return own?.holds === true ? { issued: rfc3339(own.proof.issued) } : {};
}

function agentOf(found: FoundProof): Did | undefined {
  return found.holds ? found.proof.issuer : found.agent;
}

function unreachable({ place, why }: PlaceCheck, last: string | undefined): CliError {
  const seen = last === undefined ? "" : ` (it was proven at ${last})`;
  return new CliError(
    "ERR_UPSTREAM_UNAVAILABLE",
    `${place.url} cannot be asked, so nothing is proven now${seen}: ${why ?? "no answer"}`,
    { hint: `try again later; what is asked for is ${place.file}` },
  );
}
