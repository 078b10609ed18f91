import type { TargetKind } from "./document.ts";
import type { Matcher } from "./glob.ts";

/** What the index reads of a rule. */
export interface Targeted {
  readonly kind: TargetKind;
  readonly patterns: readonly string[];
  readonly target: Matcher;
}

/**
 * Rules of one kind by target. A rule that only names exact targets is looked up, not tried, so that a thousand such
 * rules cost a call no more than one. Order is kept.
 */
export class RuleIndex<T extends Targeted> {
  readonly all: readonly T[];
  readonly #exact = new Map<string, number[]>();
  /** The places of the rules that must be tried. */
  readonly #tried: number[] = [];

  constructor(rules: readonly T[]) {
    this.all = rules;
    for (const [place, { kind, patterns }] of rules.entries()) {
      // A resource path that cannot be judged is undecided also where a pattern is exact.
      if (kind === "resources" || patterns.some((pattern) => pattern.includes("*"))) {
        this.#tried.push(place);
        continue;
      }
      for (const name of new Set(patterns)) {
        const known = this.#exact.get(name);
        if (known) known.push(place);
        else this.#exact.set(name, [place]);
      }
    }
  }

  /** The rules about a target in file order; with `undecided` also those whose pattern cannot judge it. */
  about(target: string, undecided: boolean): readonly T[] {
    const exact = this.#exact.get(target) ?? none;
    const found: T[] = [];
    let next = 0;
    const add = (place: number): void => {
      const rule = this.all[place];
      if (rule !== undefined) found.push(rule);
    };
    for (const place of this.#tried) {
      for (let known = exact[next]; known !== undefined && known < place; known = exact[++next]) add(known);
      const verdict = this.all[place]?.target(target);
      if (verdict === true || (undecided && verdict === undefined)) add(place);
    }
    for (; next < exact.length; next++) add(exact[next] ?? -1);
    return found;
  }
}

const none: readonly number[] = [];
