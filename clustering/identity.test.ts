import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchClusters } from './identity.ts';

function permutations(items: number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  );
}

describe('matching clusters over a retrain', () => {
  it('finds a renumbering', () => {
    const renumbered = [2, 0, 3, 1];
    const oldLabels = Int32Array.from({ length: 400 }, (_, i) => i % 4);
    const newLabels = oldLabels.map((label) => renumbered[label]!);
    const match = matchClusters({ oldLabels, newLabels, oldK: 4, newK: 4 });
    expect([...match.oldOf]).toEqual([1, 3, 0, 2]);
    expect([...match.jaccard]).toEqual([1, 1, 1, 1]);
    expect(match.stability).toBe(1);
  });

  it('gives a cluster that shares too little no old identity', () => {
    const oldLabels = Int32Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1);
    const newLabels = Int32Array.of(0, 0, 0, 0, 0, 2, 2, 2, 1, 1, 1, 1);
    const match = matchClusters({ oldLabels, newLabels, oldK: 2, newK: 3 });
    expect([...match.oldOf]).toEqual([0, 1, -1]);
    expect(match.stability).toBeCloseTo(9 / 12, 12);
  });

  it('pairs as cheaply as the best of all permutations', () => {
    const labels = fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(labels, (pairs) => {
        const oldLabels = Int32Array.from(pairs, ([label]) => label);
        const newLabels = Int32Array.from(pairs, ([, label]) => label);
        const jaccard = (i: number, j: number) => {
          const both = pairs.filter(([a, b]) => a === i && b === j).length;
          const either = pairs.filter(([a, b]) => a === i || b === j).length;
          return either === 0 ? 0 : both / either;
        };
        const best = Math.max(
          ...permutations([0, 1, 2, 3]).map((order) =>
            order.reduce((sum, i, j) => sum + jaccard(i, j), 0),
          ),
        );
        const options = { oldLabels, newLabels, oldK: 4, newK: 4, jaccardMin: 0 };
        const match = matchClusters(options);
        const total = match.jaccard.reduce((sum, value) => sum + value, 0);
        expect(total).toBeCloseTo(best, 9);
        const given = [...match.oldOf].filter((old) => old >= 0);
        expect(new Set(given).size).toBe(given.length);
      }),
    );
  });

  it('breaks ties by the distance of the centroids', () => {
    const oldLabels = Int32Array.of(0, 0, 1, 1);
    const newLabels = Int32Array.of(0, 1, 0, 1);
    const crossed = (i: number, j: number) => (i === j ? 1 : 0);
    const options = { oldLabels, newLabels, oldK: 2, newK: 2, relativeDistance: crossed };
    expect([...matchClusters(options).oldOf]).toEqual([1, 0]);
  });

  it('mints everything anew without a shared point', () => {
    const none = new Int32Array(0);
    const match = matchClusters({ oldLabels: none, newLabels: none, oldK: 2, newK: 3 });
    expect([...match.oldOf]).toEqual([-1, -1, -1]);
  });
});
