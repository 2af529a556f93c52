// One cluster of the online model, and the arithmetic that is about one cluster alone. Sums are residuals about the
// generation's reference r, so that nothing cancels and nothing depends on where the centroid happens to be.

import { distanceBins } from './distance-histogram.ts';
import type { Metric } from './metric.ts';
import { normaliseRow } from './spherical.ts';

/** What is fixed for a generation. Input units. */
export interface OnlineBasis {
  readonly k: number;
  readonly dims: number;
  readonly mean: Float64Array;
  readonly scale: Float64Array;
  readonly reference: Float64Array;
  /** Default: Euclidean. With cosine, centroids are unit vectors. */
  readonly metric?: Metric | undefined;
}

/** A model to go on from. */
export interface OnlineStart extends OnlineBasis {
  readonly centroids: Float64Array;
  readonly weights: Float64Array;
  readonly sumSquares: Float64Array;
  readonly distanceHistogram: Float64Array;
}

/** Below this a weight is no divisor: the centroid stays where it is. */
const weightMin = 1e-12;

/** The lifecycle remembers for so many half-lives what everything else remembers for one. */
export const longMemory = 4;

export function longDecay(decay: number): number {
  return decay ** (1 / longMemory);
}

/** One cluster. Sums are as of `foldedAt`. */
export interface ClusterState {
  weight: number;
  /** The same with a half-life `longMemory` times as long: for how long a rare cluster is kept in mind. */
  longWeight: number;
  sumSquares: number;
  /** The model's clock at the last fold. */
  foldedAt: number;
  /** The first patch at which this cluster stood in its slot, and the slot that took over from the one before. */
  bornPatch: number;
  heir: number;
  /** Clock until which it may not be relocated. */
  restsUntil: number;
  /** Since when its share has been next to nothing, by the points folded; -1 while it is not. */
  lowSince: number;
  readonly sums: Float64Array;
  readonly centroid: Float64Array;
  /** Where it was when it was last reported. */
  readonly anchor: Float64Array;
  /** Where it was when candidates were last looked at (lifecycle.ts); NaN before, and no part of the record. */
  readonly seen: Float64Array;
  readonly histogram: Float64Array;
}

/** c = r + S/w; with cosine its direction, or where it was when the points cancel out. */
export function recentre(cluster: ClusterState, basis: OnlineBasis, j: number): void {
  if (cluster.weight < weightMin) return;
  const { dims, reference } = basis;
  const { centroid, sums, weight } = cluster;
  const before = basis.metric === 'cosine' ? centroid.slice() : centroid;
  for (let d = 0; d < dims; d++) centroid[d] = reference[j * dims + d]! + sums[d]! / weight;
  if (before === centroid) return;
  if (!(normaliseRow(centroid, 0, dims, centroid) > 0)) centroid.set(before);
}

/** Q − w·‖(c − r)/scale‖², as of the cluster's last fold; with cosine c is not the mean, and it is Q − 2(c − r)·S + w·‖c − r‖². */
export function sumSquaresAboutCentroid(
  cluster: ClusterState,
  { dims, scale, reference, metric }: OnlineBasis,
  j: number,
): number {
  let square = 0;
  let along = 0;
  for (let d = 0; d < dims; d++) {
    const residual = (cluster.centroid[d]! - reference[j * dims + d]!) / scale[d]!;
    square += residual * residual;
    along += residual * cluster.sums[d]!;
  }
  const excess = cluster.weight * square;
  return Math.max(0, cluster.sumSquares - (metric === 'cosine' ? 2 * along - excess : excess));
}

export function clusterFrom(
  start: OnlineStart,
  j: number,
  factor: number,
  longFactor: number,
): ClusterState {
  const { dims, reference, scale } = start;
  const centroid = start.centroids.slice(j * dims, (j + 1) * dims);
  const weight = start.weights[j]! * factor;
  let sumSquares = start.sumSquares[j]! * factor;
  // Of unit vectors that are Q apart from their direction c, squared, the sum is (w − Q/2)·c: less than w·c.
  const shortfall = start.metric === 'cosine' ? sumSquares / 2 : 0;
  const sums = new Float64Array(dims);
  for (let d = 0; d < dims; d++) {
    const residual = centroid[d]! - reference[j * dims + d]!;
    sums[d] = weight * residual - shortfall * centroid[d]!;
    sumSquares += (weight - shortfall) * (residual / scale[d]!) ** 2;
  }
  const histogram = start.distanceHistogram.slice(j * distanceBins, (j + 1) * distanceBins);
  scaleInPlace(histogram, factor);
  const anchor = centroid.slice();
  return {
    weight,
    longWeight: start.weights[j]! * longFactor,
    sumSquares,
    foldedAt: 0,
    bornPatch: 0,
    heir: j,
    restsUntil: 0,
    lowSince: -1,
    sums,
    centroid,
    anchor,
    seen: new Float64Array(dims).fill(NaN),
    histogram,
  };
}

export function decayCluster(cluster: ClusterState, decay: number): void {
  cluster.weight *= decay;
  cluster.longWeight *= longDecay(decay);
  cluster.sumSquares *= decay;
  scaleInPlace(cluster.sums, decay);
  scaleInPlace(cluster.histogram, decay);
}

/** Distances that only matter when they are short are added up so many terms at a time. */
const termsPerLook = 4;

/** Squared distance of two points given in input units, in model space. */
export function squaredDistance(a: Float64Array, b: Float64Array, scale: Float64Array): number {
  let square = 0;
  for (let d = 0; d < scale.length; d++) {
    const difference = (a[d]! - b[d]!) / scale[d]!;
    square += difference * difference;
  }
  return square;
}

/** The same where it is below the limit, and no less than the limit where it is not: terms only add. */
export function squaredDistanceBelow(
  a: Float64Array,
  b: Float64Array,
  scale: Float64Array,
  limit: number,
): number {
  const dims = scale.length;
  let square = 0;
  for (let d = 0; d < dims; ) {
    for (const end = Math.min(dims, d + termsPerLook); d < end; d++) {
      const difference = (a[d]! - b[d]!) / scale[d]!;
      square += difference * difference;
    }
    if (square >= limit) return square;
  }
  return square;
}

/** The last number is 1 when the metric is cosine. */
export function basisToRecord(basis: OnlineBasis): Float64Array {
  const { k, dims, mean, scale, reference, metric } = basis;
  const cosine = metric === 'cosine' ? 1 : 0;
  return joined([[k, dims], mean, scale, reference, [cosine]]);
}

export function basisFromRecord(record: Float64Array): OnlineBasis {
  const [k, dims] = record as unknown as [number, number];
  const at = (from: number, length: number) => record.slice(2 + from, 2 + from + length);
  return {
    k,
    dims,
    mean: at(0, dims),
    scale: at(dims, dims),
    reference: at(2 * dims, k * dims),
    metric: record[2 + (2 + k) * dims] === 1 ? 'cosine' : 'euclidean',
  };
}

export function clusterToRecord(c: ClusterState): Float64Array {
  const head = [
    c.weight,
    c.longWeight,
    c.sumSquares,
    c.foldedAt,
    c.bornPatch,
    c.heir,
    c.restsUntil,
    c.lowSince,
  ];
  return joined([head, c.sums, c.centroid, c.anchor, c.histogram]);
}

export function clusterFromRecord(record: Float64Array, dims: number): ClusterState {
  const at = (from: number, length: number) => record.slice(8 + from, 8 + from + length);
  return {
    weight: record[0]!,
    longWeight: record[1]!,
    sumSquares: record[2]!,
    foldedAt: record[3]!,
    bornPatch: record[4]!,
    heir: record[5]!,
    restsUntil: record[6]!,
    lowSince: record[7]!,
    sums: at(0, dims),
    centroid: at(dims, dims),
    anchor: at(2 * dims, dims),
    seen: new Float64Array(dims).fill(NaN),
    histogram: at(3 * dims, distanceBins),
  };
}

/** One after the other. */
export function joined(parts: readonly ArrayLike<number>[]): Float64Array {
  const whole = new Float64Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function scaleInPlace(numbers: Float64Array, factor: number): void {
  for (let i = 0; i < numbers.length; i++) numbers[i]! *= factor;
}
