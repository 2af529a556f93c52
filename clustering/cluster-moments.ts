// What is known of a clustering's points when they are gone: weight, sum and sum of squares per cluster. They add up, so
// partitions and epochs can be summed apart and joined; every index of validity.ts comes from them.
//
//     w = Σ w      S = Σ w·(x − r)      Q = Σ w·‖x − r‖²      about a fixed reference r per cluster, in float64
//     c = r + S/w      SSE = Q − ‖S‖²/w
//
// Residuals about a reference near the cluster, not raw sums: with a large mean, Σx² − (Σx)²/w has no digits left.

import { assert } from '../support/index.ts';

/** A clustering as its statistics show it, in whatever space its points were in. */
export interface ClusterSummary {
  readonly k: number;
  readonly dims: number;
  /** k × dims. */
  readonly centroids: Float64Array;
  readonly weights: Float64Array;
  /** Σ weight · squared distance to the centroid. */
  readonly sumSquares: Float64Array;
}

export interface ClusterMoments {
  readonly k: number;
  readonly dims: number;
  /** k × dims: what the sums are about. */
  readonly reference: Float64Array;
  readonly weights: Float64Array;
  readonly sums: Float64Array;
  readonly sumSquares: Float64Array;
}

/** Labelled points, n × dims. */
export interface LabelledPoints {
  readonly values: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly labels: Int32Array;
  readonly weights?: Float32Array | undefined;
}

export function emptyMoments(k: number, dims: number, reference: Float64Array): ClusterMoments {
  assert(reference.length === k * dims, 'one reference point per cluster');
  const weights = new Float64Array(k);
  const sums = new Float64Array(k * dims);
  return { k, dims, reference, weights, sums, sumSquares: new Float64Array(k) };
}

export function addPoints(moments: ClusterMoments, points: LabelledPoints): void {
  const { reference, weights, sums, sumSquares, dims } = moments;
  for (let row = 0; row < points.n; row++) {
    const label = points.labels[row]!;
    const weight = points.weights === undefined ? 1 : points.weights[row]!;
    let square = 0;
    for (let d = 0, i = row * dims, j = label * dims; d < dims; d++, i++, j++) {
      const residual = points.values[i]! - reference[j]!;
      sums[j]! += weight * residual;
      square += residual * residual;
    }
    weights[label]! += weight;
    sumSquares[label]! += weight * square;
  }
}

/** Adds `from` to `into`; both are about the same reference. */
export function mergeMoments(into: ClusterMoments, from: ClusterMoments): void {
  assert(
    into.reference.length === from.reference.length &&
      into.reference.every((value, i) => value === from.reference[i]),
    'moments about one reference add up; others do not',
  );
  addInPlace(into.weights, from.weights);
  addInPlace(into.sums, from.sums);
  addInPlace(into.sumSquares, from.sumSquares);
}

/** An empty cluster stays at its reference. */
export function summarise(moments: ClusterMoments): ClusterSummary {
  const { k, dims, weights, sums } = moments;
  const centroids = moments.reference.slice();
  const sumSquares = new Float64Array(k);
  for (let j = 0; j < k; j++) {
    const weight = weights[j]!;
    if (weight <= 0) continue;
    let square = 0;
    for (let d = 0; d < dims; d++) {
      const sum = sums[j * dims + d]!;
      centroids[j * dims + d]! += sum / weight;
      square += sum * sum;
    }
    sumSquares[j] = Math.max(0, moments.sumSquares[j]! - square / weight);
  }
  return { k, dims, centroids, weights: weights.slice(), sumSquares };
}

/** Of points at hand. The reference is the first point of each cluster, so that nothing cancels. */
export function summarisePoints(points: LabelledPoints, k: number): ClusterSummary {
  const { values, n, dims, labels } = points;
  const reference = new Float64Array(k * dims);
  for (let row = n - 1; row >= 0; row--) {
    reference.set(values.subarray(row * dims, (row + 1) * dims), labels[row]! * dims);
  }
  const moments = emptyMoments(k, dims, reference);
  addPoints(moments, points);
  return summarise(moments);
}

function addInPlace(into: Float64Array, from: Float64Array): void {
  for (let i = 0; i < into.length; i++) into[i]! += from[i]!;
}
