// The triangle inequality, a block of points at a time: what pruned full-batch iterations need of a kernel set. The plain
// versions; the native set has its own (bounds.h). Sets may differ in bounds, never in labels, sums and squares.
//
// A point keeps u ≥ its distance to its centroid and l ≤ its distance to every other. Bounds are rounded outwards by 2⁻²²,
// more than all roundings since the kernels' float32 squares: so a proven label is nearer by more than float64 could get
// wrong, and is the very label that the kernels would give.

import type {
  BoundKernels,
  Bounds,
  CentroidPanels,
  ClusterSums,
  Kernels,
  Moves,
  ResidualBasis,
} from './kernels.ts';
import { referenceKernels } from './reference.ts';

export const grow = 1 + 2 ** -22;
export const shrink = 1 - 2 ** -22;
/** What a squared distance may lose to float32's smallest steps, and the largest that it can hold. */
const underflow = 2 ** -149;
const largestSquare = 3.4e38;

/** A distance that the root of a float32 square does not exceed. */
export function upperBound(square: number): number {
  return Math.sqrt(square * grow + underflow) * grow;
}

/** A distance that the root of a float32 square is not below; Infinity stands for anything too large for float32. */
export function lowerBound(square: number): number {
  const sure = Math.min(square, largestSquare) * shrink - underflow;
  return sure > 0 ? Math.sqrt(sure) * shrink : 0;
}

function proveLabels(
  points: Float32Array,
  n: number,
  { dims, centroids }: CentroidPanels,
  labels: Int32Array,
  { upper, lower }: Bounds,
  { drift, half, most, largest, others }: Moves,
  unproven: Int32Array,
  gathered: Float32Array,
): number {
  let count = 0;
  for (let row = 0; row < n; row++) {
    const label = labels[row]!;
    const moved = (upper[row]! + drift[label]!) * grow;
    const room = lower[row]! - (label === most ? others : largest);
    const low = room > 0 ? room * shrink : 0;
    lower[row] = low;
    upper[row] = moved;
    // Written so that a bound that is no number proves nothing.
    if (moved < low || moved < half[label]!) continue;
    const square = squaredDistance(points, row * dims, centroids, label * dims, dims);
    const tight = upperBound(Math.fround(square));
    upper[row] = tight;
    if (tight < low || tight < half[label]!) continue;
    gathered.set(points.subarray(row * dims, (row + 1) * dims), count * dims);
    unproven[count++] = row;
  }
  return count;
}

function transfer(
  values: Float32Array,
  weights: Float32Array | undefined,
  before: Int32Array,
  after: Int32Array,
  n: number,
  basis: ResidualBasis,
  sums: ClusterSums,
): void {
  const weight = new Float32Array(1);
  for (let row = 0; row < n; row++) {
    if (before[row] === after[row]) continue;
    const point = values.subarray(row * basis.dims, (row + 1) * basis.dims);
    weight[0] = weights === undefined ? -1 : -weights[row]!;
    referenceKernels.accumulate(point, weight, before.subarray(row, row + 1), 1, basis, sums);
    weight[0] = -weight[0];
    referenceKernels.accumulate(point, weight, after.subarray(row, row + 1), 1, basis, sums);
  }
}

function ownSquares(
  points: Float32Array,
  n: number,
  { dims, centroids }: CentroidPanels,
  labels: Int32Array,
  out: Float64Array,
): void {
  for (let row = 0; row < n; row++) {
    out[row] = squaredDistance(points, row * dims, centroids, labels[row]! * dims, dims);
  }
}

/** A set's own, else the plain ones around its `nearestTwo`. */
export function boundKernelsOf(kernels: Kernels): BoundKernels {
  return (
    kernels.bounds ?? { nearestBounds: nearestBoundsBy(kernels), proveLabels, transfer, ownSquares }
  );
}

function nearestBoundsBy(kernels: Kernels): BoundKernels['nearestBounds'] {
  return (points, n, panels, labels, { upper, lower }) => {
    kernels.nearestTwo(points, n, panels, labels, upper, lower);
    for (let row = 0; row < n; row++) {
      upper[row] = upperBound(upper[row]!);
      lower[row] = lowerBound(lower[row]!);
    }
  };
}

/** As every kernel computes it before rounding to float32: comparing two of them decides as the kernels do. */
export function squaredDistance(
  a: Float32Array,
  aBase: number,
  b: Float32Array,
  bBase: number,
  dims: number,
): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const whole = dims - (dims % 4);
  for (let d = 0; d < whole; d += 4) {
    const d0 = a[aBase + d]! - b[bBase + d]!;
    const d1 = a[aBase + d + 1]! - b[bBase + d + 1]!;
    const d2 = a[aBase + d + 2]! - b[bBase + d + 2]!;
    const d3 = a[aBase + d + 3]! - b[bBase + d + 3]!;
    s0 += d0 * d0;
    s1 += d1 * d1;
    s2 += d2 * d2;
    s3 += d3 * d3;
  }
  if (whole < dims) s0 += (a[aBase + whole]! - b[bBase + whole]!) ** 2;
  if (whole + 1 < dims) s1 += (a[aBase + whole + 1]! - b[bBase + whole + 1]!) ** 2;
  if (whole + 2 < dims) s2 += (a[aBase + whole + 2]! - b[bBase + whole + 2]!) ** 2;
  return s0 + s1 + (s2 + s3);
}
