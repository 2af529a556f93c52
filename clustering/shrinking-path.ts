// One clustering for every k from kMax down to 1, each from the one before: fit with a surplus of centres, then again and again
// merge the pair that adds the least error (J. Ward, 1963) and let Lloyd settle. With a surplus no cluster is missed at the
// start, and merging does not lose one that is apart; so the path meets far fewer poor local optima than a fit per k.
//
//     cost of merging a and b = w_a·w_b / (w_a + w_b) · ‖c_a − c_b‖²
//
// O(n · k² · dims) for the whole path, instead of that times runs and iterations.

import type { ClusterSummary } from './cluster-moments.ts';
import { fitFullBatch } from './full-batch.ts';
import type { Kernels } from './kernels/kernels.ts';
import { countDistinct } from './seeding.ts';

export interface PathOptions {
  /** n × dims, scaled. */
  readonly values: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly weights?: Float32Array | undefined;
  readonly kMax: number;
  readonly seed: number;
  readonly kernels: Kernels;
}

export interface PathFit extends ClusterSummary {
  readonly labels: Int32Array;
  readonly inertia: number;
}

/** Centres at the start, for each of kMax. */
const surplus = 1.5;
const settleIterationsMax = 4;
/** Each merge looks at all pairs. */
const surplusSeedsMax = 128;

/** At place k − 1 the clustering with k clusters; no longer than there are distinct points. */
export function shrinkingPath(options: PathOptions): PathFit[] {
  let fit = startOfPath(options);
  const path: PathFit[] = [];
  for (;;) {
    if (fit.k <= options.kMax) path[fit.k - 1] = fit;
    if (fit.k === 1) return path;
    fit = settle(options, mergeCheapest(fit).centroids, fit.k - 1);
  }
}

/** ln of the inertia at place k − 1, by merging alone: the same for data and for what it is compared with, and cheap. */
export function mergeCurve(options: PathOptions): Float64Array {
  const start = startOfPath(options);
  const curve = new Float64Array(Math.min(options.kMax, start.k));
  let summary: ClusterSummary = start;
  let inertia = start.inertia;
  for (;;) {
    if (summary.k <= curve.length) curve[summary.k - 1] = Math.log(Math.max(inertia, 1e-300));
    if (summary.k === 1) return curve;
    const merged = mergeCheapest(summary);
    inertia += merged.cost;
    summary = merged;
  }
}

/**
 * Where a fit of k clusters best begins: a surplus of centres, merged down to k. On groups that are apart, one run from here ends
 * where the best of ten from k-means++ often does not. Undefined where there are fewer distinct points, or too many clusters
 * for merging to be cheap.
 */
export function surplusSeeds(options: Omit<PathOptions, 'kMax'>, k: number) {
  if (k > surplusSeedsMax) return undefined;
  let summary: ClusterSummary = startOfPath({ ...options, kMax: k });
  if (summary.k < k) return undefined;
  while (summary.k > k) summary = mergeCheapest(summary);
  return summary.centroids;
}

function startOfPath(options: PathOptions): PathFit {
  const { values, n, dims, weights, kMax } = options;
  const wanted = Math.ceil(surplus * kMax);
  const k = Math.max(1, Math.min(wanted, countDistinct(values, n, dims, wanted, weights)));
  return settle(options, undefined, k);
}

function settle(options: PathOptions, initial: Float64Array | undefined, k: number) {
  const fit = fitFullBatch({
    ...options,
    k,
    nInit: initial === undefined ? 1 : 0,
    iterationsMax: settleIterationsMax,
    initial,
  });
  return { ...fit, k, dims: options.dims };
}

/** With one cluster fewer; the sums of squares stay exact. */
export function mergeCheapest(summary: ClusterSummary): ClusterSummary & { readonly cost: number } {
  const { k, dims, weights } = summary;
  const { a, b, cost } = cheapestPair(summary);
  const keep = Array.from({ length: k }, (_, j) => j).filter((j) => j !== b);
  const pick = (column: Float64Array) => Float64Array.from(keep, (j) => column[j]!);
  const centroids = new Float64Array((k - 1) * dims);
  for (const [i, j] of keep.entries()) {
    centroids.set(summary.centroids.subarray(j * dims, (j + 1) * dims), i * dims);
  }
  const merged = { k: k - 1, dims, centroids, weights: pick(weights), cost };
  const sumSquares = pick(summary.sumSquares);
  const share = weights[a]! + weights[b]! > 0 ? weights[b]! / (weights[a]! + weights[b]!) : 0;
  for (let d = 0; d < dims; d++) {
    const step = summary.centroids[b * dims + d]! - summary.centroids[a * dims + d]!;
    centroids[a * dims + d]! += share * step;
  }
  merged.weights[a]! += weights[b]!;
  sumSquares[a]! += summary.sumSquares[b]! + cost;
  return { ...merged, sumSquares };
}

/** a < b */
function cheapestPair({ k, dims, centroids, weights }: ClusterSummary) {
  let best = { a: 0, b: 1, cost: Infinity };
  for (let a = 0; a < k; a++) {
    for (let b = a + 1; b < k; b++) {
      const both = weights[a]! + weights[b]!;
      const factor = both > 0 ? (weights[a]! * weights[b]!) / both : 0;
      const bound = best.cost / factor;
      let square = 0;
      for (let d = 0; d < dims && !(square >= bound); d++) {
        square += (centroids[a * dims + d]! - centroids[b * dims + d]!) ** 2;
      }
      if (factor * square < best.cost) best = { a, b, cost: factor * square };
    }
  }
  return best;
}
