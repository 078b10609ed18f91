/** Longest wait for a layout before a page goes out without it. */
const PATIENCE_MS = 1_200;

/** What was promised if it comes soon: a page does not wait for a layout of many agents. */
export async function patiently<T>(promised: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, undefined);
  });
  try {
    return await Promise.race([promised, late]);
  } finally {
    clearTimeout(timer);
  }
}
