// The first model of a stream, from a sample of its first points: scaler, seeds and Lloyd on the sample. The reference
// of the generation is the set of centroids found; the sample's statistics are the prior that later points outweigh.

import type { OnlineStart } from './cluster-state.ts';
import { fitFullBatch } from './full-batch.ts';
import type { Kernels } from './kernels/kernels.ts';
import { fitScaler, identityScaler, scalePoints, unscalePoints } from './scaler.ts';
import { surplusSeeds } from './shrinking-path.ts';

export interface BootstrapOptions {
  /** n × dims, input units. */
  readonly values: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  readonly weights?: Float32Array | undefined;
  readonly seed: number;
  /** Whether features are standardised; false leaves the metric as it is. */
  readonly scaling: boolean;
  readonly kernels: Kernels;
  readonly nInit?: number;
}

/** Centroids and reference are one: patch 0 of the generation. @throws MEANSTREAM_TOO_FEW_DISTINCT_POINTS */
export function bootstrapModel(options: BootstrapOptions): OnlineStart {
  const { values, n, dims, k, weights, seed, scaling, kernels, nInit = 10 } = options;
  const scaler = scaling ? fitScaler(values, n, dims, weights) : identityScaler(dims);
  const scaled = new Float32Array(n * dims);
  scalePoints(values, n, dims, scaler.mean, scaler.scale, scaled);
  const points = { values: scaled, n, dims, weights, seed, kernels };
  const fit = fitFullBatch({ ...points, k, nInit, initial: surplusSeeds(points, k) });
  const centroids = unscalePoints(fit.centroids, k, dims, scaler);
  const { sumSquares, distanceHistogram } = fit;
  const { mean, scale } = scaler;
  return {
    k,
    dims,
    mean,
    scale,
    reference: centroids,
    centroids,
    weights: fit.weights,
    sumSquares,
    distanceHistogram,
  };
}
