// From points as they came to a model: scaler and feature means, points into the space (metric.ts), seeds and full batch there,
// and the way back to input units. The first model of a stream (bootstrap.ts) and every retrain are made here.

import {
  type FullBatchFit,
  type FullBatchOptions,
  fullBatchSteps,
  type IterationReport,
} from './full-batch.ts';
import { directionsOf, enterSpace, type Metric, type PointSpace } from './metric.ts';
import { fitPresentScaler, hasMissing, type MissingPolicy } from './missing-values.ts';
import { partialFitSteps } from './partial-fit.ts';
import { fitScaler, identityScaler, type Scaler, scalePoints, unscalePoints } from './scaler.ts';
import { surplusSeeds } from './shrinking-path.ts';
import { normaliseCentroids } from './spherical.ts';

/** Points as they came, and how they are to be seen. */
export interface SpaceFitOptions {
  /** n × dims, input units; NaN where a value is missing. */
  readonly values: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly weights?: Float32Array | undefined;
  /** Default: Euclidean. */
  readonly metric?: Metric | undefined;
  /** Default: nothing is missing. `partial` does not go with cosine: a direction needs all its coordinates. */
  readonly missing?: MissingPolicy | undefined;
}

export interface ModelFitOptions
  extends SpaceFitOptions,
    Pick<FullBatchOptions, 'k' | 'seed' | 'kernels' | 'nInit'> {
  /** Whether features are standardised; false with cosine. */
  readonly scaling: boolean;
  /** One more run begins here: k × dims, input units; or at the centres left when a surplus of them is merged away. */
  readonly initial?: Float64Array | 'surplus' | undefined;
}

/** Centroids in input units; statistics in the model's space. */
export interface ModelFit extends FullBatchFit, PointSpace, Scaler {}

export function fitModel(options: ModelFitOptions): ModelFit {
  const steps = modelFitSteps(options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The points as they stand in the space of a model made from them, complete. For `reject` and Euclidean: themselves. */
export function completePoints(options: SpaceFitOptions): Float32Array {
  const { values, n, dims, metric = 'euclidean', missing = 'reject' } = options;
  if (metric === 'euclidean' && missing === 'reject') return values;
  const out = new Float32Array(n * dims);
  enterSpace(values, n, dims, spaceOf({ ...options, missing: filling(missing) }), out);
  return out;
}

export function* modelFitSteps(options: ModelFitOptions): Generator<IterationReport, ModelFit> {
  const { values, n, dims, k, weights, seed, kernels, nInit, metric } = options;
  const space = spaceOf(options);
  const scaler = scalerOf(options);
  const scaled = new Float32Array(new SharedArrayBuffer(n * dims * 4));
  const isPlain = space.metric === 'euclidean' && space.missing !== 'mean';
  if (!isPlain) enterSpace(values, n, dims, space, scaled);
  scalePoints(isPlain ? values : scaled, n, dims, scaler.mean, scaler.scale, scaled);
  const lacks = space.missing === 'partial' && hasMissing(scaled, n, dims);
  const filled = lacks
    ? completePoints({ values: scaled, n, dims, weights, missing: 'mean' })
    : scaled;
  const points = { values: filled, n, dims, weights, seed, kernels };
  const initial = beginning(options, points, scaler);
  const whole = yield* fullBatchSteps({
    ...{ ...points, k, initial },
    ...(nInit !== undefined && { nInit }),
    ...(metric !== undefined && { metric }),
  });
  const starts = [whole.centroids, ...(initial === undefined ? [] : [initial])];
  const fit = lacks
    ? yield* partialFitSteps({ values: scaled, filled, n, dims, k, weights, kernels, starts })
    : whole;
  return { ...fit, ...space, ...scaler, centroids: unscalePoints(fit.centroids, k, dims, scaler) };
}

function spaceOf({
  values,
  n,
  dims,
  weights,
  metric = 'euclidean',
  missing = 'reject',
}: SpaceFitOptions): PointSpace {
  let featureMeans: Float64Array = new Float64Array(0);
  if (missing === 'mean') {
    let points: Float32Array = values;
    if (metric === 'cosine') {
      points = new Float32Array(n * dims);
      directionsOf(values, n, dims, points);
    }
    featureMeans = fitPresentScaler(points, n, dims, weights).mean;
  }
  return { metric, missing, featureMeans };
}

function scalerOf({ values, n, dims, weights, scaling, missing }: ModelFitOptions): Scaler {
  if (!scaling) return identityScaler(dims);
  const isComplete = missing === undefined || missing === 'reject';
  return (isComplete ? fitScaler : fitPresentScaler)(values, n, dims, weights);
}

function beginning(
  { k, dims, metric, initial }: ModelFitOptions,
  points: Parameters<typeof surplusSeeds>[0],
  { mean, scale }: Scaler,
): Float64Array | undefined {
  const centroids =
    initial === 'surplus'
      ? surplusSeeds(points, k)
      : initial
          ?.subarray(0, k * dims)
          .map((value, i) => (value - mean[i % dims]!) / scale[i % dims]!);
  if (centroids !== undefined && metric === 'cosine') {
    normaliseCentroids(centroids, k, dims, centroids.slice());
  }
  return centroids;
}

/** What fills the gaps where something complete is wanted. */
function filling(missing: MissingPolicy): MissingPolicy {
  return missing === 'partial' ? 'mean' : missing;
}
