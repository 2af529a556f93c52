// Are clusters apart, or halves of one? Looked at on points that the centroids were not fitted to, because in many dimensions
// any few points split well along the line that was chosen to split them.
//
//     overlap(a, b) = (s_a + s_b) / (m_b − m_a),   m and s: mean and deviation of a's and b's points on the line c_a → c_b
//
// Halves of a Gaussian give 0.755, halves of a uniform 0.577, Gaussians 4σ apart 0.48, in any number of dimensions.

import type { LabelledPoints } from './cluster-moments.ts';

/** Above this, two clusters are taken for one. */
export const overlapMax = 0.53;

/** Of the halves of a Gaussian: 2·√(1 − 2/π) / (2·√(2/π)). */
export const overlapOfHalves = 0.755;

/** Fewer points than this show nothing. */
const pointsMin = 3;

/** The overlap of the pair that overlaps most; 1 for a cluster that has hardly any points here. 0 when k is 1. */
export function worstOverlap(centroids: Float64Array, k: number, points: LabelledPoints): number {
  let worst = 0;
  const rows = rowsByCluster(points.labels, points.n, k);
  for (let a = 0; a < k; a++) {
    if (k > 1 && rows[a]!.length < pointsMin) return 1;
    for (let b = a + 1; b < k; b++) {
      worst = Math.max(worst, overlapOf(centroids, a, b, points, rows));
    }
  }
  return worst;
}

function overlapOf(
  centroids: Float64Array,
  a: number,
  b: number,
  points: LabelledPoints,
  rows: readonly (readonly number[])[],
): number {
  const { dims } = points;
  const axis = new Float64Array(dims);
  for (let d = 0; d < dims; d++) axis[d] = centroids[b * dims + d]! - centroids[a * dims + d]!;
  const one = alongAxis(points, rows[a]!, axis);
  const other = alongAxis(points, rows[b]!, axis);
  const distance = other.mean - one.mean;
  return distance > 0 ? Math.min(1, (one.deviation + other.deviation) / distance) : 1;
}

function alongAxis(
  { values, dims, weights }: LabelledPoints,
  rows: readonly number[],
  axis: Float64Array,
) {
  let [total, mean, squares] = [0, 0, 0];
  for (const row of rows) {
    const weight = weights === undefined ? 1 : weights[row]!;
    if (!(weight > 0)) continue;
    let at = 0;
    for (let d = 0, i = row * dims; d < dims; d++, i++) at += values[i]! * axis[d]!;
    total += weight;
    const before = at - mean;
    mean += (weight / total) * before;
    squares += weight * before * (at - mean);
  }
  return { mean, deviation: total > 0 ? Math.sqrt(squares / total) : 0 };
}

function rowsByCluster(labels: Int32Array, n: number, k: number): number[][] {
  const rows = Array.from({ length: k }, (): number[] => []);
  for (let row = 0; row < n; row++) rows[labels[row]!]!.push(row);
  return rows;
}
