// What a distance means to a model, and how a point comes into its space. Both metrics and all policies for missing values
// (missing-values.ts) are decided at this entrance, so that kernels, sums and folds behind it know complete points and squared
// Euclidean distance alone:
//
//   cosine            a point is divided by its length, centroids have length 1: ‖x − c‖² = 2 − 2·cos(x, c)   (spherical.ts)
//   mean              a missing value becomes the feature's mean of the model's generation
//   mean, cosine      the values that are there are first taken to be as large as in a whole direction, of length √(present/dims);
//                     means are of directions. So a point and its multiples are one, whatever is missing
//   partial           see point-entry.ts: a point's nearest centroid is what fills it

import type { MissingPolicy } from './missing-values.ts';
import { type Scaler, scalePoints } from './scaler.ts';
import { normalisePoints, normaliseRow, zeroVector } from './spherical.ts';

export type Metric = 'euclidean' | 'cosine';

/** Part of a model, fixed for a generation. */
export interface PointSpace {
  readonly metric: Metric;
  readonly missing: MissingPolicy;
  /** dims: what a missing value becomes under `mean` (of unit vectors, when the metric is cosine); else empty. */
  readonly featureMeans: Float64Array;
}

/** Absent: Euclidean, nothing missing. */
export type SpaceOrPlain = { readonly [Part in keyof PointSpace]?: PointSpace[Part] | undefined };

/** n rows as they stand in the space, into `out`, which may be `values`. Under `partial` what is missing stays missing. */
export function enterSpace(
  values: Float32Array,
  n: number,
  dims: number,
  { metric, missing, featureMeans }: PointSpace,
  out: Float32Array,
): void {
  if (missing === 'mean') {
    for (let row = 0; row < n; row++) {
      if (metric === 'cosine') directionOf(values, row, dims, out);
      else if (out !== values) copyRow(values, row, dims, out);
      const absent = fillRow(out, row, dims, featureMeans);
      if (absent > 0 && metric === 'cosine') normaliseRow(out, row, dims, out);
    }
  } else if (metric === 'cosine') normalisePoints(values, n, dims, out);
  else if (out !== values) out.set(values.subarray(0, n * dims));
}

/** What of a model says where points stand. */
export interface ScaledSpace extends PointSpace, Scaler {
  readonly k: number;
  readonly dims: number;
  /** k × dims, input units. */
  readonly centroids: Float64Array;
  readonly weights: Float64Array;
}

/** n rows in a model's space, scaled and complete, for those who look at all of them: a gap under `partial` is at the model's mean. */
export function intoModelSpace(
  values: Float32Array,
  n: number,
  model: ScaledSpace,
  out: Float32Array,
): void {
  const { dims, mean, scale } = model;
  enterSpace(values, n, dims, model, out);
  if (model.missing === 'partial') {
    const means = meanOf(model);
    for (let row = 0; row < n; row++) fillRow(out, row, dims, means);
  }
  scalePoints(out, n, dims, mean, scale, out);
}

function meanOf({ k, dims, centroids, weights }: ScaledSpace): Float64Array {
  const mean = new Float64Array(dims);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < k * dims; i++) {
    const share = total > 0 ? weights[Math.floor(i / dims)]! / total : 1 / k;
    mean[i % dims]! += share * centroids[i]!;
  }
  return mean;
}

/** n rows with the values they have as large as in a whole unit vector; what is missing stays missing. */
export function directionsOf(
  values: Float32Array,
  n: number,
  dims: number,
  out: Float32Array,
): void {
  for (let row = 0; row < n; row++) directionOf(values, row, dims, out);
}

function directionOf(values: Float32Array, row: number, dims: number, out: Float32Array): void {
  const base = row * dims;
  let absent = 0;
  for (let i = base; i < base + dims; i++) if (Number.isNaN(values[i])) absent += 1;
  if (!(normaliseRow(values, row, dims, out) > 0)) throw zeroVector(row, dims);
  if (absent === 0) return;
  const length = Math.sqrt((dims - absent) / dims);
  for (let i = base; i < base + dims; i++) out[i] = out[i]! * length;
}

function fillRow(values: Float32Array, row: number, dims: number, means: Float64Array): number {
  let absent = 0;
  for (let d = 0, i = row * dims; d < dims; d++, i++) {
    if (!Number.isNaN(values[i])) continue;
    values[i] = means[d]!;
    absent += 1;
  }
  return absent;
}

function copyRow(values: Float32Array, row: number, dims: number, out: Float32Array): void {
  for (let i = row * dims; i < (row + 1) * dims; i++) out[i] = values[i]!;
}
