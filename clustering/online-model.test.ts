import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { Assigner } from './assigner.ts';
import type { OnlineStart } from './cluster-state.ts';
import { distanceBins } from './distance-histogram.ts';
import { referenceKernels } from './kernels/reference.ts';
import { DeltaAccumulator, type DeltaStatistics } from './mini-batch.ts';
import { OnlineModel, type OnlineOptions, type OnlineSnapshot } from './online-model.ts';
import { inPoints } from './testing/streams.ts';

/** Centroids in one dimension, without history unless weights are given. */
function startAt(centroids: number[], weights = centroids.map(() => 0)): OnlineStart {
  return {
    k: centroids.length,
    dims: 1,
    mean: Float64Array.of(0),
    scale: Float64Array.of(1),
    reference: Float64Array.from(centroids),
    centroids: Float64Array.from(centroids),
    weights: Float64Array.from(weights),
    sumSquares: new Float64Array(centroids.length),
    distanceHistogram: new Float64Array(centroids.length * distanceBins),
  };
}

/** What a task makes of points against a model as it stands. */
function deltaOf(
  start: OnlineStart,
  snapshot: OnlineSnapshot,
  points: readonly number[],
  firstOffset = 0,
  weights = points.map(() => 1),
): DeltaStatistics {
  const assigner = new Assigner({ ...start, ...snapshot }, referenceKernels);
  const values = Float32Array.from(points);
  const n = points.length / start.dims;
  assigner.assign(values, n);
  const offsets = Float64Array.from({ length: n }, (_, i) => firstOffset + i);
  const accumulator = new DeltaAccumulator(start);
  const { labels, distances } = assigner;
  accumulator.add(values, Float32Array.from(weights), labels, distances, offsets, n);
  return accumulator.take();
}

function learn(start: OnlineStart, options: OnlineOptions, batches: readonly number[][]) {
  const model = OnlineModel.begin(start, options);
  let offset = 0;
  for (const points of batches) {
    model.fold(deltaOf(start, model.snapshot(), points, offset));
    offset += points.length;
  }
  return model;
}

const still: OnlineOptions = { lifecycle: false };
const coordinate = fc.float({ min: -100, max: 100, noNaN: true });
const batch = fc.array(coordinate, { minLength: 1, maxLength: 30 });

describe('the fold', () => {
  it('halves the weight of a point after one half-life', () => {
    const start = startAt([0, 100]);
    const model = OnlineModel.begin(start, { ...still, halfLife: inPoints(50) });
    model.fold(deltaOf(start, model.snapshot(), [1]));
    expect(model.snapshot().weights[0]).toBe(1);
    model.fold(deltaOf(start, model.snapshot(), new Array<number>(50).fill(101)));
    expect(model.snapshot().weights[0]).toBe(0.5);
    expect(model.snapshot().weights[1]).toBe(50);
  });

  it('gives weights and centroids their closed form', () => {
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 8 }), (batches) => {
        const model = learn(startAt([0]), { ...still, halfLife: inPoints(20) }, batches);
        let after = batches.flat().length;
        let [weight, sum] = [0, 0];
        for (const points of batches) {
          after -= points.length;
          const decay = 2 ** (-after / 20);
          weight += decay * points.length;
          sum += decay * points.reduce((total, point) => total + point, 0);
        }
        const { centroids, weights } = model.snapshot();
        expect(weights[0]! / weight).toBeCloseTo(1, 10);
        expect(centroids[0]).toBeCloseTo(sum / weight, 8);
      }),
    );
  });

  it('leaves a centroid without points where it is, bit for bit, while its weight fades', () => {
    fc.assert(
      fc.property(coordinate, fc.array(batch, { maxLength: 10 }), (first, batches) => {
        const start = startAt([0, 1e4]);
        const model = OnlineModel.begin(start, { ...still, halfLife: inPoints(10) });
        model.fold(deltaOf(start, model.snapshot(), [9990 + first / 10, 9991]));
        const before = model.snapshot().centroids[1];
        for (const points of batches) model.fold(deltaOf(start, model.snapshot(), points));
        const { centroids, weights } = model.snapshot();
        expect(centroids[1]).toBe(before);
        expect(weights[1]).toBeLessThanOrEqual(2);
      }),
    );
  });

  it('is the same on one machine and on many, to 1e-9', () => {
    const partitions = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 60, maxLength: 60 });
    fc.assert(
      fc.property(partitions, fc.integer(), (partitionOf, seed) => {
        const random = new Random(seed);
        const points = partitionOf.map(() => random.normal() * 30);
        const start = startAt([-20, 0, 1e6, 20], [5, 5, 5, 5]);
        const options = { ...still, halfLife: inPoints(Infinity) };
        const single = OnlineModel.begin(start, options);
        const many = OnlineModel.begin(start, options);
        const version = single.snapshot();
        single.fold(deltaOf(start, version, points));
        for (let partition = 0; partition < 5; partition++) {
          const mine = points.filter((_, i) => partitionOf[i] === partition);
          many.fold(deltaOf(start, version, mine), 0);
        }
        expectClose(many.snapshot(), single.snapshot(), 1e-9);
      }),
    );
  });

  it('gives the same bits for the same deltas, stopped and restored or not', () => {
    const stops = fc.array(fc.boolean(), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(stops, fc.integer(), (stopAfter, seed) => {
        const random = new Random(seed);
        const start = startAt([-5, 0, 5]);
        const options = { halfLife: inPoints(40) };
        const steady = OnlineModel.begin(start, options);
        let restarted = OnlineModel.begin(start, options);
        for (const [step, stops] of stopAfter.entries()) {
          const points = Array.from({ length: 20 }, () => random.normal() * (1 + step) * 3);
          const delta = deltaOf(start, steady.snapshot(), points, step * 20);
          expect(restarted.fold(delta)).toEqual(steady.fold(delta));
          if (stops) restarted = OnlineModel.restore(restarted.records());
        }
        expect(restarted.records()).toEqual(steady.records());
      }),
      { numRuns: 50 },
    );
  });

  it('names every cluster whose record has changed, and no other when nothing acts', () => {
    const start = startAt([-10, 0, 10]);
    const model = OnlineModel.begin(start, { halfLife: inPoints(30) });
    expect(model.takeChanged()).toEqual([0, 1, 2]);
    const kept = new Map([0, 1, 2].map((j) => [j, model.clusterRecord(j)]));
    const random = new Random(2);
    for (let step = 0; step < 100; step++) {
      const points = Array.from({ length: 10 }, () => random.normal() * 40);
      model.fold(deltaOf(start, model.snapshot(), points, step * 10));
      for (const j of model.takeChanged()) kept.set(j, model.clusterRecord(j));
      for (const [j, record] of kept) expect(model.clusterRecord(j)).toEqual(record);
    }
  });

  it('keeps the sum of squares about the centroid, without cancelling, for any mean', () => {
    const start = { ...startAt([1e6]), reference: Float64Array.of(1e6) };
    const model = OnlineModel.begin(start, { ...still, halfLife: inPoints(Infinity) });
    model.fold(deltaOf(start, model.snapshot(), [1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3]));
    expect(model.snapshot().centroids[0]).toBe(1e6 + 1.5);
    expect(model.snapshot().sumSquares[0]).toBe(5);
  });

  it('follows data that moves after ten million points', () => {
    const start = startAt([0], [1e7]);
    const model = OnlineModel.begin(start, { halfLife: inPoints(1000) });
    for (let step = 0; step < 100; step++) {
      model.fold(deltaOf(start, model.snapshot(), new Array<number>(100).fill(50)));
    }
    expect(model.snapshot().centroids[0]).toBeGreaterThan(49.9);
  });

  it('does something else for every half-life', () => {
    const batches = [[1, 2, 3], [10], [4, 4]];
    const centroids = [1, 10, 100].map(
      (halfLife) =>
        learn(startAt([0]), { halfLife: inPoints(halfLife) }, batches).snapshot().centroids[0],
    );
    expect(new Set(centroids).size).toBe(3);
  });

  it('takes a model over at no more weight than its half-life can hold', () => {
    const model = OnlineModel.begin(startAt([0, 9], [3e6, 1e6]), { halfLife: inPoints(1000) });
    const { weights } = model.snapshot();
    expect(weights[0]! + weights[1]!).toBeCloseTo(1000 / Math.LN2, 6);
    expect(weights[0]! / weights[1]!).toBeCloseTo(3, 12);
  });

  it('never makes a number that is not finite, whatever the points and weights', () => {
    const wild = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(0, -0, 3.4e38, -3.4e38, 1e-45),
    );
    const weight = fc.oneof(
      fc.float({ min: 0, noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(0, 1, 1e-45, 3.4e38),
    );
    const point = fc.record({ x: wild, w: weight });
    const batches = fc.array(fc.array(point, { minLength: 1, maxLength: 10 }), { maxLength: 10 });
    fc.assert(
      fc.property(batches, (steps) => {
        const start = startAt([-1, 0, 1]);
        const model = OnlineModel.begin(start, { halfLife: inPoints(5) });
        for (const step of steps) {
          const points = step.map(({ x }) => x);
          const weights = step.map(({ w }) => w);
          const delta = deltaOf(start, model.snapshot(), points, 0, weights);
          expectFinite(Object.values(delta));
          model.fold(delta);
          expectFinite(Object.values(model.snapshot()));
          const { header, clusters } = model.records();
          expectFinite([header, ...clusters]);
        }
      }),
      { numRuns: 300 },
    );
  });
});

function expectClose(a: OnlineSnapshot, b: OnlineSnapshot, tolerance: number): void {
  for (const field of ['centroids', 'weights', 'sumSquares', 'distanceHistogram'] as const) {
    for (const [i, value] of b[field].entries()) {
      const error = Math.abs(a[field][i]! - value) / Math.max(1, Math.abs(value));
      expect(error, `${field} ${i}`).toBeLessThan(tolerance);
    }
  }
}

function expectFinite(arrays: readonly ArrayLike<number>[]): void {
  for (const array of arrays) {
    for (let i = 0; i < array.length; i++) {
      if (!Number.isFinite(array[i])) expect.fail(`${array[i]} at ${i}`);
    }
  }
}
