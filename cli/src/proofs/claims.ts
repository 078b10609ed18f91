import { type AgentRecord, type Place, placeOf } from "@peerage/core";
import type { Context } from "../context.ts";
import type { Snapshot } from "../network.ts";
import { fetchNote } from "../notes.ts";
import type { Fact } from "../ui/terminal.ts";
import { visible } from "../ui/visible.ts";
import { ProvenBook } from "./book.ts";
import { type PlaceCheckOptions, standingAt, type Standing } from "./check.ts";
import { checkClaims } from "./web.ts";

/** A place that an agent names in its profile, and what the place itself says. Part of no score. */
export interface ClaimedPlace {
  readonly place: string;
  readonly kind: Place["kind"];
  /** `not-checked`: nobody asked it this time. */
  readonly status: Standing | "not-checked";
  /** When it was asked just now, RFC 3339. */
  readonly checkedAt: string | null;
  /** When it was found proven before, RFC 3339: never taken for a proof of now. */
  readonly provenAt: string | null;
  readonly why?: string;
}

/** The places that an agent names in its profile, each asked now unless `look` is false: by `read`, or on the public Internet. */
export async function placesOf(
  context: Context,
  snapshot: Snapshot,
  { did, profile }: AgentRecord,
  { look, read }: { readonly look: boolean; readonly read?: PlaceCheckOptions["read"] },
): Promise<readonly ClaimedPlace[]> {
  const digest = profile?.statement.noteDigest;
  // An erased note names nothing any more, and a registry may keep none.
  const note = digest === undefined ? undefined : await fetchNote(snapshot.url, digest).catch(() => undefined);
  const urls = note?.urls ?? [];
  const places = urls.flatMap((url) => placeOf(url) ?? []);
  if (places.length === 0) return [];
  const book = new ProvenBook(context);
  const before = await Promise.all(places.map((place) => book.last(place, did)));
  const checks = look ? await checkClaims(context, places, snapshot, read) : [];
  return places.map((place, i): ClaimedPlace => {
    const check = checks[i];
    const about = { place: place.url, kind: place.kind, provenAt: before[i] ?? null };
    if (!check) return { ...about, status: "not-checked", checkedAt: null };
    const status = standingAt(check, did);
    const failed = check.proofs.find((found) => !found.holds && (found.agent ?? did) === did);
    const why = status === "proven" ? undefined : (check.why ?? (failed?.holds === false ? failed.why : undefined));
    return { ...about, status, checkedAt: check.checkedAt, ...(why === undefined ? {} : { why }) };
  });
}

/** A claimed place as people read it. */
export function placeFact({ place, kind, status, checkedAt, provenAt, why }: ClaimedPlace): Fact {
  const before = provenAt === null ? "" : `; proven ${provenAt}`;
  const reason = why === undefined ? "" : `: ${visible(why, 300)}`;
  switch (status) {
    case "proven":
      return { mark: "ok", label: kind, value: `${place} proven, checked ${checkedAt ?? ""}` };
    case "no-longer":
      return {
        mark: "no",
        label: kind,
        value: `${place} no longer proven${reason}${before}, checked ${checkedAt ?? ""}`,
      };
    case "not-proven":
      return { mark: "warn", label: kind, value: `${place} claimed, not proven${reason}, checked ${checkedAt ?? ""}` };
    case "unreachable":
      return { mark: "warn", label: kind, value: `${place} claimed; it cannot be asked now${reason}${before}` };
    case "not-checked":
      return { mark: "none", label: kind, value: `${place} claimed; not checked${before}` };
  }
}
