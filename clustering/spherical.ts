// Clustering by direction (I. Dhillon and D. Modha, 2001): points and centroids are unit vectors, and for these
//
//     ‖x − c‖² = 2 − 2·cos(x, c)
//
// so the nearest centroid is the one of the greatest cosine and every squared-Euclidean kernel serves as it is. A centroid is
// normalised after the convex combination, never before: with decay, mean and direction are not the same thing.

import { MeanstreamError } from '../support/index.ts';

/**
 * Gives each of n rows length 1, into `out`. Lengths are taken relative to the largest coordinate, so that none overflows or
 * vanishes. @throws MEANSTREAM_ZERO_VECTOR for a row without direction
 */
export function normalisePoints(
  values: Float32Array,
  n: number,
  dims: number,
  out: Float32Array,
): void {
  for (let row = 0; row < n; row++) {
    if (!(normaliseRow(values, row, dims, out) > 0)) throw zeroVector(row, dims);
  }
}

/** Gives each of k centroids length 1, in place; one that has none keeps what it was in `before`. */
export function normaliseCentroids(
  centroids: Float64Array,
  k: number,
  dims: number,
  before: Float64Array,
): void {
  for (let j = 0; j < k; j++) {
    if (normaliseRow(centroids, j, dims, centroids) > 0) continue;
    centroids.set(before.subarray(j * dims, (j + 1) * dims), j * dims);
  }
}

/** 1 − cos, from the squared distance of two unit vectors: 0 … 2. */
export function cosineDistance(square: number): number {
  return Math.min(2, Math.max(0, square / 2));
}

/**
 * Gives a row length 1, into `out`; what is missing (NaN) stays missing and counts for nothing.
 * @returns the length relative to the largest coordinate; 0 when there is no direction, and then `out` is not written
 */
export function normaliseRow<T extends Float32Array | Float64Array>(
  values: T,
  row: number,
  dims: number,
  out: T,
): number {
  const base = row * dims;
  let largest = 0;
  for (let d = 0; d < dims; d++) {
    const size = Math.abs(values[base + d]!);
    if (size > largest) largest = size;
  }
  if (!(largest > 0)) return 0;
  let square = 0;
  for (let d = 0; d < dims; d++) {
    const share = values[base + d]! / largest;
    if (!Number.isNaN(share)) square += share * share;
  }
  const length = Math.sqrt(square);
  for (let d = 0; d < dims; d++) out[base + d] = values[base + d]! / largest / length;
  return length;
}

export function zeroVector(row: number, dims: number): MeanstreamError {
  return new MeanstreamError(
    'MEANSTREAM_ZERO_VECTOR',
    `Row ${row} has no direction: all its ${dims} coordinates are 0; leave it out or use the Euclidean metric.`,
    { row, dims },
  );
}
