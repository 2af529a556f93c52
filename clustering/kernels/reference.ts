// The plain kernels: what every faster set is compared with, and what runs where neither native code nor WASM does.

import type { CentroidPanels, ClusterSums, Kernels, ResidualBasis, Scaling } from './kernels.ts';

/** Features summed between two looks at the bound; a multiple of the four lanes. */
const stride = 8;
const nothingPacked = new Float32Array(0);

function prepare(centroids: Float32Array, k: number, dims: number): CentroidPanels {
  const copy = centroids.slice(0, k * dims);
  return { k, dims, centroids: copy, packed: nothingPacked, layout: 'reference' };
}

/**
 * The squared distance of two rows, or some number ≥ `bound` when it is not below that: sums only grow, so a centroid is
 * given up early.
 */
function squaredDistance(
  a: Float32Array,
  aBase: number,
  b: Float32Array,
  bBase: number,
  dims: number,
  bound: number,
): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const whole = dims - (dims % 4);
  let d = 0;
  while (d < whole) {
    for (const end = Math.min(d + stride, whole); d < end; d += 4) {
      const d0 = a[aBase + d]! - b[bBase + d]!;
      const d1 = a[aBase + d + 1]! - b[bBase + d + 1]!;
      const d2 = a[aBase + d + 2]! - b[bBase + d + 2]!;
      const d3 = a[aBase + d + 3]! - b[bBase + d + 3]!;
      s0 += d0 * d0;
      s1 += d1 * d1;
      s2 += d2 * d2;
      s3 += d3 * d3;
    }
    if (s0 + s1 + (s2 + s3) >= bound) return bound;
  }
  if (d < dims) s0 += (a[aBase + d]! - b[bBase + d]!) ** 2;
  if (d + 1 < dims) s1 += (a[aBase + d + 1]! - b[bBase + d + 1]!) ** 2;
  if (d + 2 < dims) s2 += (a[aBase + d + 2]! - b[bBase + d + 2]!) ** 2;
  return s0 + s1 + (s2 + s3);
}

function nearest(
  points: Float32Array,
  n: number,
  { k, dims, centroids }: CentroidPanels,
  labels: Int32Array,
  distances?: Float32Array,
): void {
  for (let row = 0; row < n; row++) {
    let label = 0;
    let first = Infinity;
    for (let j = 0; j < k; j++) {
      const sum = squaredDistance(points, row * dims, centroids, j * dims, dims, first);
      if (sum < first) {
        first = sum;
        label = j;
      }
    }
    labels[row] = label;
    if (distances !== undefined) distances[row] = first;
  }
}

function nearestTwo(
  points: Float32Array,
  n: number,
  { k, dims, centroids }: CentroidPanels,
  labels: Int32Array,
  nearestOut: Float32Array,
  second: Float32Array,
): void {
  for (let row = 0; row < n; row++) {
    let label = 0;
    let first = Infinity;
    let runnerUp = Infinity;
    for (let j = 0; j < k; j++) {
      const sum = squaredDistance(points, row * dims, centroids, j * dims, dims, runnerUp);
      if (sum < first) {
        runnerUp = first;
        first = sum;
        label = j;
      } else if (sum < runnerUp) runnerUp = sum;
    }
    labels[row] = label;
    nearestOut[row] = first;
    second[row] = runnerUp;
  }
}

function accumulate(
  values: Float32Array,
  weights: Float32Array | undefined,
  labels: Int32Array,
  n: number,
  basis: ResidualBasis,
  sums: ClusterSums,
): void {
  for (let row = 0; row < n; row++) {
    const label = labels[row]!;
    const weight = weights === undefined ? 1 : weights[row]!;
    const square = addRow(values, row, weight, label, basis, sums.residuals);
    sums.weights[label]! += weight;
    sums.squares[label]! += weight * square;
  }
}

/** Adds the weighted residual of one row; returns its scaled square, in the four lanes. */
function addRow(
  values: Float32Array,
  row: number,
  weight: number,
  label: number,
  { dims, reference, inverseScale }: ResidualBasis,
  residuals: Float64Array,
): number {
  const base = label * dims;
  const from = row * dims;
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let d = 0; d < dims; d++) {
    const residual = values[from + d]! - reference[base + d]!;
    residuals[base + d]! += weight * residual;
    const scaled = inverseScale === undefined ? residual : residual * inverseScale[d]!;
    const square = scaled * scaled;
    const lane = d & 3;
    if (lane === 0) s0 += square;
    else if (lane === 1) s1 += square;
    else if (lane === 2) s2 += square;
    else s3 += square;
  }
  return s0 + s1 + (s2 + s3);
}

function assignAccumulate(
  points: Float32Array,
  weights: Float32Array | undefined,
  n: number,
  panels: CentroidPanels,
  reference: Float64Array,
  labels: Int32Array,
  sums: ClusterSums,
): void {
  nearest(points, n, panels, labels);
  accumulate(points, weights, labels, n, { k: panels.k, dims: panels.dims, reference }, sums);
}

function pairwise(
  points: Float32Array,
  n: number,
  others: Float32Array,
  m: number,
  dims: number,
  out: Float64Array,
): void {
  for (let row = 0; row < n; row++) {
    for (let j = 0; j < m; j++) {
      const sum = squaredDistance(points, row * dims, others, j * dims, dims, Infinity);
      out[row * m + j] = sum;
    }
  }
}

function dots(points: Float32Array, n: number, panels: CentroidPanels, out: Float32Array): void {
  const { k, dims, centroids } = panels;
  for (let row = 0; row < n; row++) {
    for (let j = 0; j < k; j++) {
      let sum = 0;
      for (let d = 0; d < dims; d++) sum += points[row * dims + d]! * centroids[j * dims + d]!;
      out[row * k + j] = sum;
    }
  }
}

function scalePoints(
  values: Float32Array,
  n: number,
  dims: number,
  { mean, scale }: Scaling,
  limit: number,
  out: Float32Array,
): void {
  for (let row = 0, i = 0; row < n; row++) {
    for (let d = 0; d < dims; d++, i++) {
      const scaled = (values[i]! - mean[d]!) / scale[d]!;
      out[i] = scaled > limit ? limit : Math.max(scaled, -limit);
    }
  }
}

export const referenceKernels: Kernels = {
  name: 'reference',
  layout: 'reference',
  prepare,
  nearest,
  nearestTwo,
  accumulate,
  assignAccumulate,
  pairwise,
  dots,
  scalePoints,
};
