// What a NaN in a point means. A policy is chosen, never guessed, and belongs to the model: another policy is another metric.
//
// - reject: it is a fault of the point.
// - mean: the feature's mean of the model's scaler stands for it.
// - partial: it says nothing; the other coordinates count for it,
//
//       ‖x − c‖² = dims / present · Σ over present (x_d − c_d)²     as in scikit-learn's nan_euclidean_distances
//
//   and only these take part in the centroid's mean.

import { MeanstreamError } from '../support/index.ts';

export type MissingPolicy = 'reject' | 'mean' | 'partial';

/** @throws MEANSTREAM_MISSING_VALUE when the n rows have any NaN */
export function rejectMissing(values: Float32Array, n: number, dims: number): void {
  for (let i = 0; i < n * dims; i++) if (Number.isNaN(values[i])) throw missing(i, dims);
}

/** Puts `mean` in the place of each NaN, in place. @returns how many */
export function imputeMean(
  values: Float32Array,
  n: number,
  dims: number,
  mean: Float64Array,
): number {
  let count = 0;
  for (let i = 0; i < n * dims; i++) {
    if (!Number.isNaN(values[i])) continue;
    values[i] = mean[i % dims]!;
    count += 1;
  }
  return count;
}

/**
 * The nearest two by partial distance; the columns are those of Kernels.nearestTwo.
 * @throws MEANSTREAM_MISSING_VALUE for a row without any value
 */
export function nearestTwoPartial(
  points: Float32Array,
  n: number,
  dims: number,
  centroids: Float32Array,
  k: number,
  labels: Int32Array,
  nearest: Float32Array,
  second: Float32Array,
): void {
  for (let row = 0; row < n; row++) {
    let label = 0;
    let first = Infinity;
    let runnerUp = Infinity;
    for (let j = 0; j < k; j++) {
      const square = partialSquare(points, row, dims, centroids, j);
      if (square < first) {
        runnerUp = first;
        first = square;
        label = j;
      } else if (square < runnerUp) runnerUp = square;
    }
    labels[row] = label;
    nearest[row] = first;
    second[row] = runnerUp;
  }
}

function partialSquare(
  points: Float32Array,
  row: number,
  dims: number,
  centroids: Float32Array,
  j: number,
): number {
  let [sum, present] = [0, 0];
  for (let d = 0, a = row * dims, b = j * dims; d < dims; d++, a++, b++) {
    const value = points[a]!;
    if (Number.isNaN(value)) continue;
    const difference = value - centroids[b]!;
    sum += difference * difference;
    present += 1;
  }
  if (present === 0) throw missing(row * dims, dims);
  return (sum * dims) / present;
}

function missing(index: number, dims: number): MeanstreamError {
  const [row, feature] = [Math.floor(index / dims), index % dims];
  return new MeanstreamError(
    'MEANSTREAM_MISSING_VALUE',
    `Row ${row} has no value for feature ${feature}; send one, or choose a policy for missing values.`,
    { row, feature },
  );
}
