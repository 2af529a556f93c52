// The version that a fit becomes: ids carried over from its parent, by what both models say of the same points.

import {
  Assigner,
  chooseKernels,
  clusteringQuality,
  lineageOf,
  matchClusters,
  originsOf,
} from '../clustering/index.ts';
import type { Model } from '../schemas/index.ts';
import type { FitOutput } from './fit.ts';
import type { PlannedRange } from './replay.ts';

export interface CandidateParts {
  readonly fit: FitOutput;
  readonly parent: Model;
  readonly ranges: readonly PlannedRange[];
  readonly version: string;
  readonly seed: number;
  readonly createdAtMs: number;
  readonly codeVersion: string;
  /** What the version is made again from, beside range, seed, k and parent. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Points are labelled where they stand for all (the sample of the fit), each model with its own scaler. */
export function candidateOf(parts: CandidateParts): { model: Model; idsKept: number } {
  const { fit, parent, ranges, version, seed, createdAtMs, codeVersion, parameters } = parts;
  const k = fit.weights.length;
  const space = { metric: fit.metric, missing: fit.missing, featureMeans: fit.featureMeans };
  const { mean, scale, weights, sumSquares, centroids, distanceHistogram } = fit;
  const own = { centroids, weights, sumSquares, distanceHistogram, mean, scale, ...space };
  const labels = {
    oldLabels: labelsUnder(parent, fit),
    newLabels: labelsUnder({ ...own, k, dims: parent.dims }, fit),
    weights: fit.sample.weights,
    oldK: parent.k,
    newK: k,
  };
  const match = matchClusters(labels);
  const { oldOf } = match;
  let next = parent.nextClusterNumber;
  const clusterIds = Array.from(oldOf, (old) => (old < 0 ? `c${next++}` : parent.clusterIds[old]!));
  const { meanSquaredDistance, imbalance } = clusteringQuality(fit);
  const model: Model = {
    ...{ version, parent: parent.version, createdAtMs, origin: 'retrain', seed, codeVersion },
    ...{ k, dims: parent.dims, features: parent.features, ...own },
    ...{ clusterIds, nextClusterNumber: next, reference: centroids, deltaOffset: -1 },
    offsets: Object.fromEntries(ranges.map(({ partition, from, to }) => [partition, { from, to }])),
    quality: { meanSquaredDistance, imbalance },
    halfLife: parent.halfLife,
    landmarkMs: parent.landmarkMs,
    lineage: originsOf(lineageOf(labels, match)).map(({ fate, from }) => ({
      ...{ fate, from: from.map((old) => parent.clusterIds[old]!) },
    })),
    parameters,
  };
  return { model, idsKept: oldOf.filter((old) => old >= 0).length };
}

const rowsPerBlock = 8_192;

function labelsUnder(
  model: ConstructorParameters<typeof Assigner>[0],
  { sample }: FitOutput,
): Int32Array {
  const labels = new Int32Array(sample.n);
  const assigner = new Assigner(model, chooseKernels().kernels);
  for (let from = 0; from < sample.n; from += rowsPerBlock) {
    const rows = Math.min(rowsPerBlock, sample.n - from);
    assigner.assign(sample.values.subarray(from * model.dims, (from + rows) * model.dims), rows);
    labels.set(assigner.labels.subarray(0, rows), from);
  }
  return labels;
}
