import { PeerageError } from "@peerage/core";
import type { Ctx } from "./route.ts";

/** The token by which a request says who makes it: `Authorization: Peerage <token>`. @throws {PeerageError} ERR_PROOF_MISSING */
export function tokenOf(c: Ctx): string {
  const token = /^Peerage ([A-Za-z0-9_.-]+)$/.exec(c.req.header("authorization") ?? "")?.[1];
  if (token !== undefined) return token;
  throw new PeerageError("ERR_PROOF_MISSING", "this needs Authorization: Peerage <token>, signed for this request");
}
