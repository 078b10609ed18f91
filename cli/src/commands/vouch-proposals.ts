import type { Context, Options } from "../context.ts";
import { CliError } from "../errors.ts";
import { hasEarned, LEAST_CALLS, workedWith } from "../from-calls.ts";
import type { Result } from "../output.ts";
import { count, rfc3339, span } from "../ui/time.ts";
import { Labels } from "../viewpoint.ts";

/** `peerage vouch --from-calls`: who has earned a vouch by calls that were done. It signs nothing. */
export async function propose(context: Context, options: Options): Promise<Result> {
  const me = await context.identityFile();
  const worked = await workedWith(context, me.did, options);
  const earned = worked.filter(hasEarned);
  if (earned.length === 0)
    throw new CliError(
      "ERR_NOT_FOUND",
      `nobody has done ${LEAST_CALLS} calls with you, of which nine in ten went well`,
      {
        hint: worked.length === 0 ? "peerage call keeps receipts, peerage guard an audit log" : "peerage calls",
      },
    );
  const labels = new Labels(context);
  const now = context.io.now().getTime() / 1000;
  const rows = await Promise.all(
    earned.map(async ({ did, as, done, adverse, first }) => [
      await labels.of(did),
      as === "server" ? "answered you" : "called you",
      count(done, "time"),
      adverse === 0 ? "" : `${adverse} went wrong`,
      `since ${span(now - first)}`,
    ]),
  );
  const { ui } = context;
  return {
    data: {
      proposals: earned.map(({ first, last, ...one }) => ({ ...one, first: rfc3339(first), last: rfc3339(last) })),
    },
    text: [
      ...ui.table(rows),
      "",
      ...ui.facts([{ label: "sign one", value: `peerage vouch ${earned[0]?.did ?? ""} --from-calls` }]),
    ],
    plain: earned.map(({ did, as, done, adverse, evidence }) => [did, as, done, adverse, evidence.length]),
  };
}
