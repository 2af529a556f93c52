import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { Assigner } from './assigner.ts';
import { summarisePoints } from './cluster-moments.ts';
import type { OnlineStart } from './cluster-state.ts';
import { CoresetBuilder } from './coreset.ts';
import { distanceBins } from './distance-histogram.ts';
import { fitFullBatch } from './full-batch.ts';
import { referenceKernels as kernels } from './kernels/reference.ts';
import { DeltaAccumulator, type DeltaStatistics } from './mini-batch.ts';
import { OnlineModel } from './online-model.ts';
import { inPoints, mixture } from './testing/streams.ts';
import { calinskiHarabasz } from './validity.ts';

// What went wrong in other clusterers, each a test of what must not go wrong here. Some have theirs where the code is:
//
// | elsewhere                                             | here                                                           |
// |-------------------------------------------------------|----------------------------------------------------------------|
// | a variance cancels when the mean is large             | scaler.test: mean 1e8; online-model.test: any mean             |
// | assigns to the first centroids for ever               | lifecycle.test: follows a cluster that moves                   |
// | drops a record, keeps a weight undecayed              | online-model.test: closed form of weights and centroids        |
// | a decay setting without effect                        | online-model.test: something else for every half-life          |
// | one rescue at a time, twins equal in float32          | lifecycle.test: far centroids come back; a newborn differs     |
// | "half-life" that is a learning rate                   | half-life.test: counts half, in points, batches and event time |
// | a record that comes late is dropped                   | half-life.test: event time is the same for any order           |
// | an alarm without end, or of rises only, or too often  | drift/page-hinkley.test                                        |
// | cuts of a window looked for at some borders only      | drift/adwin.test: cuts where a plain list of all values does   |
// | bins that depend on the current window                | quality.test: shares by reference centroid                     |
// | a rate of 1/N that freezes                            | online-model.test: moves after ten million points              |
// | fewer clusters than asked                             | seeding.test, range-fit.test, full-batch.test                  |
// | two runs of one seed differ                           | online-model, full-batch, range-fit, k-selection: bits         |
// | a metric without data is 0                            | validity.test: absent, not 0; drift-monitor.test: no index     |
// | assigning learns or re-clusters                       | assigner.test: learns nothing                                  |
// | the raw mean for a "cosine" centroid                  | spherical.test: a long vector counts like a short one          |

function startAt(centroids: readonly number[]): OnlineStart {
  const k = centroids.length;
  return {
    k,
    dims: 1,
    mean: Float64Array.of(0),
    scale: Float64Array.of(1),
    reference: Float64Array.from(centroids),
    centroids: Float64Array.from(centroids),
    weights: new Float64Array(k).fill(3),
    sumSquares: new Float64Array(k).fill(3),
    distanceHistogram: new Float64Array(k * distanceBins),
  };
}

function deltaOf(
  start: OnlineStart,
  model: OnlineModel,
  points: readonly number[],
  partition: number,
) {
  const assigner = new Assigner({ ...start, ...model.snapshot() }, kernels);
  const values = Float32Array.from(points);
  const n = values.length;
  assigner.assign(values, n);
  const accumulator = new DeltaAccumulator(start, partition);
  const offsets = Float64Array.from(values.keys());
  const { labels, distances } = assigner;
  accumulator.add(values, new Float32Array(n).fill(1), labels, distances, offsets, n);
  return accumulator.take();
}

describe('of centroids', () => {
  it('an idle one does not move, for any half-life and any number of partitions', () => {
    const halfLives = fc.constantFrom(1e-3, 0.1, 1, 30, 1e6, Infinity);
    fc.assert(
      fc.property(halfLives, fc.integer({ min: 1, max: 6 }), fc.integer(), (halfLife, p, seed) => {
        const random = new Random(seed);
        const start = startAt([-5, 5, 1000.25]);
        const model = OnlineModel.begin(start, { halfLife: inPoints(halfLife), lifecycle: false });
        for (let epoch = 0; epoch < 20; epoch++) {
          const deltas: DeltaStatistics[] = [];
          for (let partition = 0; partition < p; partition++) {
            const points = Array.from({ length: 5 }, () => random.normal() * 5);
            deltas.push(deltaOf(start, model, points, partition));
          }
          const { patch } = model;
          for (const delta of deltas) model.fold(delta, patch);
        }
        expect(model.snapshot().centroids[2]).toBe(1000.25);
      }),
      { numRuns: 40 },
    );
  });

  it('an empty one of a full batch becomes a point, never a number that is none', () => {
    const points = mixture(200, 2, 3, 1);
    const initial = Float64Array.of(0, 0, 1e6, 1e6, -1e6, 1e6, 1e6, -1e6);
    const fit = fitFullBatch({ ...points, k: 4, seed: 1, kernels, nInit: 0, initial });
    expect(fit.centroids.every(Number.isFinite)).toBe(true);
    expect(Math.min(...fit.weights)).toBeGreaterThan(0);
  });

  it('a cluster at the origin splits: twins are set apart, not multiplied by nearly one', () => {
    const values = Float32Array.from({ length: 100 }, (_, row) => (row % 2 === 0 ? 1 : -1));
    const initial = new Float64Array(2);
    const fit = fitFullBatch({
      values,
      n: 100,
      dims: 1,
      k: 2,
      seed: 1,
      kernels,
      nInit: 0,
      initial,
    });
    expect([...fit.centroids].sort((a, b) => a - b)).toEqual([-1, 1]);
  });

  it('a cluster at the origin that holds two groups is split on the stream as well', () => {
    const random = new Random(3);
    const start = startAt([0, 500]);
    const model = OnlineModel.begin(start, { halfLife: inPoints(500) });
    for (let epoch = 0; epoch < 60; epoch++) {
      const points = Array.from({ length: 100 }, (_, i) => (i % 2 ? 20 : -20) + random.normal());
      model.fold(deltaOf(start, model, points, 0));
    }
    const [low, high] = [...model.snapshot().centroids].sort((a, b) => a - b);
    expect(Math.abs(low! + 20)).toBeLessThan(1);
    expect(Math.abs(high! - 20)).toBeLessThan(1);
  });
});

describe('of labels and counts', () => {
  it('labels belong to the centroids that are returned, also when the fit was cut short', () => {
    const points = mixture(1000, 2, 5, 3);
    for (const iterationsMax of [1, 2, 5]) {
      const fit = fitFullBatch({ ...points, k: 9, seed: 4, kernels, nInit: 1, iterationsMax });
      const labels = new Int32Array(1000);
      const panels = kernels.prepare(Float32Array.from(fit.centroids), 9, 2);
      kernels.nearest(points.values, 1000, panels, labels);
      expect(fit.labels).toEqual(labels);
    }
  });

  it('a fit uses every point, however many there are for each cluster', () => {
    const points = mixture(5000, 2, 3, 3);
    const fit = fitFullBatch({ ...points, k: 2, seed: 4, kernels, nInit: 1 });
    expect(fit.weights[0]! + fit.weights[1]!).toBe(5000);
    expect(fit.labels).toHaveLength(5000);
  });

  it('new points change a coreset, however many it has seen', () => {
    const points = mixture(20_000, 2, 4, 3);
    const offsets = Float64Array.from({ length: 20_000 }, (_, row) => row);
    const builder = new CoresetBuilder(2, { size: 300, seed: 1 });
    builder.add(points.values, offsets, 20_000);
    const before = builder.coreset()!;
    const newcomers = new Float32Array(200).fill(90);
    const later = Float64Array.from({ length: 100 }, (_, i) => 20_000 + i);
    builder.add(newcomers, later, 100);
    const after = builder.coreset()!;
    expect(after.weight).toBe(before.weight + 100);
    let fresh = 0;
    for (let row = 0; row < after.n; row++) {
      if (after.values[2 * row] === 90) fresh += after.weights[row]!;
    }
    expect(fresh).toBeGreaterThan(50);
    expect(fresh).toBeLessThan(200);
  });
});

describe('of indices', () => {
  it('Calinski-Harabasz divides as real numbers do', () => {
    const labels = Int32Array.of(0, 0, 0, 1, 1, 2, 2);
    const values = Float32Array.of(0, 1, 5, 10, 12, 30, 31);
    const means = [2, 11, 30.5];
    const all = values.reduce((sum, value) => sum + value, 0) / 7;
    let [between, within] = [0, 0];
    for (const [row, label] of labels.entries()) {
      between += (means[label]! - all) ** 2;
      within += (values[row]! - means[label]!) ** 2;
    }
    const index = calinskiHarabasz(summarisePoints({ values, n: 7, dims: 1, labels }, 3));
    expect(index).toBeCloseTo(between / 2 / (within / 4), 10);
  });
});
