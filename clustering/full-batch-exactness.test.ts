import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { type FullBatchOptions, fitFullBatch, type IterationReport } from './full-batch.ts';
import { chooseKernels } from './kernels/choose-kernels.ts';
import { referenceKernels } from './kernels/reference.ts';
import { mixture } from './testing/streams.ts';

// Pruning, threads, chunks and kernels are about speed alone: each test compares bits. Worker threads run built files.

const { kernels } = chooseKernels();
const points = mixture(30_000, 6, 12, 3);
const weights = Float32Array.from({ length: points.n }, (_, row) => (row % 7) * 0.3);
const options: FullBatchOptions = { ...points, k: 9, seed: 4, nInit: 2, kernels, threads: 1 };

describe('the full-batch fit, to the last bit,', () => {
  it.each([
    ['without weights', undefined],
    ['with weights', weights],
  ])('is the same with and without pruning, %s', (_, given) => {
    const plain = reported({ ...options, weights: given, pruning: false });
    const pruned = reported({ ...options, weights: given });
    expect(pruned.fit).toEqual(plain.fit);
    expect(pruned.reports.map(withoutMeasured)).toEqual(plain.reports.map(withoutMeasured));
    const last = pruned.reports.at(-1)!;
    expect(last.measured).toBeLessThan(points.n / 4);
    expect(plain.reports.at(-1)!.measured).toBe(points.n);
  });

  it('is the same for any rows of a kernel call', () => {
    const fit = fitFullBatch({ ...options, weights });
    for (const chunkRows of [1, 100, 8192, 100_000]) {
      expect(fitFullBatch({ ...options, weights, nInit: 2, chunkRows })).toEqual(fit);
    }
  });

  it('is the same for the plain kernels', () => {
    const plain = reported({ ...options, weights, kernels: referenceKernels });
    const { fit, reports } = reported({ ...options, weights });
    expect(fit).toEqual(plain.fit);
    expect(reports.map(withoutMeasured)).toEqual(plain.reports.map(withoutMeasured));
  });

  it('is the same for 1, 2 and 3 threads, whether they share the points or get a copy', async () => {
    const built = new URL('../dist/clustering/full-batch.js', import.meta.url).href;
    const threaded = (await import(built)) as { fitFullBatch: typeof fitFullBatch };
    const shared = new Float32Array(new SharedArrayBuffer(points.values.byteLength));
    shared.set(points.values);
    const fit = fitFullBatch({ ...options, weights });
    for (const threads of [1, 2, 3]) {
      expect(threaded.fitFullBatch({ ...options, weights, threads })).toEqual(fit);
      expect(threaded.fitFullBatch({ ...options, weights, values: shared, threads })).toEqual(fit);
    }
  });

  it('is the same with and without pruning for ties, duplicates, and numbers tiny and huge', () => {
    const scale = fc.constantFrom(1, 1e-20, 1e-40, 1e15, 1e30);
    const cases = fc.record({
      rows: fc.array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -3, max: 3 })), {
        minLength: 1,
        maxLength: 60,
      }),
      k: fc.integer({ min: 1, max: 6 }),
      scale,
      weighted: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, ({ rows, k, scale: by, weighted }) => {
        const values = Float32Array.from(rows.flat(), (value) => value * by);
        const n = rows.length;
        const random = new Random(n);
        const initial = Float64Array.from({ length: k * 2 }, () => values[random.below(2 * n)]!);
        const mass = weighted ? weights.slice(1, n + 1) : undefined;
        const fit = { values, n, dims: 2, k, seed: 1, initial, nInit: 0, weights: mass };
        const each = { ...fit, kernels, iterationsMax: 20, tolerance: 0 };
        expect(fitFullBatch(each)).toEqual(fitFullBatch({ ...each, pruning: false }));
        const alone = { ...each, momentum: false };
        expect(fitFullBatch(alone)).toEqual(fitFullBatch({ ...alone, pruning: false }));
        expect(fitFullBatch(each)).toEqual(fitFullBatch({ ...each, kernels: referenceKernels }));
      }),
    );
  });
});

describe('sums kept from one iteration to the next', () => {
  it('end at the inertia that is added up from nothing', () => {
    const { fit, reports } = reported({ ...options, weights, tolerance: 0 });
    expect(reports.at(-1)!.inertia / fit.inertia).toBeCloseTo(1, 11);
  });

  it('forget points that are gone, however heavy they were', () => {
    // The heavy point is at first in the light ones' cluster; 2⁻⁵³ of its sums would swamp theirs.
    const values = Float32Array.of(0, 1, 2, 3, 1000);
    const mass = Float32Array.of(1e-12, 1e-12, 1e-12, 1e-12, 1e12);
    const initial = Float64Array.of(500, -2000);
    const each = { values, n: 5, dims: 1, k: 2, seed: 1, kernels, nInit: 0, weights: mass };
    const { centroids } = fitFullBatch({ ...each, initial, tolerance: 0 });
    expect([...centroids].sort((a, b) => a - b)).toEqual([expect.closeTo(1.5, 6), 1000]);
  });

  it('give every empty cluster a point of its own, also among duplicates', () => {
    const values = Float32Array.of(0, 0, 0, 9, 9, 9, 5, 1);
    const initial = Float64Array.of(0, 100, 200, 300);
    const each = { values, n: 8, dims: 1, k: 4, seed: 1, kernels, nInit: 0, initial };
    expect(fitFullBatch({ ...each, tolerance: 0 }).inertia).toBe(0);
  });

  it('stop by whichever tolerance is wider', () => {
    const strict = fitFullBatch({ ...options, tolerance: 0 });
    const wide = fitFullBatch({ ...options, tolerance: 0, absoluteTolerance: 1e6 });
    expect(wide.iterations).toBe(1);
    expect(strict.iterations).toBeGreaterThan(wide.iterations);
  });
});

function reported(each: FullBatchOptions) {
  const reports: IterationReport[] = [];
  const fit = fitFullBatch({ ...each, onIteration: (report) => reports.push(report) });
  return { fit, reports };
}

function withoutMeasured({ measured: _, ...report }: IterationReport) {
  return report;
}
