import type { ApprovalItem, ApprovalStore, ItemState } from "@peerage/mcp-middleware";
import { CliError, usage } from "../errors.ts";
import { visible } from "../ui/visible.ts";

const live: readonly ItemState[] = ["open", "approved"];
const all: readonly ItemState[] = [...live, "used", "denied", "timeout", "lapsed", "replaced"];

/**
 * The item that is meant: its id, the digest of its request, or the beginning of one of them, at least four characters.
 * Where several fit, those that can still be answered count.
 * @throws {CliError} ERR_NOT_FOUND, ERR_USAGE if several fit
 */
export function findItem(store: ApprovalStore, text: string): ApprovalItem {
  const word = text.replace(/^sha256:/, "");
  const fits = ({ id, req }: ApprovalItem): boolean =>
    id.startsWith(word) || req.startsWith(`sha256:${word.toLowerCase()}`);
  const matches = word.length < 4 ? [] : store.list(all).filter(fits);
  const open = matches.filter(({ state }) => live.includes(state));
  const meant = open.length > 0 ? open : matches;
  const [item] = meant;
  if (!item)
    throw new CliError("ERR_NOT_FOUND", `no request is ${visible(text)}`, { hint: "peerage approvals list --all" });
  if (meant.length > 1)
    throw usage(`several requests begin so: ${meant.map(({ id }) => id).join(", ")}`, "give the whole id");
  return store.show(item.id);
}

/** The word by which a person names an item: the beginning of the digest of what is asked. */
export function wordOf({ req }: Pick<ApprovalItem, "req">): string {
  return req.slice(7, 15);
}

/** Every state there is. */
export const allStates: readonly ItemState[] = all;
