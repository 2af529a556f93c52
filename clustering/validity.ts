// How well clusters are separated: Calinski-Harabasz, Davies-Bouldin and the silhouette.
//
//     CH = [Σ w_j‖c_j − c‖² / (k − 1)] / [Σ SSE_j / (W − k)]                 T. Caliński, J. Harabasz, 1974; higher is better
//     DB = mean over i of max over j ≠ i of (S_i + S_j) / ‖c_i − c_j‖        D. Davies, D. Bouldin, 1979; lower is better
//     s(x) = (b − a) / max(a, b)                                             P. Rousseeuw, 1987; −1 … 1
//
// In DB, S is the root mean squared distance when it comes from statistics, and the mean distance (as in scikit-learn) when it
// comes from points: two numbers of different size, never compared with each other. In the silhouette, distances are squared
// Euclidean; then the mean distance of x from a whole cluster is ‖x − c‖² + SSE/w, and from the others of its own that times
// w/(w − 1): exact, and O(k · dims) a point instead of O(n · dims).
//
// Clusters without weight do not exist here. An index that the data do not define is undefined, never 0 or infinite.

import type { ClusterSummary, LabelledPoints } from './cluster-moments.ts';
import { clusterRadius } from './quality.ts';

/** Undefined with fewer than two clusters, no more weight than clusters, or no spread within them. */
export function calinskiHarabasz(summary: ClusterSummary): number | undefined {
  const { dims, centroids, weights, sumSquares } = summary;
  const clusters = inhabited(summary);
  let weight = 0;
  let within = 0;
  const mean = new Float64Array(dims);
  for (const j of clusters) {
    weight += weights[j]!;
    within += sumSquares[j]!;
    const share = weights[j]! / weight;
    for (let d = 0; d < dims; d++) mean[d]! += share * (centroids[j * dims + d]! - mean[d]!);
  }
  const k = clusters.length;
  if (k < 2 || !(weight > k) || !(within > 0)) return undefined;
  let between = 0;
  for (const j of clusters) {
    let square = 0;
    for (let d = 0; d < dims; d++) square += (centroids[j * dims + d]! - mean[d]!) ** 2;
    between += weights[j]! * square;
  }
  return between / (k - 1) / (within / (weight - k));
}

/** From statistics: S is the root mean squared distance. Undefined with fewer than two clusters or when two coincide. */
export function daviesBouldin(summary: ClusterSummary): number | undefined {
  const { weights, sumSquares } = summary;
  return meanWorstRatio(
    summary,
    weights.map((weight, j) => clusterRadius(sumSquares[j]!, weight)),
  );
}

/** From points, as scikit-learn does it: S is the mean distance. @param summary of these very points */
export function daviesBouldinOfPoints(
  summary: ClusterSummary,
  points: LabelledPoints,
): number | undefined {
  const { values, n, dims, labels } = points;
  const distances = new Float64Array(summary.k);
  for (let row = 0; row < n; row++) {
    const label = labels[row]!;
    const weight = points.weights === undefined ? 1 : points.weights[row]!;
    const distance = Math.sqrt(squareTo(values, row, summary.centroids, label, dims));
    distances[label]! += weight * distance;
  }
  const spreads = distances.map((sum, j) => sum / summary.weights[j]!);
  return meanWorstRatio(summary, spreads);
}

export interface Silhouette {
  /** Over all points, by weight. */
  readonly mean: number;
  /** k; undefined for a cluster without points. */
  readonly perCluster: readonly (number | undefined)[];
}

/**
 * The squared-Euclidean silhouette of a sample. Undefined with fewer than two clusters. A weight counts as so many equal points;
 * a cluster of weight 1 or less scores 0. @param summary of these very points: with decayed statistics it is an approximation.
 */
export function silhouette(
  summary: ClusterSummary,
  points: LabelledPoints,
): Silhouette | undefined {
  const clusters = inhabited(summary);
  if (clusters.length < 2) return undefined;
  const scores = new Float64Array(summary.k);
  const weights = new Float64Array(summary.k);
  for (let row = 0; row < points.n; row++) {
    const weight = points.weights === undefined ? 1 : points.weights[row]!;
    if (weight <= 0) continue;
    weights[points.labels[row]!]! += weight;
    scores[points.labels[row]!]! += weight * silhouetteOf(summary, clusters, points, row);
  }
  const perCluster = Array.from(scores, (score, j) =>
    weights[j]! > 0 ? score / weights[j]! : undefined,
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!(total > 0)) return undefined;
  return { mean: scores.reduce((sum, score) => sum + score, 0) / total, perCluster };
}

function silhouetteOf(
  { centroids, weights, sumSquares }: ClusterSummary,
  clusters: readonly number[],
  { values, dims, labels }: LabelledPoints,
  row: number,
): number {
  const own = labels[row]!;
  if (!(weights[own]! > 1)) return 0;
  let within = 0;
  let nearest = Infinity;
  for (const j of clusters) {
    const mean = squareTo(values, row, centroids, j, dims) + sumSquares[j]! / weights[j]!;
    if (j === own) within = (mean * weights[j]!) / (weights[j]! - 1);
    else if (mean < nearest) nearest = mean;
  }
  const larger = Math.max(within, nearest);
  return larger > 0 ? (nearest - within) / larger : 0;
}

function meanWorstRatio(summary: ClusterSummary, spreads: Float64Array): number | undefined {
  const { dims, centroids } = summary;
  const clusters = inhabited(summary);
  if (clusters.length < 2) return undefined;
  let sum = 0;
  for (const i of clusters) {
    let worst = 0;
    for (const j of clusters) {
      if (j === i) continue;
      const distance = Math.sqrt(squareTo(centroids, i, centroids, j, dims));
      if (!(distance > 0)) return undefined;
      worst = Math.max(worst, (spreads[i]! + spreads[j]!) / distance);
    }
    sum += worst;
  }
  return sum / clusters.length;
}

function inhabited({ weights }: ClusterSummary): number[] {
  return Array.from(weights.keys()).filter((j) => weights[j]! > 0);
}

function squareTo(
  values: Float32Array | Float64Array,
  row: number,
  centroids: Float64Array,
  j: number,
  dims: number,
): number {
  let square = 0;
  for (let d = 0, a = row * dims, b = j * dims; d < dims; d++, a++, b++) {
    const difference = values[a]! - centroids[b]!;
    square += difference * difference;
  }
  return square;
}
