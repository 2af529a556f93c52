// The owner's state as the model version that the world reads.

import { clusteringQuality } from '../clustering/index.ts';
import type { Model } from '../schemas/index.ts';
import type { FoldState } from './fold-state.ts';

/** The state must have a generation. The arrays are fresh. */
export function modelOf(state: FoldState, codeVersion: string, createdAtMs: number): Model {
  const { clusterIds, nextClusterNumber, offsets, deltaOffset } = state;
  const generation = state.generation!;
  const online = state.online!;
  const snapshot = online.snapshot();
  const { k, dims, mean, scale, reference, metric = 'euclidean' } = online.basis;
  const { meanSquaredDistance, imbalance } = clusteringQuality(snapshot);
  const { parent, origin, seed, features, missing, featureMeans } = generation;
  const { lineage = [], parameters = {} } = generation;
  const { patch } = online;
  return {
    version: `${generation.name}.${patch}`,
    parent: patch === 0 ? parent : `${generation.name}.${patch - 1}`,
    createdAtMs,
    origin: patch === 0 ? origin : 'online',
    k,
    dims,
    metric,
    missing,
    featureMeans,
    seed,
    features,
    clusterIds: [...clusterIds],
    nextClusterNumber,
    ...snapshot,
    mean,
    scale,
    reference,
    offsets: { ...offsets },
    deltaOffset,
    quality: { meanSquaredDistance, imbalance },
    halfLife: online.halfLife,
    landmarkMs: online.landmarkMs,
    lineage: patch === 0 ? lineage : [],
    parameters,
    codeVersion,
  };
}
