import ForceGraph from "force-graph";
import type { Star, StarMap } from "./data.ts";
import type { OrbitLook } from "./orbit.ts";
import { type Palette, readPalette } from "./palette.ts";

/** Lines drawn while the map moves, and at rest. */
const LINES_IN_MOTION = 3_000;
const LINES_AT_REST = 40_000;
/** From so many stars on, those in motion are drawn together, and no more of them; from more on, those at rest too. */
const CROWD = 2_000;
const STARS_IN_MOTION = 12_000;
const MULTITUDE = 20_000;
const MOST_LABELS = 26;
const LABEL = { width: 130, height: 30 };

/** The map on a canvas: where it stands, what is chosen, and how it is drawn. Positions come from the registry. */
export class MapCanvas {
  readonly #graph: ForceGraph;
  readonly #host: HTMLElement;
  readonly #map: StarMap;
  readonly #lens: string;
  #palette: Palette;
  #moving = false;
  #hovered: number | undefined;
  #chosen: number | undefined;
  #labelled: readonly number[] = [];
  readonly #paths = new Map<string, { readonly key: string; readonly paths: ReadonlyMap<string, Path2D> }>();

  /** @param onRest called when the map has come to rest, with the stars that have a label or want one */
  constructor(host: HTMLElement, map: StarMap, lens: string, onRest: (wanted: readonly number[]) => void) {
    this.#host = host;
    this.#map = map;
    this.#lens = lens;
    this.#palette = readPalette(host);
    const graph = new ForceGraph(host)
      .warmupTicks(0)
      .cooldownTicks(0)
      .enableNodeDrag(false)
      // Whom the pointer means is asked of the positions: no second canvas is drawn for it, and no label is ever HTML.
      .enablePointerInteraction(false)
      .nodeLabel(() => "")
      .linkLabel(() => "")
      .nodeVal(1)
      .nodeRelSize(2)
      .minZoom(0.05)
      .maxZoom(24)
      .nodeCanvasObject((node, context, scale) => this.#drawStar(node as Star, context, scale))
      .onRenderFramePre((context, scale) => this.#drawLines(context, scale))
      .onRenderFramePost((context, scale) => this.#drawLabels(context, scale))
      .onZoom(() => (this.#moving = true))
      .onZoomEnd(() => {
        this.#moving = false;
        this.redraw();
        onRest(this.#wantedLabels());
      });
    for (const force of ["link", "charge", "center"]) graph.d3Force(force, null);
    this.#graph = graph;
    this.resize();
    graph.graphData({ nodes: map.stars.map((star) => ({ ...star })), links: [] });
    this.fit(0);
    onRest(this.#wantedLabels());
  }

  resize(): void {
    this.#graph.width(this.#host.clientWidth).height(this.#host.clientHeight);
    this.redraw();
  }

  /** Draws one more frame, and then none until something changes. */
  redraw(): void {
    this.#graph.autoPauseRedraw(false);
    requestAnimationFrame(() => requestAnimationFrame(() => this.#graph.autoPauseRedraw(true)));
  }

  recolour(): void {
    this.#palette = readPalette(this.#host);
    this.#paths.clear();
    this.redraw();
  }

  fit(ms: number = 400): void {
    const { orbit } = this.#map;
    const { clientWidth, clientHeight } = this.#host;
    if (!orbit) this.#graph.zoomToFit(still() ? 0 : ms, 14);
    else {
      this.#graph.centerAt(0, 0, still() ? 0 : ms);
      this.#graph.zoom((Math.min(clientWidth, clientHeight) / 2 - 8) / orbit.rim, still() ? 0 : ms);
    }
  }

  zoomBy(factor: number): void {
    this.#graph.zoom(this.#graph.zoom() * factor, still() ? 0 : 200);
  }

  get chosen(): number | undefined {
    return this.#chosen;
  }

  /** Marks a star, and brings it into sight if it is not. */
  choose(i: number | undefined, near = false): void {
    this.#chosen = i;
    const star = i === undefined ? undefined : this.#map.stars[i];
    if (star) {
      const { x, y } = this.#graph.graph2ScreenCoords(star.x, star.y);
      const hidden = x < 30 || y < 30 || x > this.#host.clientWidth - 30 || y > this.#host.clientHeight - 30;
      if (near) this.#graph.zoom(Math.max(this.#graph.zoom(), 1.2), 0);
      if (hidden || near) this.#graph.centerAt(star.x, star.y, still() || near ? 0 : 300);
    }
    this.redraw();
  }

  hover(i: number | undefined): void {
    if (i === this.#hovered) return;
    this.#hovered = i;
    this.redraw();
  }

  /** The star under a point of the canvas, within reach of a finger or of a mouse. */
  at(x: number, y: number, reach: number): number | undefined {
    const place = this.#graph.screen2GraphCoords(x, y);
    const scale = this.#graph.zoom();
    let best: number | undefined;
    let nearest = Infinity;
    for (const star of this.#map.stars) {
      if (star.absent) continue;
      const distance = Math.hypot(star.x - place.x, star.y - place.y) - this.#radius(star, scale);
      if (distance < nearest) [best, nearest] = [star.i, distance];
    }
    return nearest * scale <= reach ? best : undefined;
  }

  /** Where a star is drawn, in pixels of the host. */
  placeOf(i: number): { x: number; y: number } {
    const star = this.#map.stars[i];
    return star ? this.#graph.graph2ScreenCoords(star.x, star.y) : { x: 0, y: 0 };
  }

  /** In units of the map: stars grow with the zoom, more slowly than distances. */
  #radius({ size }: Star, scale: number): number {
    const crowd = Math.min(1, 60 / Math.sqrt(this.#map.stars.length + 1)) * 0.6 + 0.4;
    return (size * crowd * Math.min(2.4, Math.max(0.75, (scale / 0.35) ** 0.5))) / scale;
  }

  #colour(star: Star): string {
    const { ink, trust, muted, communities } = this.#palette;
    if (star.community < 0) return ink;
    if (this.#lens === "trust") return star.score === undefined ? muted : trust;
    return communities[star.community % communities.length] ?? muted;
  }

  /** While many move, they are drawn together, and very many always are. */
  get #coarse(): boolean {
    return this.#map.stars.length > (this.#moving ? CROWD : MULTITUDE);
  }

  #alpha({ score }: Star): number {
    if (this.#map.unseen) return 1;
    if (this.#map.orbit) return 0.5 + 0.5 * Math.round((score ?? 1) * 4) * 0.25;
    return this.#lens === "trust" ? 0.25 + 0.75 * Math.round((score ?? 0) * 4) * 0.25 : score === undefined ? 0.55 : 1;
  }

  /** Stars as squares, one path for each colour and brightness. */
  #drawCrowd(context: CanvasRenderingContext2D, scale: number): void {
    const every = this.#moving ? Math.ceil(this.#map.stars.length / STARS_IN_MOTION) : 1;
    const paths = this.#kept(`stars ${scale} ${every}`, (add) => {
      for (const star of this.#map.stars) {
        if (star.absent || star.i % every > 0) continue;
        const r = this.#radius(star, scale) * 0.92;
        add(`${this.#alpha(star)} ${this.#colour(star)}`).rect(star.x - r, star.y - r, 2 * r, 2 * r);
      }
    });
    for (const [key, path] of paths) {
      const at = key.indexOf(" ");
      context.globalAlpha = Number(key.slice(0, at));
      context.fillStyle = key.slice(at + 1);
      context.fill(path);
    }
    context.globalAlpha = 1;
  }

  /** Paths by colour, made once for a key of each kind: panning draws the same ones again. */
  #kept(key: string, make: (add: (colour: string) => Path2D) => void): ReadonlyMap<string, Path2D> {
    const kind = key.slice(0, key.indexOf(" "));
    const known = this.#paths.get(kind);
    if (known?.key === key) return known.paths;
    const paths = new Map<string, Path2D>();
    make((colour) => {
      let path = paths.get(colour);
      if (!path) paths.set(colour, (path = new Path2D()));
      return path;
    });
    this.#paths.set(kind, { key, paths });
    return paths;
  }

  #drawStar(star: Star, context: CanvasRenderingContext2D, scale: number): void {
    if (star.absent) return;
    const r = this.#radius(star, scale);
    if (!this.#coarse) {
      context.globalAlpha = this.#alpha(star);
      context.fillStyle = this.#colour(star);
      context.beginPath();
      context.arc(star.x, star.y, r, 0, 2 * Math.PI);
      context.fill();
      context.globalAlpha = 1;
    }
    const marked = star.i === this.#chosen || star.i === this.#hovered;
    if (!star.root && !marked) return;
    context.strokeStyle = marked ? this.#palette.ink : this.#palette.accent;
    context.lineWidth = (marked ? 2 : 1.6) / scale;
    context.beginPath();
    context.arc(star.x, star.y, r + 3.5 / scale, 0, 2 * Math.PI);
    context.stroke();
  }

  /** All lines in one path for each colour; in motion some of them, and those of the marked star above the others. */
  #drawLines(context: CanvasRenderingContext2D, scale: number): void {
    const { lines, stars, orbit } = this.#map;
    if (orbit) this.#drawRings(orbit, context, scale);
    const count = lines.length / 2;
    const every = Math.max(1, Math.ceil(count / (this.#moving ? LINES_IN_MOTION : LINES_AT_REST)));
    const paths = this.#kept(`lines ${every}`, (add) => {
      for (let n = 0; n < count; n += every) {
        const [a, b] = [stars[lines[2 * n] ?? 0], stars[lines[2 * n + 1] ?? 0]];
        if (!a || !b) continue;
        const path = add(a.community === b.community || orbit ? this.#colour(b) : this.#palette.edge);
        path.moveTo(a.x, a.y);
        path.lineTo(b.x, b.y);
      }
    });
    context.lineWidth = 0.6 / scale;
    context.globalAlpha =
      Math.min(0.45, Math.max(0.05, 18 / Math.sqrt(count + 1) / 2.4)) * Math.min(2, Math.max(1, scale));
    for (const [colour, path] of paths) {
      context.strokeStyle = colour;
      context.stroke(path);
    }
    context.globalAlpha = 1;
    this.#drawHulls(context, scale);
    if (this.#coarse) this.#drawCrowd(context, scale);
    const marked = this.#hovered ?? this.#chosen;
    const centre = marked === undefined ? undefined : stars[marked];
    if (!centre) return;
    context.strokeStyle = this.#palette.ink;
    context.lineWidth = 1.2 / scale;
    context.globalAlpha = 0.7;
    context.beginPath();
    const ends = orbit ? [] : (this.#map.neighbours.get(centre.i) ?? []);
    for (const other of ends) {
      const end = stars[other];
      if (!end) continue;
      context.moveTo(centre.x, centre.y);
      context.lineTo(end.x, end.y);
    }
    // In an orbit it is the way that leads here that matters.
    for (const [n, i] of (orbit?.wayTo(centre.i) ?? []).entries()) {
      const at = stars[i];
      if (at && n === 0) context.moveTo(at.x, at.y);
      else if (at) context.lineTo(at.x, at.y);
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  /** Around what few vouches join to the rest, dotted: a fact about it, and no part of it. */
  #drawHulls(context: CanvasRenderingContext2D, scale: number): void {
    context.strokeStyle = this.#palette.thin;
    context.lineJoin = "round";
    for (const hull of this.#map.hulls) {
      const path = new Path2D();
      for (const { x, y } of hull) path.lineTo(x, y);
      path.closePath();
      // A wide line behind gives the shape room around its stars.
      context.globalAlpha = 0.12;
      context.lineWidth = 26 / scale;
      context.stroke(path);
      context.globalAlpha = 1;
      context.setLineDash([1.5 / scale, 5 / scale]);
      context.lineCap = "round";
      context.lineWidth = 2 / scale;
      context.stroke(path);
      context.setLineDash([]);
      context.lineCap = "butt";
    }
  }

  #drawRings({ rings, rim, unreached }: OrbitLook, context: CanvasRenderingContext2D, scale: number): void {
    const { edge, muted, background } = this.#palette;
    const circle = (radius: number): void => {
      context.beginPath();
      context.arc(0, 0, radius, 0, 2 * Math.PI);
      context.stroke();
    };
    context.strokeStyle = edge;
    context.lineWidth = 1 / scale;
    for (const { radius } of rings) circle(radius);
    if (unreached > 0) {
      context.setLineDash([2 / scale, 5 / scale]);
      context.lineWidth = 4 / scale;
      circle(rim);
      context.setLineDash([]);
    }
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `${10 / scale}px ui-monospace, monospace`;
    context.strokeStyle = background;
    context.lineWidth = 4 / scale;
    context.fillStyle = muted;
    for (const { radius, score } of rings) {
      context.strokeText(score, 0, -radius);
      context.fillText(score, 0, -radius);
    }
    context.textAlign = "left";
  }

  /** The most vouched-for in sight, as many as have room; and whoever is marked. */
  #wantedLabels(): readonly number[] {
    const [width, height] = [this.#host.clientWidth, this.#host.clientHeight];
    const most = Math.min(MOST_LABELS, Math.round((width * height) / 16_000));
    const boxes: { left: number; right: number; top: number; bottom: number }[] = [];
    const first = [this.#chosen, this.#hovered].filter((i) => i !== undefined);
    const wanted: number[] = [];
    for (const i of new Set([...first, ...this.#map.order])) {
      if (wanted.length >= most) break;
      const { x, y } = this.placeOf(i);
      const box = { left: x - 6, right: x + LABEL.width, top: y - LABEL.height / 2, bottom: y + LABEL.height / 2 };
      if (box.left < 0 || box.top < 0 || box.right > width || box.bottom > height) continue;
      const hides = boxes.some(
        (other) => box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom,
      );
      if (hides && !first.includes(i)) continue;
      boxes.push(box);
      wanted.push(i);
    }
    this.#labelled = wanted;
    return wanted;
  }

  #drawLabels(context: CanvasRenderingContext2D, scale: number): void {
    const marked = [this.#hovered, this.#chosen].filter((i) => i !== undefined);
    context.textBaseline = "middle";
    context.lineJoin = "round";
    for (const i of new Set([...this.#labelled, ...marked])) {
      const star = this.#map.stars[i];
      const named = this.#map.names.get(i);
      if (!star || !named) continue;
      const print = `${named.did.slice(12, 17)}…${named.did.slice(-4)}`;
      const [x, y] = [star.x + this.#radius(star, scale) + 5 / scale, star.y];
      const write = (text: string, dy: number, size: number, weight: number, colour: string): void => {
        context.font = `${weight} ${size / scale}px Inter, system-ui, sans-serif`;
        context.strokeStyle = this.#palette.background;
        context.lineWidth = 3.4 / scale;
        context.strokeText(text, x, y + dy / scale);
        context.fillStyle = colour;
        context.fillText(text, x, y + dy / scale);
      };
      if (named.name === undefined) write(print, 0, 11.5, 500, this.#palette.ink);
      else {
        write(short(named.name), -6, 12, 600, this.#palette.ink);
        write(print, 6.5, 10, 400, this.#palette.muted);
      }
    }
  }
}

function short(name: string): string {
  const points = Array.from(name);
  return points.length <= 18 ? name : `${points.slice(0, 17).join("")}…`;
}

/** The visitor wants nothing to move by itself. */
function still(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
