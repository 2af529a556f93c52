import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Assigner } from './assigner.ts';
import { bootstrapModel } from './bootstrap.ts';
import { fitFullBatch } from './full-batch.ts';
import { matchClusters } from './identity.ts';
import { referenceKernels as kernels } from './kernels/reference.ts';
import { lineageOf } from './lineage.ts';
import { surplusSeeds } from './shrinking-path.ts';
import { gaussianMixture } from './testing/gaussian-mixtures.ts';
import { type Points, streamThrough } from './testing/streams.ts';

/** Labels with counts[i][j] points in old i and new j. */
function labelsOf(counts: readonly (readonly number[])[]) {
  const [oldLabels, newLabels]: [number[], number[]] = [[], []];
  for (const [i, row] of counts.entries()) {
    for (const [j, count] of row.entries()) {
      for (let point = 0; point < count; point++) {
        oldLabels.push(i);
        newLabels.push(j);
      }
    }
  }
  return {
    oldLabels: Int32Array.from(oldLabels),
    newLabels: Int32Array.from(newLabels),
    oldK: counts.length,
    newK: counts[0]!.length,
  };
}

function fates(counts: readonly (readonly number[])[]) {
  const labels = labelsOf(counts);
  const { oldFates, newFates } = lineageOf(labels, matchClusters(labels));
  return {
    old: oldFates.map((fate) => fate.fate),
    new: newFates.map((fate) => fate.fate),
    oldFates,
    newFates,
  };
}

describe('the lineage of clusters over a retrain', () => {
  it('calls a cluster split when another takes a part of it, and the larger part keeps its identity', () => {
    const lineage = fates([
      [60, 40, 0],
      [0, 0, 100],
    ]);
    expect(lineage.new).toEqual(['survived', 'split', 'survived']);
    expect(lineage.newFates[1]).toEqual({ fate: 'split', old: 0 });
    expect(lineage.old).toEqual(['survived', 'survived']);
  });

  it('calls a cluster split when no part is large enough to be it', () => {
    const lineage = fates([[25, 25, 25, 25]]);
    expect(lineage.oldFates).toEqual([{ fate: 'split', new: [0, 1, 2, 3] }]);
    expect(lineage.new).toEqual(['split', 'split', 'split', 'split']);
  });

  it('calls a cluster absorbed when it is a good part of one that is not it', () => {
    const lineage = fates([
      [70, 0],
      [40, 0],
      [0, 90],
    ]);
    expect(lineage.oldFates[1]).toEqual({ fate: 'absorbed', new: 0 });
    expect(lineage.new).toEqual(['survived', 'survived']);
  });

  it('calls a cluster born when it came from nobody, and dead when it left no trace', () => {
    const { new: newer, old } = fates([
      [100, 0, 0, 30],
      [0, 100, 0, 30],
      [0, 0, 100, 30],
      [10, 10, 10, 10],
    ]);
    expect(newer).toEqual(['survived', 'survived', 'survived', 'born']);
    expect(old).toEqual(['survived', 'survived', 'survived', 'died']);
  });

  it('gives every cluster one fate, and survivors each other', () => {
    const { oldFates, newFates } = fates([
      [90, 5, 0, 7],
      [3, 40, 45, 0],
      [0, 1, 2, 80],
    ]);
    for (const [i, fate] of oldFates.entries()) {
      if (fate.fate === 'survived') expect(newFates[fate.new]).toMatchObject({ old: i });
    }
    expect(newFates).toHaveLength(4);
  });
});

describe('matching against SciPy', () => {
  const golden = JSON.parse(
    readFileSync(new URL('../test/golden/scikit-learn.json', import.meta.url), 'utf8'),
  ) as { assignments: { counts: number[][]; pairs: [number, number][]; jaccard: number }[] };

  it.each(
    golden.assignments.map((item) => [item.counts.length, item.counts[0]!.length, item] as const),
  )(
    'pairs %i old with %i new clusters as linear_sum_assignment does',
    (_, newK, { counts, pairs, jaccard }) => {
      const match = matchClusters({ ...labelsOf(counts), jaccardMin: 1e-9 });
      const total = match.jaccard.reduce((sum, value) => sum + value, 0);
      expect(total).toBeCloseTo(jaccard, 10);
      const expected = new Int32Array(newK).fill(-1);
      for (const [i, j] of pairs) if (counts[i]![j]! > 0) expected[j] = i;
      expect([...match.oldOf]).toEqual([...expected]);
    },
  );
});

describe('a retrain of a stationary stream', () => {
  it.each([
    [2, 2, 5],
    [5, 3, 5],
    [10, 2, 4],
    [8, 8, 6],
    [12, 16, 5],
    [20, 3, 5],
    [20, 32, 6],
  ])(
    'keeps the ids of 99 in 100 points: %i clusters in %i dimensions, %iσ apart',
    (k, dims, separation) => {
      for (const seed of [1, 2, 3]) {
        const points = gaussianMixture({ k, dims, separation, n: 4000, seed: 100 * seed + k });
        const { labels, newLabels } = retrained(points, k, seed);
        const both = { oldLabels: labels, newLabels, oldK: k, newK: k };
        const match = matchClusters(both);
        expect(match.stability, `seed ${seed}`).toBeGreaterThanOrEqual(0.99);
        const { newFates } = lineageOf(both, match);
        expect(newFates.every(({ fate }) => fate === 'survived')).toBe(true);
      }
    },
  );
});

/** Labels by the model of the stream, and by a fit of all its points that knows nothing of that model. */
function retrained(points: Points, k: number, seed: number) {
  const { n, dims } = points;
  const model = streamThrough(points, { k, batch: 500, bootstrapRows: 2000, seed });
  const values = points.values.subarray(0, 2000 * dims);
  const start = bootstrapModel({ values, n: 2000, dims, k, seed, scaling: true, kernels });
  const old = new Assigner({ ...start, ...model.snapshot() }, kernels);
  old.assign(points.values, n);
  const scaled = { values: old.scaled, n, dims, seed: 99 + seed, kernels };
  const fit = fitFullBatch({ ...scaled, k, nInit: 1, initial: surplusSeeds(scaled, k) });
  return { labels: old.labels.subarray(0, n), newLabels: fit.labels };
}
