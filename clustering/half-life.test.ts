import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { Assigner } from './assigner.ts';
import type { OnlineStart } from './cluster-state.ts';
import { distanceBins } from './distance-histogram.ts';
import { type HalfLife, memoryOf } from './half-life.ts';
import { referenceKernels as kernels } from './kernels/reference.ts';
import { DeltaAccumulator } from './mini-batch.ts';
import { OnlineModel } from './online-model.ts';

const hour = 3_600_000;
const now = 1_700_000_000_000;
const hourly: HalfLife = { unit: 'ms', value: hour };

interface Point {
  readonly x: number;
  readonly timestampMs: number;
}

function startAt(centroids: readonly number[]): OnlineStart {
  const k = centroids.length;
  const reference = Float64Array.from(centroids);
  const empty = { weights: new Float64Array(k), sumSquares: new Float64Array(k) };
  return {
    ...{ k, dims: 1, mean: Float64Array.of(0), scale: Float64Array.of(1), reference },
    ...{ centroids: reference, ...empty, distanceHistogram: new Float64Array(k * distanceBins) },
  };
}

const start = startAt([-10, 0, 10]);
/** Assignments do not move with the model here: what is asked is what the same assignments add up to. */
const assigner = new Assigner(start, kernels);

function deltaOf(points: readonly Point[], landmarkMs = -1, capMs = Infinity) {
  const accumulator = new DeltaAccumulator({ ...start, halfLife: hourly, landmarkMs });
  accumulator.capTimestamps(capMs);
  addAll(accumulator, points, 0);
  const { tooLate } = accumulator;
  return { ...accumulator.take(), tooLate };
}

function addAll(accumulator: DeltaAccumulator, points: readonly Point[], firstOffset: number) {
  const n = points.length;
  const values = Float32Array.from(points, ({ x }) => x);
  assigner.assign(values, n);
  const { labels, distances } = assigner;
  const offsets = Float64Array.from(points, (_, i) => firstOffset + i);
  const timestamps = Float64Array.from(points, ({ timestampMs }) => timestampMs);
  const weights = new Float32Array(n).fill(1);
  accumulator.add(values, weights, labels, distances, offsets, n, timestamps);
}

function online(halfLife: HalfLife = hourly): OnlineModel {
  return OnlineModel.begin(start, { halfLife, lifecycle: false });
}

function drawn(n: number, seed: number, spreadMs = 20 * hour): Point[] {
  const random = new Random(seed);
  return Array.from({ length: n }, () => ({
    x: random.normal() * 12,
    timestampMs: now - Math.floor(random.float() * spreadMs),
  }));
}

/** What weights and centroids are by definition, as of the newest time. */
function closedForm(points: readonly Point[]) {
  const newest = Math.max(...points.map(({ timestampMs }) => timestampMs));
  const weights = new Float64Array(3);
  const sums = new Float64Array(3);
  for (const { x, timestampMs } of points) {
    const value = Math.fround(x);
    const j = value < -5 ? 0 : value < 5 ? 1 : 2;
    const weight = 2 ** ((timestampMs - newest) / hour);
    weights[j]! += weight;
    sums[j]! += weight * value;
  }
  return { weights, centroids: sums.map((sum, j) => sum / weights[j]!) };
}

const relative = (a: number, b: number) => Math.abs(a / b - 1);

describe('a point one half-life old counts half', () => {
  it('in points', () => {
    const model = online({ unit: 'points', value: 50 });
    const delta = (points: number[]) => {
      const accumulator = new DeltaAccumulator(start);
      addAll(
        accumulator,
        points.map((x) => ({ x, timestampMs: now })),
        0,
      );
      return accumulator.take();
    };
    model.fold(delta([0]));
    model.fold(delta(new Array<number>(50).fill(10)));
    expect([...model.snapshot().weights]).toEqual([0, 0.5, 50]);
  });

  it('in batches, however many points they have', () => {
    const model = online({ unit: 'batches', value: 4 });
    for (const size of [1, 5, 700, 1, 90]) {
      const accumulator = new DeltaAccumulator(start);
      const x = size === 1 && model.patch === 0 ? 0 : 10;
      addAll(accumulator, new Array<Point>(size).fill({ x, timestampMs: now }), 0);
      model.fold(accumulator.take());
    }
    expect(model.snapshot().weights[1]).toBe(0.5);
  });

  it('in event time, in whichever order the points come', () => {
    const old = { x: 0, timestampMs: now - hour };
    const recent = { x: 10, timestampMs: now };
    for (const batches of [
      [[old], [recent]],
      [[recent], [old]],
      [[old, recent]],
      [[recent, old]],
    ]) {
      const model = online();
      for (const batch of batches) model.fold(deltaOf(batch));
      const { weights } = model.snapshot();
      expect(weights[1]! / weights[2]!).toBe(0.5);
      expect(relative(weights[2]!, 1)).toBeLessThan(1e-7);
    }
  });
});

describe('event time', () => {
  it('gives weights and centroids their closed form, to the rounding of a float32 weight', () => {
    for (let seed = 0; seed < 20; seed++) {
      const points = drawn(500, seed);
      const model = online();
      for (let from = 0; from < 500; from += 37) model.fold(deltaOf(points.slice(from, from + 37)));
      const { weights, centroids } = model.snapshot();
      const expected = closedForm(points);
      for (let j = 0; j < 3; j++) {
        expect(relative(weights[j]!, expected.weights[j]!)).toBeLessThan(1e-7);
        expect(Math.abs(centroids[j]! - expected.centroids[j]!)).toBeLessThan(1e-5);
      }
    }
  });

  it('is the same for any order and any partitioning, to 1e-9', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(fc.integer(), cuts, (seed, sizes) => {
        const points = drawn(200, seed);
        const whole = online();
        whole.fold(deltaOf(points));
        const apart = online();
        const random = new Random(seed ^ 1);
        const shuffled = points.map((point) => ({ point, at: random.float() }));
        shuffled.sort((a, b) => a.at - b.at);
        const rest = shuffled.map(({ point }) => point);
        for (const size of [...sizes, 200]) {
          const some = rest.splice(0, size);
          if (some.length > 0) apart.fold(deltaOf(some, apart.landmarkMs));
        }
        const [a, b] = [whole.snapshot(), apart.snapshot()];
        for (const field of ['weights', 'centroids', 'sumSquares'] as const) {
          for (const [j, value] of a[field].entries()) {
            const error = Math.abs(b[field][j]! - value) / Math.max(1, Math.abs(value));
            expect(error, `${field} ${j}`).toBeLessThan(1e-9);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('gives the same bits wherever batches end, however far time jumps', () => {
    const jumps = fc.array(fc.integer({ min: -70 * hour, max: 70 * hour }), {
      minLength: 2,
      maxLength: 60,
    });
    fc.assert(
      fc.property(jumps, fc.integer({ min: 1, max: 20 }), (offsets, size) => {
        const points = offsets.map((ms, i) => ({ x: (i % 30) - 15, timestampMs: now + ms }));
        const basis = { ...start, halfLife: hourly, landmarkMs: -1 };
        const one = new DeltaAccumulator(basis);
        const cut = new DeltaAccumulator(basis);
        addAll(one, points, 0);
        for (let from = 0; from < points.length; from += size) {
          addAll(cut, points.slice(from, from + size), from);
        }
        expect(cut.tooLate).toBe(one.tooLate);
        expect(cut.take()).toEqual(one.take());
      }),
    );
  });

  it('fades an idle cluster, and leaves its centroid where it is, bit for bit', () => {
    const model = online();
    model.fold(deltaOf([{ x: 9.1, timestampMs: now - 7 * hour }]));
    const before = model.snapshot();
    for (let h = 6; h >= 0; h--) model.fold(deltaOf([{ x: 0.3, timestampMs: now - h * hour }]));
    const after = model.snapshot();
    expect(after.centroids[2]).toBe(before.centroids[2]);
    expect(after.weights[2]).toBe(before.weights[2]! / 128);
  });

  it('counts points more than 50 half-lives late and gives them no weight; up to there they weigh', () => {
    const late = [
      { x: 10, timestampMs: now - 49 * hour },
      { x: -10, timestampMs: now - 52 * hour },
    ];
    const delta = deltaOf([{ x: 0, timestampMs: now }, ...late]);
    expect(delta.tooLate).toBe(1);
    expect([...delta.clusters]).toEqual([1, 2]);
    expect(delta.weights[1]! / delta.weights[0]!).toBe(2 ** -49);
    expect(deltaOf(late, delta.landmarkMs).tooLate).toBe(1);
    expect(deltaOf(late).tooLate).toBe(0);
  });

  it('a clock that is ahead does not age what everybody else has taught', () => {
    const model = online();
    model.fold(deltaOf(drawn(100, 1, hour)));
    const before = model.snapshot().weights.reduce((sum, weight) => sum + weight, 0);
    const future = { x: 0, timestampMs: now + 40 * 365 * 24 * hour };
    const delta = deltaOf([future], model.landmarkMs, now + hour);
    expect(delta.timestampMs).toBe(now + hour);
    model.fold(delta);
    const after = model.snapshot().weights.reduce((sum, weight) => sum + weight, 0);
    expect(after).toBeGreaterThan(before / 2.1);
  });

  it('stays finite over a century of silence and back', () => {
    const model = online();
    for (const years of [0, 100, 50, 0, 200, 199.999]) {
      model.fold(deltaOf([{ x: 1, timestampMs: now + years * 365 * 24 * hour }], model.landmarkMs));
      const { weights, centroids, sumSquares } = model.snapshot();
      expect([...weights, ...centroids, ...sumSquares].every(Number.isFinite)).toBe(true);
    }
  });

  it('begins a generation as of the time of the one before it', () => {
    const model = online();
    for (let h = 9; h >= 0; h--) model.fold(deltaOf(drawn(40, h, hour), model.landmarkMs));
    const candidate = { ...start, weights: Float64Array.of(1e6, 2e6, 1e6) };
    const options = { halfLife: hourly, lifecycle: false };
    const next = OnlineModel.begin(candidate, options, model.history());
    const total = (of: OnlineModel) => of.snapshot().weights.reduce((sum, w) => sum + w, 0);
    expect(relative(total(next), total(model))).toBeLessThan(1e-12);
    expect(next.landmarkMs).toBe(model.landmarkMs);
    const restored = OnlineModel.restore(next.records(), { lifecycle: false });
    expect(restored.records()).toEqual(next.records());
    expect(restored.halfLife).toEqual(hourly);
  });
});

describe('arithmetic of half-lives', () => {
  it('what is remembered is 1.4427 half-lives', () => {
    expect(memoryOf({ unit: 'batches', value: 10 })).toBeCloseTo(14.427, 3);
    const model = online({ unit: 'batches', value: 10 });
    for (let i = 0; i < 500; i++) {
      const accumulator = new DeltaAccumulator(start);
      addAll(accumulator, [{ x: 0, timestampMs: now }], 0);
      model.fold(accumulator.take());
    }
    expect(model.snapshot().weights[1]).toBeCloseTo(14.427 + 0.5, 1);
  });
});
