import type { Did, Place, View } from "@peerage/core";
import { findAgent } from "../agents.ts";
import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { isRegistryUrl } from "../files/config.ts";
import type { Snapshot } from "../network.ts";
import { visible } from "../ui/visible.ts";
import { failed, passed, type Verdict } from "../verify/check.ts";
import { viewFor } from "../verify/later-keys.ts";
import { ProvenBook } from "./book.ts";
import { checkPlace, type PlaceCheck, type PlaceCheckOptions } from "./check.ts";
import { type Published, readPublished } from "./published.ts";
import { placeVerdict } from "./verdict.ts";

/** True for what `verify` takes from the web and not from a file. */
export function isWebAddress(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/** Checks a place that the user named: it may be on this machine or in its network. */
export async function verifyPlace(
  context: Context,
  place: Place,
  by: Did | undefined,
  snapshot: () => Promise<Snapshot | undefined>,
): Promise<Verdict> {
  const check = await checkPlace(place, {
    read: (url, maxBytes) => readPublished(url, maxBytes, { addresses: "any" }),
    book: new ProvenBook(context),
    now: context.io.now,
    viewFor: (text) => viewFor(text, snapshot),
  });
  return placeVerdict(check, by);
}

/** Checks places that somebody else named, in parallel and in their order. */
export function checkClaims(
  context: Context,
  places: readonly Place[],
  { view }: Snapshot,
  read: PlaceCheckOptions["read"] = readPublic,
): Promise<readonly PlaceCheck[]> {
  const book = new ProvenBook(context);
  const viewFor = (): Promise<View> => Promise.resolve(view);
  return Promise.all(places.map((place) => checkPlace(place, { read, book, now: context.io.now, viewFor })));
}

/** Reads what somebody else named: on the public Internet only, and keeping nobody waiting for long. */
function readPublic(url: string, maxBytes: number): Promise<Published> {
  return readPublished(url, maxBytes, { addresses: "public", timeoutMs: CLAIM_TIMEOUT_MS });
}

const CLAIM_TIMEOUT_MS = 5_000;

/**
 * Fetches something signed that the user named by its address.
 * @throws {CliError} ERR_USAGE off https, ERR_NOT_FOUND, ERR_UPSTREAM_UNAVAILABLE
 */
export async function download(address: string, maxBytes: number): Promise<Uint8Array> {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !isRegistryUrl(url.origin) || url.username !== "" || url.password !== "")
    throw usage(
      "what is verified from the web comes by https, or http on this machine, without a user",
      "https://example.org/release.tgz.peerage.json",
    );
  const published = await readPublished(address, maxBytes, { addresses: "any" });
  if (published.state === "found") return published.bytes;
  const code = published.state === "absent" ? "ERR_NOT_FOUND" : "ERR_UPSTREAM_UNAVAILABLE";
  throw new CliError(code, `${visible(address, 300)}: ${published.why}`);
}

/** The agent that must have signed, by `--by`. */
export async function wantedSigner(context: Context, by: string | undefined): Promise<Did | undefined> {
  return by === undefined ? undefined : (await findAgent(context, by)).did;
}

/** A verdict with the check that the one who signed is the one who should have. */
export function signedBy(verdict: Verdict, wanted: Did): Verdict {
  const { signer } = verdict;
  if (signer === wanted) return { ...verdict, checks: [...verdict.checks, passed("by", "the one you named")] };
  const text = signer === undefined ? "who signed it cannot be told" : `not ${wanted}, the one you named`;
  return {
    ...verdict,
    checks: [...verdict.checks, failed("by", text, "ERR_PROOF_MISMATCH")],
    verdict: "invalid",
    summary: "Not signed by the one you named.",
  };
}
