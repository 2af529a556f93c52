// What a NaN in a point means. A policy is chosen, never guessed, and belongs to the model: another policy is another metric.
//
// - reject: it is a fault of the point.
// - mean: the feature's mean of the model's generation stands for it (metric.ts).
// - partial: it says nothing; the other coordinates count for it,
//
//       ‖x − c‖² = dims / present · Σ over present (x_d − c_d)²     as in scikit-learn's nan_euclidean_distances
//
//   and only these move the centroid: for it the others are where it is already (point-entry.ts, partial-fit.ts).

import { MeanstreamError } from '../support/index.ts';
import { deviation, type Scaler } from './scaler.ts';

export type MissingPolicy = 'reject' | 'mean' | 'partial';

/** Whether any of the n rows lacks a value. */
export function hasMissing(values: Float32Array, n: number, dims: number): boolean {
  for (let i = 0; i < n * dims; i++) if (Number.isNaN(values[i])) return true;
  return false;
}

/** Which rows of a batch lack values, and how many each of them has. Reused: it is about the last `find`. */
export class PartialRows {
  count = 0;
  rows = new Int32Array(0);
  present = new Int32Array(0);

  find(values: Float32Array, n: number, dims: number): void {
    if (this.rows.length < n) {
      this.rows = new Int32Array(n);
      this.present = new Int32Array(n);
    }
    this.count = 0;
    for (let row = 0, i = 0; row < n; row++) {
      let present = 0;
      for (let d = 0; d < dims; d++, i++) if (!Number.isNaN(values[i])) present += 1;
      if (present === dims) continue;
      this.rows[this.count] = row;
      this.present[this.count] = present;
      this.count += 1;
    }
  }
}

/** The scaler of the values that are there, each feature by itself; one that nobody has gives mean 0 and scale 1. */
export function fitPresentScaler(
  values: Float32Array,
  n: number,
  dims: number,
  weights?: Float32Array,
): Scaler {
  const [mean, squares] = [new Float64Array(dims), new Float64Array(dims)];
  const totals = new Float64Array(dims);
  for (let row = 0; row < n; row++) {
    const weight = weights === undefined ? 1 : weights[row]!;
    if (weight === 0) continue;
    for (let d = 0; d < dims; d++) {
      const value = values[row * dims + d]!;
      if (Number.isNaN(value)) continue;
      totals[d]! += weight;
      const before = value - mean[d]!;
      mean[d]! += (weight / totals[d]!) * before;
      squares[d]! += weight * before * (value - mean[d]!);
    }
  }
  return { mean, scale: squares.map((square, d) => deviation(square / totals[d]!, mean[d]!)) };
}

/**
 * The nearest two by partial distance, of some rows; the columns are those of Kernels.nearestTwo.
 * @throws MEANSTREAM_MISSING_VALUE for a row without any value
 */
export function nearestTwoPartial(
  points: Float32Array,
  { rows, count }: Pick<PartialRows, 'rows' | 'count'>,
  dims: number,
  centroids: Float32Array,
  k: number,
  labels: Int32Array,
  nearest: Float32Array,
  second: Float32Array,
): void {
  for (let i = 0; i < count; i++) {
    const row = rows[i]!;
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
  let sum = 0;
  let present = 0;
  for (let d = 0, a = row * dims, b = j * dims; d < dims; d++, a++, b++) {
    const value = points[a]!;
    if (Number.isNaN(value)) continue;
    const difference = value - centroids[b]!;
    sum += difference * difference;
    present += 1;
  }
  if (present === 0) throw noValue(row);
  return (sum * dims) / present;
}

function noValue(row: number): MeanstreamError {
  return new MeanstreamError(
    'MEANSTREAM_MISSING_VALUE',
    `Row ${row} has no values at all; send at least one.`,
    { row },
  );
}
