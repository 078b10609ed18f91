/** True if a database is given by its address and not by a path. */
export function isPostgresUrl(location: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(location);
}

/** A database's address without its password, to be shown. */
export function showPostgresUrl(location: string): string {
  const url = new URL(location);
  return `postgres://${url.username === "" ? "" : `${url.username}@`}${url.host}${url.pathname}`;
}
