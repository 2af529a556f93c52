import { describe, expect, it } from 'vitest';
import type { Model } from '../schemas/index.ts';
import { adoptedIds } from './adopted-ids.ts';
import { nothingDecided } from './decided.ts';

/** c2 died at patch 12 and c4 was born in its place. */
const owner = {
  generation: {
    name: '1.0',
    parent: null,
    origin: 'bootstrap' as const,
    seed: 1,
    features: [],
    missing: 'reject' as const,
    featureMeans: new Float64Array(0),
  },
  clusterIds: ['c1', 'c4', 'c3'],
  bornPatches: [0, 12, 0],
  nextClusterNumber: 5,
  decided: { ...nothingDecided, births: { '0.9': 3, '1.0': 4 } },
};

function adopt(parent: string | null, clusterIds: string[], nextClusterNumber: number) {
  const candidate = { parent, clusterIds, nextClusterNumber, offsets: {} };
  const adopted = adoptedIds(candidate as unknown as Model, owner);
  return { ids: adopted.clusterIds, next: adopted.nextClusterNumber };
}

describe('the ids of a candidate', () => {
  it('stay when the clusters were there when the retrain began, or nobody had the number', () => {
    expect(adopt('1.0.15', ['c4', 'c5', 'c1'], 6)).toEqual({ ids: ['c4', 'c5', 'c1'], next: 6 });
  });

  it('are minted anew when the number was given to another cluster since', () => {
    expect(adopt('1.0.10', ['c1', 'c4', 'c3'], 5)).toEqual({ ids: ['c1', 'c5', 'c3'], next: 6 });
  });

  it('are minted anew when their cluster has died since', () => {
    expect(adopt('1.0.10', ['c1', 'c2', 'c3'], 4)).toEqual({ ids: ['c1', 'c5', 'c3'], next: 6 });
  });

  it('are all new when the retrain does not come from this generation', () => {
    expect(adopt(null, ['c1', 'c2', 'c7'], 8)).toEqual({ ids: ['c8', 'c9', 'c7'], next: 10 });
  });

  it('stay when the retrain comes from another generation, and the clusters are older than that', () => {
    expect(adopt('0.9.40', ['c1', 'c2', 'c3'], 4)).toEqual({ ids: ['c1', 'c2', 'c5'], next: 6 });
  });

  it('are taken as they are when there is no model yet', () => {
    const none = {
      ...{ generation: undefined, clusterIds: [], bornPatches: [], nextClusterNumber: 1 },
      decided: nothingDecided,
    };
    const candidate = { parent: null, clusterIds: ['c1', 'c2'], nextClusterNumber: 3, offsets: {} };
    expect(adoptedIds(candidate as unknown as Model, none).clusterIds).toEqual(['c1', 'c2']);
  });
});
