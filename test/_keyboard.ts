import type { Page } from "playwright-core";
import { expect } from "vitest";

/**
 * Goes through a page by the Tab key alone: every control that can be seen is reached, once, in the order of the page, and
 * shows that it has the focus.
 * @param name - of the page, for messages
 */
export async function expectReachableByTab(page: Page, name: string): Promise<void> {
  const controls = await page.evaluate(() => {
    const all = document.querySelectorAll<HTMLElement | SVGElement>(
      "a[href], button, input, select, textarea, summary, [tabindex]",
    );
    return Array.from(all).filter(
      (one) =>
        one.checkVisibility({ visibilityProperty: true }) &&
        one.tabIndex >= 0 &&
        !(one as HTMLButtonElement).disabled &&
        (one as HTMLInputElement).type !== "hidden",
    ).length;
  });
  const reached: number[] = [];
  const unseen: string[] = [];
  for (let i = 0; i < controls + 2; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const focused = document.activeElement;
      if (!focused || focused === document.body) return undefined;
      const style = getComputedStyle(focused);
      const isSeen = style.outlineStyle !== "none" || style.boxShadow !== "none";
      const place = Array.from(document.querySelectorAll("*")).indexOf(focused);
      return { place, unseen: isSeen ? undefined : focused.outerHTML.slice(0, 120) };
    });
    if (!at) break;
    reached.push(at.place);
    if (at.unseen !== undefined) unseen.push(at.unseen);
  }
  expect([name, unseen]).toEqual([name, []]);
  expect([name, new Set(reached).size]).toEqual([name, controls]);
  const once = reached.slice(0, controls);
  expect([name, once]).toEqual([name, once.toSorted((a, b) => a - b)]);
}
