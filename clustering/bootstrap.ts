// The first model of a stream, from a sample of its first points: scaler, seeds and Lloyd on the sample. The reference
// of the generation is the set of centroids found; the sample's statistics are the prior that later points outweigh.

import type { OnlineStart } from './cluster-state.ts';
import type { PointSpace } from './metric.ts';
import { fitModel, type ModelFitOptions } from './model-fit.ts';

export type BootstrapOptions = Omit<ModelFitOptions, 'initial'>;

export type FirstModel = OnlineStart & PointSpace;

/** Centroids and reference are one: patch 0 of the generation. @throws MEANSTREAM_TOO_FEW_DISTINCT_POINTS */
export function bootstrapModel(options: BootstrapOptions): FirstModel {
  const { k, dims } = options;
  const fit = fitModel({ nInit: 10, ...options, initial: 'surplus' });
  const { metric, missing, featureMeans, mean, scale, centroids } = fit;
  const { weights, sumSquares, distanceHistogram } = fit;
  const basis = { k, dims, mean, scale, metric, reference: centroids };
  return { ...basis, missing, featureMeans, centroids, weights, sumSquares, distanceHistogram };
}
