/** Colours of the page's own style sheet, so that light and dark are said in one place. */
export interface Palette {
  readonly ink: string;
  readonly muted: string;
  readonly background: string;
  readonly accent: string;
  readonly trust: string;
  readonly thin: string;
  readonly edge: string;
  readonly communities: readonly string[];
}

/** Reads the colours as they are now. */
export function readPalette(host: HTMLElement): Palette {
  const probe = document.createElement("span");
  probe.hidden = true;
  host.append(probe);
  const style = getComputedStyle(probe);
  const color = (name: string): string => {
    probe.className = name;
    return style.color;
  };
  const palette = {
    ink: color("ink"),
    muted: color("muted"),
    background: color("paper"),
    accent: color("gate"),
    trust: color("status ok"),
    thin: color("chip thin"),
    edge: color("edge"),
    communities: Array.from({ length: 12 }, (_, i) => color(`c${i}`)),
  };
  probe.remove();
  return palette;
}
