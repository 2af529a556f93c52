// Draws the live map: points in the colour of their cluster (old ones fade), outliers as rings, centroids sized by share
// with their ids beside them. A frame of the gateway replaces the picture; centroids glide from one to the next.

import { allotColours, colourOf } from './palette.ts';
import { type MapFrame, noCluster, pointBytes } from './protocol.ts';

const rim = 0.88;
const glideMs = 220;
const outlierLevel = 253;
const labelHeight = 17;

export interface Drawn {
  readonly points: number;
  readonly clusters: readonly string[];
}

interface Place {
  x: number;
  y: number;
}

interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export class MapCanvas {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  #frame: MapFrame | undefined;
  #shares = new Map<string, number>();
  #highlighted: string | undefined;
  /** Where each centroid is drawn now, in −1…1. */
  readonly #centroids = new Map<string, Place>();
  #drawnAtMs = 0;
  #requested = false;
  drawn: Drawn = { points: 0, clusters: [] };
  onDrawn: (drawn: Drawn) => void = () => {};

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d')!;
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  show(frame: MapFrame): void {
    this.#frame = frame;
    allotColours(frame.text.clusters.map(({ clusterId }) => clusterId));
    this.redraw();
  }

  setShares(shares: Map<string, number>): void {
    this.#shares = shares;
  }

  highlight(clusterId: string | undefined): void {
    this.#highlighted = clusterId;
    this.redraw();
  }

  /** The cluster whose centroid is nearest to this place on the canvas, if one is near. */
  centroidAt(offsetX: number, offsetY: number): string | undefined {
    const { clientWidth, clientHeight } = this.#canvas;
    let nearest: string | undefined;
    let best = 22;
    for (const [clusterId, { x, y }] of this.#centroids) {
      const dx = ((x + 1) / 2) * clientWidth - offsetX;
      const dy = ((1 - y) / 2) * clientHeight - offsetY;
      const distance = Math.hypot(dx, dy);
      if (distance >= best) continue;
      best = distance;
      nearest = clusterId;
    }
    return nearest;
  }

  redraw(): void {
    if (this.#requested) return;
    this.#requested = true;
    requestAnimationFrame((nowMs) => {
      this.#requested = false;
      this.#draw(nowMs);
    });
  }

  #draw(nowMs: number): void {
    const { width, height } = this.#fitted();
    const context = this.#context;
    context.clearRect(0, 0, width, height);
    const frame = this.#frame;
    if (frame === undefined) return;
    const style = getComputedStyle(this.#canvas);
    const isDark = style.colorScheme !== 'light';
    this.#drawGround(
      width,
      height,
      style.getPropertyValue('--grid'),
      style.getPropertyValue('--faint'),
    );
    const points = this.#drawPoints(frame, width, height, isDark);
    const isGliding = this.#glide(frame, nowMs);
    this.#drawCentroids(width, height, isDark, style);
    this.drawn = { points, clusters: frame.text.clusters.map(({ clusterId }) => clusterId) };
    this.onDrawn(this.drawn);
    if (isGliding) this.redraw();
  }

  /** Makes the canvas as many pixels as the screen has for it. */
  #fitted(): { width: number; height: number } {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const [pixelsWide, pixelsHigh] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== pixelsWide || this.#canvas.height !== pixelsHigh) {
      this.#canvas.width = pixelsWide;
      this.#canvas.height = pixelsHigh;
    }
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return { width, height };
  }

  #drawGround(width: number, height: number, grid: string, faint: string): void {
    const context = this.#context;
    context.lineWidth = 1;
    context.strokeStyle = grid;
    context.beginPath();
    for (let i = 1; i < 8; i += 1) {
      const t = (1 - rim) / 2 + (rim * i) / 8;
      context.moveTo(Math.round(t * width) + 0.5, ((1 - rim) / 2) * height);
      context.lineTo(Math.round(t * width) + 0.5, ((1 + rim) / 2) * height);
      context.moveTo(((1 - rim) / 2) * width, Math.round(t * height) + 0.5);
      context.lineTo(((1 + rim) / 2) * width, Math.round(t * height) + 0.5);
    }
    context.stroke();
    context.setLineDash([4, 5]);
    context.strokeStyle = faint;
    context.globalAlpha = 0.55;
    context.strokeRect(
      ((1 - rim) / 2) * width,
      ((1 - rim) / 2) * height,
      rim * width,
      rim * height,
    );
    context.globalAlpha = 1;
    context.setLineDash([]);
  }

  /** Oldest first, so that what is new lies on top. */
  #drawPoints({ text, points }: MapFrame, width: number, height: number, isDark: boolean): number {
    const context = this.#context;
    const n = points.byteLength / pointBytes;
    const colours = text.clusters.map(({ clusterId }) => colourOf(clusterId, isDark));
    const order = Array.from({ length: n }, (_, i) => i).sort(
      (a, b) => points.getUint8(b * pointBytes + 7) - points.getUint8(a * pointBytes + 7),
    );
    for (const i of order) {
      const at = i * pointBytes;
      const x = ((points.getInt16(at, true) / 32_767 + 1) / 2) * width;
      const y = ((1 - points.getInt16(at + 2, true) / 32_767) / 2) * height;
      const cluster = points.getUint16(at + 4, true);
      const age = points.getUint8(at + 7) / 255;
      const isOther = this.#isOther(text.clusters[cluster]?.clusterId);
      const colour = cluster === noCluster ? colourOf('', isDark) : colours[cluster]!;
      context.globalAlpha = isOther ? 0.07 : 0.9 - 0.6 * age;
      context.beginPath();
      if (points.getUint8(at + 6) >= outlierLevel) {
        context.strokeStyle = colour;
        context.lineWidth = 1.2;
        context.arc(x, y, 3.4, 0, 2 * Math.PI);
        context.stroke();
      } else {
        context.fillStyle = colour;
        context.arc(x, y, 2.6 - 0.8 * age, 0, 2 * Math.PI);
        context.fill();
      }
    }
    context.globalAlpha = 1;
    return n;
  }

  #isOther(clusterId: string | undefined): boolean {
    const highlighted = this.#highlighted;
    if (highlighted === undefined || !this.#centroids.has(highlighted)) return false;
    return highlighted !== clusterId;
  }

  /** @returns whether there is still way to go. */
  #glide({ text }: MapFrame, nowMs: number): boolean {
    const share = Math.min(1, (nowMs - this.#drawnAtMs) / glideMs);
    this.#drawnAtMs = nowMs;
    let farthest = 0;
    const shown = new Set<string>();
    for (const { clusterId, x, y } of text.clusters) {
      shown.add(clusterId);
      const place = this.#centroids.get(clusterId);
      if (place === undefined) this.#centroids.set(clusterId, { x, y });
      else {
        farthest = Math.max(farthest, Math.abs(x - place.x), Math.abs(y - place.y));
        place.x += share * (x - place.x);
        place.y += share * (y - place.y);
      }
    }
    for (const clusterId of this.#centroids.keys()) {
      if (!shown.has(clusterId)) this.#centroids.delete(clusterId);
    }
    return farthest > 0.002 && share < 1;
  }

  #drawCentroids(width: number, height: number, isDark: boolean, style: CSSStyleDeclaration): void {
    const context = this.#context;
    const halo = style.getPropertyValue('--halo');
    const ink = style.getPropertyValue('--ink');
    const taken: Rect[] = [];
    const byShare = [...this.#centroids].sort(
      ([a], [b]) => (this.#shares.get(b) ?? 0) - (this.#shares.get(a) ?? 0),
    );
    const spots = byShare.map(([clusterId, place]) => ({
      clusterId,
      x: ((place.x + 1) / 2) * width,
      y: ((1 - place.y) / 2) * height,
      radius: 5 + 9 * Math.sqrt(this.#shares.get(clusterId) ?? 0),
    }));
    for (const { x, y, radius } of spots) {
      taken.push({ x: x - radius, y: y - radius, width: 2 * radius, height: 2 * radius });
    }
    for (const { clusterId, x, y, radius } of spots) {
      const colour = colourOf(clusterId, isDark);
      context.globalAlpha = this.#isOther(clusterId) ? 0.25 : 1;
      ring(context, x, y, radius, halo, 6);
      ring(context, x, y, radius, colour, 3);
      disc(context, x, y, 3.6, halo);
      disc(context, x, y, 2.4, ink);
      this.#drawLabel(clusterId, { x, y, radius }, { width, height }, taken, { halo, ink, colour });
    }
    context.globalAlpha = 1;
  }

  #drawLabel(
    text: string,
    { x, y, radius }: { x: number; y: number; radius: number },
    bounds: { width: number; height: number },
    taken: Rect[],
    { halo, ink, colour }: { halo: string; ink: string; colour: string },
  ): void {
    const context = this.#context;
    context.font = '600 12px system-ui, "DejaVu Sans", sans-serif';
    const labelWidth = context.measureText(text).width + 12;
    const gap = radius + 5;
    const diagonal = gap * 0.75;
    const spots: [number, number][] = [
      [x + gap, y - labelHeight / 2],
      [x - gap - labelWidth, y - labelHeight / 2],
      [x - labelWidth / 2, y - gap - labelHeight],
      [x - labelWidth / 2, y + gap],
      [x + diagonal, y - diagonal - labelHeight],
      [x - diagonal - labelWidth, y - diagonal - labelHeight],
      [x + diagonal, y + diagonal],
      [x - diagonal - labelWidth, y + diagonal],
      [x + gap, y - labelHeight * 1.6],
      [x + gap, y + labelHeight * 0.6],
    ];
    const rects = spots.map(([left, top]) => ({
      x: left,
      y: top,
      width: labelWidth,
      height: labelHeight,
    }));
    const rect =
      rects.find(
        (spot) => isInside(spot, bounds) && !taken.some((other) => overlap(spot, other)),
      ) ?? rects[0]!;
    taken.push(rect);
    context.fillStyle = halo;
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.beginPath();
    context.roundRect(rect.x, rect.y, rect.width, rect.height, 5);
    context.fill();
    context.stroke();
    context.fillStyle = ink;
    context.textBaseline = 'middle';
    context.fillText(text, rect.x + 6, rect.y + labelHeight / 2 + 0.5);
  }
}

function ring(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  radius: number,
  colour: string,
  lineWidth: number,
): void {
  context.strokeStyle = colour;
  context.lineWidth = lineWidth;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.stroke();
}

function disc(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  radius: number,
  colour: string,
): void {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function isInside(rect: Rect, { width, height }: { width: number; height: number }): boolean {
  return (
    rect.x >= 2 &&
    rect.y >= 2 &&
    rect.x + rect.width <= width - 2 &&
    rect.y + rect.height <= height - 2
  );
}

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
