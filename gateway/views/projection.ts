// From d dimensions to the plane, live, and staying put:
//
//   1. The two directions of largest variance (block power iteration from the last basis) of the points handed in,
//      each feature clipped to its p1–p99: a few extreme values must not choose the view. Plane points stay as they are.
//   2. The basis in use is kept while it explains 95 % of what the best does. A new one is turned and mirrored within
//      its own plane to lie closest to the old (orthogonal Procrustes), so axes do not flip.
//   3. The picture moves to a new basis over a few steps instead of jumping.
//   4. Axes run from p1 to p99 of the projected points, slowly averaged; what lies outside is squeezed into a margin.
//
// O(rows · dims) a sweep over at most `fitCellsMax` cells, at most `sweepsMax` sweeps.

import { Random } from '../../support/index.ts';

const fitCellsMax = 262_144;
const fitRowsMax = 1_500;
const quantileRowsMax = 400;
const sweepsMax = 20;
const settled = 1e-5;
const keepShare = 0.95;
/** Of the half-axis: the rest is the margin for what lies outside p1–p99. */
const insideShare = 0.88;

interface Axis {
  readonly middle: number;
  readonly half: number;
}

export class Projection {
  readonly dims: number;
  /** Share of the (clipped) variance the plane shows. */
  explained = 0;
  /** Rises when another plane is chosen. */
  version = 0;
  #shown: Float64Array;
  #target: Float64Array;
  #best: Float64Array;
  #shownAxes: [Axis, Axis] | undefined;
  #targetAxes: [Axis, Axis] | undefined;

  constructor(dims: number) {
    this.dims = dims;
    const random = new Random(dims);
    this.#best = new Float64Array(2 * dims);
    for (let i = 0; i < 2 * dims; i += 1) this.#best[i] = random.normal();
    orthonormalise(this.#best, dims);
    this.#shown = this.#best;
    this.#target = this.#best;
  }

  /** Looks at n × dims points, all in the same space, and chooses where the picture should be. */
  fit(values: Float32Array, n: number): void {
    if (n < 3) return;
    const { dims } = this;
    const sample = new ClippedSample(values, n, dims);
    this.#best =
      dims <= 2 ? identityBasis(dims) : principalBasis(sample.rows, sample.n, dims, this.#best);
    const bestShare = explainedBy(this.#best, sample);
    const heldShare = explainedBy(this.#target, sample);
    if (this.version === 0 || heldShare < keepShare * bestShare) {
      this.#target =
        this.version === 0 ? this.#best : closestWithinPlane(this.#best, this.#target, dims);
      if (this.version === 0) this.#shown = this.#target;
      this.version += 1;
    }
    this.explained = explainedBy(this.#target, sample);
    this.#fitAxes(values, n);
  }

  /** Moves the picture this share of the way to where it should be. */
  step(share: number): void {
    if (this.#targetAxes === undefined) return;
    this.#shownAxes ??= this.#targetAxes;
    this.#shownAxes = [
      between(this.#shownAxes[0], this.#targetAxes[0], share),
      between(this.#shownAxes[1], this.#targetAxes[1], share),
    ];
    if (this.#shown === this.#target) return;
    const moved = this.#shown.map((x, i) => x + share * (this.#target[i]! - x));
    orthonormalise(moved, this.dims);
    const left = moved.reduce((sum, x, i) => sum + (x - this.#target[i]!) ** 2, 0);
    this.#shown = left < settled ? this.#target : moved;
  }

  /** Places n × dims points into `out` as x0, y0, x1, y1, …, each in −1…1. */
  project(values: Float32Array, n: number, out: Float32Array): void {
    const axes = this.#shownAxes ?? this.#targetAxes ?? [unitAxis, unitAxis];
    rawPlane(values, n, this.dims, this.#shown, out);
    for (let i = 0; i < 2 * n; i += 2) {
      out[i] = squeezed((out[i]! - axes[0].middle) / axes[0].half);
      out[i + 1] = squeezed((out[i + 1]! - axes[1].middle) / axes[1].half);
    }
  }

  #fitAxes(values: Float32Array, n: number): void {
    const plane = new Float32Array(2 * n);
    rawPlane(values, n, this.dims, this.#target, plane);
    const column = (offset: number) => plane.filter((_, i) => i % 2 === offset).sort();
    const axes: [Axis, Axis] = [axisOf(column(0)), axisOf(column(1))];
    this.#targetAxes = axes;
  }
}

const unitAxis: Axis = { middle: 0, half: 1 };

/** At most so many rows, evenly taken, each feature clipped to its p1–p99 and centred. */
class ClippedSample {
  readonly n: number;
  readonly rows: Float64Array;
  readonly totalVariance: number;

  constructor(values: Float32Array, n: number, dims: number) {
    const rowsMax = Math.max(3, Math.min(fitRowsMax, Math.floor(fitCellsMax / dims)));
    const stride = Math.max(1, n / rowsMax);
    this.n = Math.min(n, rowsMax);
    this.rows = new Float64Array(this.n * dims);
    let total = 0;
    for (let d = 0; d < dims; d += 1) {
      const { low, high } = clipBounds(values, n, dims, d);
      let sum = 0;
      for (let row = 0; row < this.n; row += 1) {
        const value = values[Math.floor(row * stride) * dims + d]!;
        const clipped = Math.min(high, Math.max(low, value));
        this.rows[row * dims + d] = clipped;
        sum += clipped;
      }
      const mean = sum / this.n;
      for (let row = 0; row < this.n; row += 1) {
        this.rows[row * dims + d]! -= mean;
        total += this.rows[row * dims + d]! ** 2;
      }
    }
    this.totalVariance = total;
  }
}

function clipBounds(
  values: Float32Array,
  n: number,
  dims: number,
  d: number,
): { low: number; high: number } {
  const count = Math.min(n, quantileRowsMax);
  const column = new Float32Array(count);
  for (let i = 0; i < count; i += 1) column[i] = values[Math.floor((i * n) / count) * dims + d]!;
  column.sort();
  return { low: quantile(column, 0.01), high: quantile(column, 0.99) };
}

function quantile(sorted: Float32Array, share: number): number {
  return sorted[Math.round(share * (sorted.length - 1))]!;
}

function identityBasis(dims: number): Float64Array {
  const basis = new Float64Array(2 * dims);
  basis[0] = 1;
  if (dims > 1) basis[dims + 1] = 1;
  return basis;
}

/** Two orthonormal rows of length dims: the leading eigenvectors of rowsᵀ·rows. */
function principalBasis(
  rows: Float64Array,
  n: number,
  dims: number,
  start: Float64Array,
): Float64Array {
  let basis = start;
  for (let sweep = 0; sweep < sweepsMax; sweep += 1) {
    const next = new Float64Array(2 * dims);
    for (let row = 0; row < n; row += 1) addOuter(rows, row * dims, dims, basis, next);
    orthonormalise(next, dims);
    const moved = 2 - inPlane(basis, next, dims);
    basis = next;
    if (moved < settled) break;
  }
  return basis;
}

function addOuter(
  rows: Float64Array,
  at: number,
  dims: number,
  basis: Float64Array,
  out: Float64Array,
): void {
  let first = 0;
  let second = 0;
  for (let d = 0; d < dims; d += 1) {
    const x = rows[at + d]!;
    first += x * basis[d]!;
    second += x * basis[dims + d]!;
  }
  for (let d = 0; d < dims; d += 1) {
    const x = rows[at + d]!;
    out[d]! += first * x;
    out[dims + d]! += second * x;
  }
}

/** Gram-Schmidt; a vanishing row becomes the unit vector that is still free. */
function orthonormalise(basis: Float64Array, dims: number): void {
  normalise(basis, 0, dims);
  if (dims === 1) {
    basis[1] = 0;
    return;
  }
  for (let pass = 0; pass < 2; pass += 1) {
    let dot = 0;
    for (let d = 0; d < dims; d += 1) dot += basis[d]! * basis[dims + d]!;
    for (let d = 0; d < dims; d += 1) basis[dims + d]! -= dot * basis[d]!;
    if (normalise(basis, dims, dims)) continue;
    let smallest = 0;
    for (let d = 1; d < dims; d += 1) {
      if (Math.abs(basis[d]!) < Math.abs(basis[smallest]!)) smallest = d;
    }
    basis[dims + smallest] = 1;
  }
}

function normalise(basis: Float64Array, at: number, dims: number): boolean {
  let sum = 0;
  for (let d = 0; d < dims; d += 1) sum += basis[at + d]! ** 2;
  const length = Math.sqrt(sum);
  const isThere = length > 1e-12;
  for (let d = 0; d < dims; d += 1) basis[at + d] = isThere ? basis[at + d]! / length : 0;
  return isThere;
}

/** How much of plane a lies in plane b, 0…2: the squared norm of the 2 × 2 matrix of dot products. */
function inPlane(a: Float64Array, b: Float64Array, dims: number): number {
  const [p, q, r, s] = dots(a, b, dims);
  return p * p + q * q + r * r + s * s;
}

function dots(a: Float64Array, b: Float64Array, dims: number): [number, number, number, number] {
  let [p, q, r, s] = [0, 0, 0, 0];
  for (let d = 0; d < dims; d += 1) {
    p += a[d]! * b[d]!;
    q += a[d]! * b[dims + d]!;
    r += a[dims + d]! * b[d]!;
    s += a[dims + d]! * b[dims + d]!;
  }
  return [p, q, r, s];
}

/** The basis of the plane of `next` nearest to `held`: next turned by the polar factor of the dot products. */
function closestWithinPlane(next: Float64Array, held: Float64Array, dims: number): Float64Array {
  const [p, q, r, s] = dots(held, next, dims);
  const mirrored = p * s - q * r < 0 ? -1 : 1;
  // The orthogonal 2 × 2 matrix nearest to [p q; r s], for either sign of its determinant.
  const angle = Math.atan2(r - mirrored * q, p + mirrored * s);
  const [c, t] = [Math.cos(angle), Math.sin(angle)];
  const turned = new Float64Array(2 * dims);
  for (let d = 0; d < dims; d += 1) {
    const [u, v] = [next[d]!, next[dims + d]!];
    turned[d] = c * u - mirrored * t * v;
    turned[dims + d] = t * u + mirrored * c * v;
  }
  return turned;
}

function explainedBy(basis: Float64Array, { rows, n, totalVariance }: ClippedSample): number {
  const dims = basis.length / 2;
  if (totalVariance === 0) return 1;
  let sum = 0;
  for (let row = 0; row < n; row += 1) {
    let [first, second] = [0, 0];
    for (let d = 0; d < dims; d += 1) {
      const x = rows[row * dims + d]!;
      first += x * basis[d]!;
      second += x * basis[dims + d]!;
    }
    sum += first * first + second * second;
  }
  return Math.min(1, sum / totalVariance);
}

function rawPlane(
  values: Float32Array,
  n: number,
  dims: number,
  basis: Float64Array,
  out: Float32Array,
): void {
  for (let row = 0; row < n; row += 1) {
    let [x, y] = [0, 0];
    for (let d = 0; d < dims; d += 1) {
      const value = values[row * dims + d]!;
      x += value * basis[d]!;
      y += value * basis[dims + d]!;
    }
    out[2 * row] = x;
    out[2 * row + 1] = y;
  }
}

function axisOf(sorted: Float32Array): Axis {
  const low = quantile(sorted, 0.01);
  const high = quantile(sorted, 0.99);
  return { middle: (low + high) / 2, half: Math.max((high - low) / 2, 1e-6) };
}

function between(from: Axis, to: Axis, share: number): Axis {
  return {
    middle: from.middle + share * (to.middle - from.middle),
    half: from.half + share * (to.half - from.half),
  };
}

/** −1…1 stays in proportion; what is beyond is squeezed, in order, into the margin. */
function squeezed(t: number): number {
  const size = Math.abs(t);
  if (size <= 1) return t * insideShare;
  return Math.sign(t) * (1 - (1 - insideShare) / (1 + 0.5 * (size - 1)));
}
