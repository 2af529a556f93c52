import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import {
  type Coreset,
  CoresetBuilder,
  exactCoreset,
  mergeCoresets,
  reduceCoreset,
} from './coreset.ts';
import { fitFullBatch } from './full-batch.ts';
import { referenceKernels as kernels } from './kernels/reference.ts';
import { systematicSample } from './sampling.ts';
import { gaussianMixture } from './testing/gaussian-mixtures.ts';
import { mixture, type Points } from './testing/streams.ts';

const options = { size: 500, seed: 3 };

function grown({ values, n, dims }: Points, batch: number, partition = 0): Coreset {
  const builder = new CoresetBuilder(dims, { ...options, partition });
  for (let from = 0; from < n; from += batch) {
    const m = Math.min(batch, n - from);
    const offsets = Float64Array.from({ length: m }, (_, i) => from + i);
    builder.add(values.subarray(from * dims, (from + m) * dims), offsets, m);
  }
  return builder.coreset()!;
}

function inertiaOf(
  { values, n, dims }: Points,
  centroids: Float64Array,
  k: number,
  weights?: Float32Array,
): number {
  const labels = new Int32Array(n);
  const nearest = new Float32Array(n);
  const rounded = Float32Array.from(centroids);
  kernels.nearest(values, n, kernels.prepare(rounded, k, dims), labels, nearest);
  return nearest.reduce((sum, square, row) => sum + square * (weights?.[row] ?? 1), 0);
}

describe('a coreset', () => {
  const points = mixture(30_000, 4, 10, 12);
  const coreset = grown(points, 1000);

  it('is small, and stands for all points: their number, their weight and their offsets', () => {
    expect(coreset.n).toBeLessThanOrEqual(501);
    expect(coreset).toMatchObject({ points: 30_000, weight: 30_000 });
    expect(coreset.ranges).toEqual([{ partition: 0, from: 0, to: 30_000 }]);
    const sum = coreset.weights.reduce((total, weight) => total + weight, 0);
    expect(sum / 30_000).toBeCloseTo(1, 5);
    expect(coreset.level).toBeLessThanOrEqual(7);
  });

  it('gives any centroids nearly the inertia that all points give', () => {
    const random = new Random(4);
    for (const k of [1, 3, 10, 20]) {
      for (let round = 0; round < 5; round++) {
        const rows = Array.from({ length: k }, () => random.below(points.n));
        const centroids = Float64Array.from(
          rows.flatMap((row) => [...points.values.subarray(row * 4, row * 4 + 4)]),
        );
        const estimate = inertiaOf(coreset, centroids, k, coreset.weights);
        const ratio = estimate / inertiaOf(points, centroids, k);
        expect(Math.abs(ratio - 1), `k = ${k}`).toBeLessThan(0.15);
      }
    }
  });

  it('leads to centroids nearly as good as all points do', () => {
    const onAll = fitFullBatch({ ...points, k: 10, seed: 1, kernels });
    const onFew = fitFullBatch({ ...coreset, k: 10, seed: 1, kernels });
    expect(inertiaOf(points, onFew.centroids, 10)).toBeLessThan(onAll.inertia * 1.05);
  });

  it('keeps a handful of points that are far from all others', () => {
    const values = points.values.slice();
    for (const row of [5, 9000, 29_000]) values.fill(5000 + row / 1000, row * 4, row * 4 + 4);
    const few = grown({ ...points, values }, 1000);
    let far = 0;
    for (let row = 0; row < few.n; row++) if (few.values[row * 4]! > 4000) far += few.weights[row]!;
    expect(far).toBeGreaterThan(2.5);
    expect(far).toBeLessThan(3.5);
  });

  it('is the same bits however the points come in batches', () => {
    expect(grown(points, 333)).toEqual(coreset);
    expect(grown(points, 30_000)).toEqual(coreset);
  });

  it('of two partitions is the same whichever is named first, and names both', () => {
    const other = grown(
      gaussianMixture({ k: 3, dims: 4, separation: 6, n: 2000, seed: 2 }),
      500,
      4,
    );
    const merged = mergeCoresets(coreset, other);
    expect(mergeCoresets(other, coreset)).toEqual(merged);
    expect(merged.ranges.map(({ partition }) => partition)).toEqual([0, 4]);
    expect(merged).toMatchObject({ points: 32_000, weight: 32_000 });
    const reduced = reduceCoreset(merged, options);
    expect(reduced.n).toBeLessThanOrEqual(501);
    expect(reduced.ranges).toEqual(merged.ranges);
  });

  it('never takes a point twice', () => {
    expect(() => mergeCoresets(coreset, coreset)).toThrow();
  });

  it('goes over offsets without points, and over points without weight', () => {
    const builder = new CoresetBuilder(1, { size: 2, seed: 1, partition: 7, firstOffset: 100 });
    const offsets = Float64Array.of(101, 105, 106, 300, 301);
    builder.add(Float32Array.of(1, 2, 3, 4, 5), offsets, 5, Float32Array.of(1, 2, 0, 3, 1));
    const few = builder.coreset()!;
    expect(few.ranges).toEqual([{ partition: 7, from: 100, to: 302 }]);
    expect(few).toMatchObject({ points: 4, weight: 7 });
  });

  it('is exact as long as there are no more points than it holds', () => {
    const values = Float32Array.of(3, 1, 2);
    const range = { partition: 0, from: 0, to: 3 };
    const exact = exactCoreset({ values, n: 3, dims: 1, range });
    expect(reduceCoreset(exact, options)).toBe(exact);
    expect(exact).toMatchObject({ level: 0, weight: 3 });
  });
});

describe('a systematic sample', () => {
  it('has the size asked for, and keeps what is worth most', () => {
    const worths = fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 60 });
    fc.assert(
      fc.property(worths, fc.integer({ min: 1, max: 20 }), fc.nat(50), (all, size, seed) => {
        const chances = systematicSample(all, size, new Random(seed));
        const kept = chances.filter((chance) => chance > 0).length;
        const worthy = all.filter((worth) => worth > 0).length;
        expect(Math.abs(kept - Math.min(size, worthy))).toBeLessThanOrEqual(1);
        for (const chance of chances) expect(chance).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('estimates a sum without bias', () => {
    const random = new Random(8);
    const worths = Array.from({ length: 200 }, () => 0.1 + random.float() ** 4);
    let estimate = 0;
    for (let round = 0; round < 400; round++) {
      const chances = systematicSample(worths, 20, random);
      for (const [i, chance] of chances.entries()) if (chance > 0) estimate += (i % 7) / chance;
    }
    const truth = worths.reduce((sum, _, i) => sum + (i % 7), 0);
    expect(Math.abs(estimate / 400 / truth - 1)).toBeLessThan(0.1);
  });
});
