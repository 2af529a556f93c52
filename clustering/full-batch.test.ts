import { describe, expect, it } from 'vitest';
import { fitFullBatch, fullBatchSteps, type IterationReport } from './full-batch.ts';
import { referenceKernels as kernels } from './kernels/reference.ts';
import { mixture } from './testing/streams.ts';

const points = mixture(2000, 3, 6, 5);
const options = { ...points, k: 6, seed: 7, kernels };

describe('the full-batch fit', () => {
  it('ends where no single Lloyd step, done the slow way, moves a centroid', () => {
    const { centroids } = fitFullBatch({ ...options, tolerance: 0 });
    const { means } = slowStep(centroids, 6);
    for (let i = 0; i < means.length; i++) expect(means[i]).toBeCloseTo(centroids[i]!, 6);
  });

  it('reports statistics that the slow way gives for its own centroids', () => {
    const fit = fitFullBatch(options);
    const { labels, squares, counts } = slowStep(fit.centroids, 6);
    expect([...fit.labels]).toEqual(labels);
    expect([...fit.weights]).toEqual(counts);
    let inertia = 0;
    for (const [j, square] of squares.entries()) {
      expect(fit.sumSquares[j]).toBeCloseTo(square, 6);
      inertia += square;
    }
    expect(fit.inertia).toBeCloseTo(inertia, 6);
    expect(fit.distanceHistogram.reduce((sum, weight) => sum + weight, 0)).toBe(2000);
  });

  it('never gets worse from one iteration to the next of Lloyd alone', () => {
    const reports: IterationReport[] = [];
    fitFullBatch({ ...options, momentum: false, onIteration: (report) => reports.push(report) });
    for (let i = 1; i < reports.length; i++) {
      if (reports[i]!.run !== reports[i - 1]!.run) continue;
      expect(reports[i]!.inertia).toBeLessThanOrEqual(reports[i - 1]!.inertia * (1 + 1e-12));
    }
  });

  it('gives the same bits for the same seed, at once or step by step', () => {
    const steps = fullBatchSteps(options);
    let step = steps.next();
    while (!step.done) step = steps.next();
    expect(step.value).toEqual(fitFullBatch(options));
  });

  it('counts a point of weight w as w points', () => {
    const values = Float32Array.of(0, 1, 10, 11, 30);
    const weights = Float32Array.of(3, 1, 1, 1, 2);
    const repeated = Float32Array.of(0, 0, 0, 1, 10, 11, 30, 30);
    const weighted = fitFullBatch({ values, n: 5, dims: 1, k: 3, weights, seed: 1, kernels });
    const plain = fitFullBatch({ values: repeated, n: 8, dims: 1, k: 3, seed: 1, kernels });
    expect(weighted.inertia).toBeCloseTo(plain.inertia, 9);
    expect([...weighted.centroids].sort()).toEqual([...plain.centroids].sort());
  });

  it('is no worse than the centroids it was given to begin with', () => {
    const good = fitFullBatch({ ...options, tolerance: 0 });
    const seeded = { ...options, nInit: 1, iterationsMax: 1 };
    const alone = fitFullBatch({ ...seeded, seed: 1 });
    expect(alone.inertia).toBeGreaterThan(good.inertia);
    const continued = fitFullBatch({ ...seeded, seed: 1, initial: good.centroids });
    expect(continued.inertia).toBeLessThanOrEqual(good.inertia);
  });

  it('leaves a poor optimum by a swap, which Lloyd alone does not', () => {
    // Two centroids share the group at 0, and one has the groups at 100 and 110: no single point would change sides.
    const values = Float32Array.of(-1, 0, 1, 99, 100, 101, 109, 110, 111);
    const weights = Float32Array.of(1, 1, 1, 1, 2, 1, 1, 1, 1);
    const each = { values, weights, n: 9, dims: 1, k: 3, kernels };
    const initial = Float64Array.of(-1, 0.5, 105);
    const stuck = fitFullBatch({ ...each, seed: 1, nInit: 0, initial });
    expect(stuck.inertia).toBeGreaterThan(100);
    for (let seed = 0; seed < 20; seed++) {
      const fit = fitFullBatch({ ...each, seed, nInit: 1, initial });
      expect([...fit.centroids].sort((a, b) => a - b)).toEqual([0, 100, 110]);
    }
  });

  it('swaps for no more iterations than its runs made, but for the last, and tells of them', () => {
    const hard = mixture(2000, 3, 30, 5);
    const reports: IterationReport[] = [];
    const onIteration = (report: IterationReport) => reports.push(report);
    for (const nInit of [1, 3]) {
      reports.length = 0;
      const fit = fitFullBatch({ ...hard, k: 30, seed: 1, kernels, nInit, onIteration });
      const isSwap = ({ run }: IterationReport) => run > nInit;
      const runs = reports.filter((report) => !isSwap(report));
      const last = reports.at(-1)!.run;
      const swaps = reports.filter((report) => isSwap(report) && report.run < last);
      expect(last).toBeGreaterThan(nInit);
      expect(swaps.length).toBeLessThan(runs.length);
      expect(fit.inertia).toBeLessThanOrEqual(Math.min(...runs.map(({ inertia }) => inertia)));
    }
  });

  it('swaps nothing in a fit that was cut short', () => {
    const reports: IterationReport[] = [];
    const onIteration = (report: IterationReport) => reports.push(report);
    fitFullBatch({ ...options, nInit: 2, iterationsMax: 1, onIteration });
    expect(reports.map(({ run }) => run)).toEqual([1, 2]);
  });

  it('gives every distinct point its own cluster when there are k of them', () => {
    const values = Float32Array.of(5, 5, 5, 1, 1, 9, 9, 9, 9, -4);
    const fit = fitFullBatch({ values, n: 10, dims: 1, k: 4, seed: 3, kernels });
    expect(fit.inertia).toBe(0);
    expect([...fit.weights].sort()).toEqual([1, 2, 3, 4]);
  });

  it('refuses fewer distinct points than clusters', () => {
    const values = Float32Array.of(5, 5, 5);
    expect(() => fitFullBatch({ values, n: 3, dims: 1, k: 2, seed: 1, kernels })).toThrow(
      expect.objectContaining({ code: 'MEANSTREAM_TOO_FEW_DISTINCT_POINTS' }),
    );
  });
});

function slowStep(centroids: Float64Array, k: number) {
  const { n, dims, values } = points;
  const labels: number[] = [];
  const squares = new Array<number>(k).fill(0);
  const counts = new Array<number>(k).fill(0);
  const sums = new Array<number>(k * dims).fill(0);
  for (let row = 0; row < n; row++) {
    const distances = Array.from({ length: k }, (_, j) => {
      let square = 0;
      for (let d = 0; d < dims; d++) {
        square += (values[row * dims + d]! - centroids[j * dims + d]!) ** 2;
      }
      return square;
    });
    const label = distances.indexOf(Math.min(...distances));
    labels.push(label);
    squares[label]! += distances[label]!;
    counts[label]! += 1;
    for (let d = 0; d < dims; d++) sums[label * dims + d]! += values[row * dims + d]!;
  }
  const means = sums.map((sum, i) => sum / counts[Math.floor(i / dims)]!);
  return { labels, squares, counts, means };
}
