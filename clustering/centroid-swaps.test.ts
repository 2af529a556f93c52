import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { CentroidSwaps } from './centroid-swaps.ts';
import { chooseKernels } from './kernels/choose-kernels.ts';
import { referenceKernels } from './kernels/reference.ts';
import { seedCentroids } from './seeding.ts';
import { mixture } from './testing/streams.ts';

const points = mixture(1300, 3, 6, 5);
const weights = Float32Array.from({ length: points.n }, (_, row) => (row % 5) * 0.5);
const k = 7;

describe('a proposed swap', () => {
  it.each([
    ['without weights', undefined],
    ['with weights', weights],
  ])('takes away the centroid that costs least, counted the slow way, %s', (_, given) => {
    for (let seed = 0; seed < 10; seed++) {
      const { before, after } = propose(seed, referenceKernels, given);
      const changed = rowsOf(before).flatMap((row, j) =>
        `${row}` === `${rowsOf(after)[j]}` ? [] : [j],
      );
      expect(changed).toHaveLength(1);
      const added = rowsOf(after)[changed[0]!]!;
      const costs = rowsOf(before).map((_row, j) => cost(rowsOf(before).with(j, added), given));
      expect(cost(rowsOf(after), given)).toBeCloseTo(Math.min(...costs), 6);
    }
  });

  it('is the same, to the last bit, for all kernels', () => {
    const { kernels } = chooseKernels();
    for (let seed = 0; seed < 10; seed++) {
      expect(propose(seed, kernels, weights)).toEqual(propose(seed, referenceKernels, weights));
    }
  });
});

function propose(seed: number, kernels: typeof referenceKernels, given?: Float32Array) {
  const random = new Random(seed);
  const before = seedCentroids({ ...points, k, weights: given, random });
  const swaps = new CentroidSwaps({ ...points, k, weights: given, kernels });
  swaps.begin(before);
  return { before, after: swaps.propose(random) };
}

function rowsOf(centroids: Float64Array): number[][] {
  return Array.from({ length: k }, (_, j) => [...centroids.subarray(j * 3, j * 3 + 3)]);
}

function cost(centroids: number[][], given?: Float32Array): number {
  let total = 0;
  for (let row = 0; row < points.n; row++) {
    const squares = centroids.map((centroid) =>
      centroid.reduce((sum, value, d) => sum + (points.values[row * 3 + d]! - value) ** 2, 0),
    );
    total += Math.min(...squares) * (given === undefined ? 1 : given[row]!);
  }
  return total;
}
