import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { fitFullBatch } from './full-batch.ts';
import { referenceKernels as kernels } from './kernels/reference.ts';
import { type SeedingPoints, seedInParallel } from './parallel-seeding.ts';
import { countDistinct } from './seeding.ts';
import { mixture, type Points } from './testing/streams.ts';

/** Rows in parts that end at `cuts`. */
function inParts({ values, n, dims }: Points, cuts: readonly number[]): SeedingPoints[] {
  const edges = [0, ...[...cuts].sort((a, b) => a - b), n];
  return edges.slice(1).map((to, i) => ({
    values: values.subarray(edges[i]! * dims, to * dims),
    n: to - edges[i]!,
    partition: 0,
    firstOffset: edges[i]!,
  }));
}

describe('seeding in parallel', () => {
  const points = mixture(1500, 3, 12, 6);
  const options = { dims: 3, k: 12, seed: 5, kernels };
  const whole = seedInParallel({ ...options, parts: inParts(points, []) });

  it('gives the same bits in however many parts the points lie, and in whatever order the parts come', () => {
    const cuts = fc.array(fc.integer({ min: 0, max: 1500 }), { maxLength: 4 });
    fc.assert(
      fc.property(cuts, (at) => {
        const parts = inParts(points, at);
        expect(seedInParallel({ ...options, parts })).toEqual(whole);
        expect(seedInParallel({ ...options, parts: parts.toReversed() })).toEqual(whole);
      }),
      { numRuns: 20 },
    );
  });

  it('gives other seeds for another seed, and for other partitions', () => {
    const parts = inParts(points, []);
    expect(seedInParallel({ ...options, parts, seed: 6 })).not.toEqual(whole);
    const moved = parts.map((part) => ({ ...part, partition: 3 }));
    expect(seedInParallel({ ...options, parts: moved })).not.toEqual(whole);
  });

  it('gives k different seeds wherever there are k different points', () => {
    const rows = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(rows, fc.nat(100), fc.integer({ min: 1, max: 3 }), (numbers, seed, rounds) => {
        const values = Float32Array.from(numbers);
        const n = values.length;
        const k = countDistinct(values, n, 1, 20);
        const parts = inParts({ values, n, dims: 1 }, [n >> 1]);
        const seeds = seedInParallel({ parts, dims: 1, k, seed, kernels, rounds, perRound: 1 });
        expect(new Set(seeds).size).toBe(k);
      }),
    );
  });

  it('finds points so close that their squared distance is 0 in float32', () => {
    const values = Float32Array.of(1e-30, 2e-30, 3e-30, 1e-30);
    const parts = inParts({ values, n: 4, dims: 1 }, [2]);
    expect(() => seedInParallel({ parts, dims: 1, k: 3, seed: 1, kernels })).not.toThrow();
  });

  it('refuses fewer distinct points than clusters, and says how many there are', () => {
    const parts = inParts({ values: Float32Array.of(1, 1, 2, 2), n: 4, dims: 1 }, [2]);
    expect(() => seedInParallel({ parts, dims: 1, k: 3, seed: 1, kernels })).toThrow(
      expect.objectContaining({ code: 'MEANSTREAM_TOO_FEW_DISTINCT_POINTS' }),
    );
  });

  it('never seeds with a point of weight 0, and weighs the others', () => {
    const values = Float32Array.of(1, 2, 3, 1e6);
    const weights = Float32Array.of(1, 1, 1, 0);
    const parts = [{ values, n: 4, weights, partition: 0, firstOffset: 0 }];
    for (let seed = 0; seed < 20; seed++) {
      const seeds = seedInParallel({ parts, dims: 1, k: 3, seed, kernels });
      expect([...seeds].sort()).toEqual([1, 2, 3]);
    }
  });
});

interface GoldenMixture {
  readonly k: number;
  readonly dims: number;
  readonly rows: number;
  readonly seed: number;
  readonly fits: readonly {
    readonly spread: number;
    readonly totalSumOfSquares: number;
    readonly kMeansPlusPlus: readonly number[];
    readonly random: readonly number[];
  }[];
}

// The generator of the k-means|| paper. Its parameters here are our own and stated: 50 centres N(0, R) in 15 dimensions, unit
// variance, point i from centre i mod 50, 10,000 points, R = 1, 10, 100 (test/golden/make-golden.py draws the same points).
describe('seeding in parallel on Gaussian mixtures, against scikit-learn', () => {
  const { gaussMixture } = JSON.parse(
    readFileSync(new URL('../test/golden/scikit-learn.json', import.meta.url), 'utf8'),
  ) as { gaussMixture: GoldenMixture };

  it.each(gaussMixture.fits.map((fit) => [fit.spread, fit] as const))(
    'R = %i: a run ends no worse than one of k-means++ does on average',
    (spread, fit) => {
      const points = gaussMixturePoints(gaussMixture, spread);
      expect(totalSumOfSquares(points)).toBeCloseTo(fit.totalSumOfSquares, 1);
      const inertias = [1, 2].map((seed) => {
        const parts = inParts(points, [2000, 7000]);
        const { k } = gaussMixture;
        const initial = seedInParallel({ parts, dims: points.dims, k, seed, kernels });
        return fitFullBatch({ ...points, k, seed, kernels, nInit: 0, initial }).inertia;
      });
      expect(mean(inertias)).toBeLessThan(mean(fit.kMeansPlusPlus) * 1.01);
      if (spread >= 10) expect(mean(inertias)).toBeLessThan(mean(fit.random) * 0.9);
    },
  );
});

function gaussMixturePoints({ k, dims, rows, seed }: GoldenMixture, spread: number): Points {
  const random = new Random(seed);
  const centres = Float64Array.from(
    { length: k * dims },
    () => Math.sqrt(spread) * random.normal(),
  );
  const values = Float32Array.from({ length: rows * dims }, (_, i) => {
    const centre = Math.floor(i / dims) % k;
    return centres[centre * dims + (i % dims)]! + random.normal();
  });
  return { n: rows, dims, values };
}

function totalSumOfSquares({ values, n, dims }: Points): number {
  let total = 0;
  for (let d = 0; d < dims; d++) {
    const column = Array.from({ length: n }, (_, row) => values[row * dims + d]!);
    const centre = mean(column);
    for (const value of column) total += (value - centre) ** 2;
  }
  return total;
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
