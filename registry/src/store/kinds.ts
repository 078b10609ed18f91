/**
 * Codes of `entry.kind`. They are stored: a number never changes its meaning. Revocations and key events are told apart
 * so that an index answers "is this issuer burnt".
 */
export const kindCodes = {
  AgentProfile: 1,
  Vouch: 2,
  RevocationOfStatement: 3,
  RevocationOfSubject: 4,
  RevocationOfSelf: 5,
  KeyInit: 6,
  KeyRotate: 7,
  KeyRevoke: 8,
  KeyRecover: 9,
  Report: 10,
  /** In a copy of another's log only: a leaf that is no statement, or has an id that stands before it. */
  Unreadable: 0,
} as const;

/** The kinds of statement by the names that the HTTP interface uses. */
export const kindsByName: Readonly<Record<string, readonly number[]>> = {
  AgentProfile: [kindCodes.AgentProfile],
  Vouch: [kindCodes.Vouch],
  Revocation: [kindCodes.RevocationOfStatement, kindCodes.RevocationOfSubject, kindCodes.RevocationOfSelf],
  KeyEvent: [kindCodes.KeyInit, kindCodes.KeyRotate, kindCodes.KeyRevoke, kindCodes.KeyRecover],
  Report: [kindCodes.Report],
};

/** What decides which key stands behind an issuer. */
export const keyKinds: readonly number[] = [
  kindCodes.RevocationOfSelf,
  kindCodes.KeyInit,
  kindCodes.KeyRotate,
  kindCodes.KeyRevoke,
  kindCodes.KeyRecover,
];

/** The name of a kind by its code. @throws {RangeError} if there is no such code */
export function kindName(code: number): string {
  for (const [name, codes] of Object.entries(kindsByName)) if (codes.includes(code)) return name;
  throw new RangeError(`no kind has the code ${code}`);
}
