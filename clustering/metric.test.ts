// Both metrics and all policies from raw points on: assigner, delta, online model and full batch, against plain programs.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { Assigner } from './assigner.ts';
import { bootstrapModel } from './bootstrap.ts';
import { chooseKernels } from './kernels/choose-kernels.ts';
import type { Metric } from './metric.ts';
import { DeltaAccumulator } from './mini-batch.ts';
import type { MissingPolicy } from './missing-values.ts';
import { fitModel } from './model-fit.ts';
import { OnlineModel } from './online-model.ts';

const { kernels } = chooseKernels();
const nan = Number.NaN;

/** Three directions in three dimensions, of all lengths; a share of the values is missing. */
function directions(random: Random, n: number, missingShare = 0, lengths = true): Float32Array {
  const values = new Float32Array(n * 3);
  for (let row = 0; row < n; row++) {
    const length = lengths ? Math.exp(3 * random.normal()) : 4;
    for (let d = 0; d < 3; d++) {
      values[row * 3 + d] = length * ((row % 3 === d ? 1 : 0) + 0.15 * random.normal());
    }
    if (random.float() < missingShare) values[row * 3 + random.below(3)] = nan;
  }
  return values;
}

function fitOf(values: Float32Array, metric: Metric, missing: MissingPolicy, k = 3) {
  const n = values.length / 3;
  const scaling = metric === 'euclidean';
  return fitModel({ values, n, dims: 3, k, seed: 1, kernels, scaling, metric, missing, nInit: 5 });
}

const length = (x: ArrayLike<number>) => Math.hypot(...Array.from(x));
const cosine = (x: readonly number[], y: readonly number[]) =>
  x.reduce((sum, value, d) => sum + value * y[d]!, 0) / length(x) / length(y);
const rowOf = (values: ArrayLike<number>, row: number, dims: number) =>
  Array.from({ length: dims }, (_, d) => values[row * dims + d]!);

describe('a model by cosine', () => {
  it('answers 1 − cos to the centroid of the greatest cosine', () => {
    const values = directions(new Random(1), 300);
    const start = bootstrapModel({
      ...{ values, n: 300, dims: 3, k: 3, seed: 1, kernels, scaling: false, metric: 'cosine' },
    });
    const assigner = new Assigner(start, kernels);
    assigner.assign(values, 300);
    for (let row = 0; row < 300; row++) {
      const x = rowOf(values, row, 3);
      const cosines = [0, 1, 2].map((j) => cosine(x, rowOf(start.centroids, j, 3)));
      const label = assigner.labels[row]!;
      expect(cosines[label]).toBeCloseTo(Math.max(...cosines), 5);
      expect(assigner.distances[row]).toBeCloseTo(1 - cosines[label]!, 5);
      const second = 1 - cosines.toSorted((a, b) => b - a)[1]!;
      const margin = (second - (1 - cosines[label]!)) / second;
      expect(assigner.margins[row]).toBeCloseTo(margin, 3);
    }
  });

  it('is the same to the bit when points are made 1,024 times as long', () => {
    const values = directions(new Random(2), 300);
    const longer = values.slice();
    for (let row = 0; row < 300; row += 7) {
      for (let d = 0; d < 3; d++) longer[row * 3 + d]! *= 1024;
    }
    expect(fitOf(longer, 'cosine', 'reject')).toEqual(fitOf(values, 'cosine', 'reject'));
  });

  it('has after every fold the direction of the decayed sum of directions, and exact sums of squares', () => {
    const random = new Random(3);
    const first = directions(random, 300);
    const start = bootstrapModel({
      ...{ values: first, n: 300, dims: 3, k: 3, seed: 1, kernels, scaling: false },
      metric: 'cosine',
    });
    const halfLife = 400;
    const model = OnlineModel.begin(start, {
      halfLife: { unit: 'points', value: halfLife },
      lifecycle: false,
    });
    // The plain program: all points so far with their weights, as directions.
    let seen: { x: number[]; label: number; weight: number }[] = [];
    const look = (values: Float32Array, labels: Int32Array, n: number) => {
      for (let row = 0; row < n; row++) {
        const x = rowOf(values, row, 3);
        seen.push({ x: x.map((value) => value / length(x)), label: labels[row]!, weight: 1 });
      }
    };
    const begin = new Assigner(start, kernels);
    begin.assign(first, 300);
    look(first, begin.labels, 300);
    for (let step = 0; step < 12; step++) {
      const values = directions(random, 100);
      const assigner = new Assigner({ ...start, ...model.snapshot() }, kernels);
      assigner.assign(values, 100);
      const delta = new DeltaAccumulator(start, 0, kernels);
      const offsets = Float64Array.from({ length: 100 }, (_, i) => step * 100 + i);
      const weights = new Float32Array(100).fill(1);
      delta.add(assigner.points, weights, assigner.labels, assigner.euclidean, offsets, 100);
      model.fold(delta.take());
      seen = seen.map((point) => ({ ...point, weight: point.weight * 2 ** (-100 / halfLife) }));
      look(values, assigner.labels, 100);
      const { centroids, sumSquares, weights: folded } = model.snapshot();
      for (let j = 0; j < 3; j++) {
        const members = seen.filter(({ label }) => label === j);
        const sum = [0, 1, 2].map((d) =>
          members.reduce((s, { x, weight }) => s + weight * x[d]!, 0),
        );
        const c = sum.map((value) => value / length(sum));
        const got = rowOf(centroids, j, 3);
        expect(length(got)).toBeCloseTo(1, 12);
        for (let d = 0; d < 3; d++) expect(got[d]).toBeCloseTo(c[d]!, 4);
        const weight = members.reduce((s, point) => s + point.weight, 0);
        expect(folded[j]).toBeCloseTo(weight, 6);
        const squares = members.reduce(
          (s, point) => s + point.weight * length(point.x.map((value, d) => value - c[d]!)) ** 2,
          0,
        );
        expect(sumSquares[j]! / squares).toBeCloseTo(1, 3);
      }
    }
  });

  it('is restored to the bit', () => {
    const values = directions(new Random(4), 60);
    const start = bootstrapModel({
      ...{ values, n: 60, dims: 3, k: 3, seed: 1, kernels, scaling: false, metric: 'cosine' },
    });
    const model = OnlineModel.begin(start);
    const again = OnlineModel.restore(model.records());
    expect(again.basis.metric).toBe('cosine');
    expect(again.snapshot()).toEqual(model.snapshot());
  });

  it('reaches the objective of plain spherical k-means on Digits', () => {
    const text = gunzipSync(
      readFileSync(new URL('../examples/data/digits.csv.gz', import.meta.url)),
    );
    const lines = text.toString('utf8').trim().split('\n');
    const rows = lines.map((line) => line.split(',').map(Number).slice(0, 64));
    const values = Float32Array.from(rows.flat());
    const given = { values, n: rows.length, dims: 64, k: 10, seed: 1, kernels };
    const fit = fitModel({ ...given, scaling: false, metric: 'cosine', nInit: 10 });
    const units = rows.map((row) => row.map((value) => value / length(row)));
    const best = Math.max(
      ...[1, 2, 3, 4].map((seed) => plainSpherical(units, 10, new Random(seed))),
    );
    const ours = cohesion(
      units,
      [...Array(10).keys()].map((j) => rowOf(fit.centroids, j, 64)),
    );
    expect(rows).toHaveLength(1797);
    expect(ours).toBeGreaterThan(best * 0.999);
    expect(fit.inertia / (2 * (rows.length - ours))).toBeCloseTo(1, 5);
  });
});

/** Σ of the greatest cosine: what spherical k-means maximises (Dhillon and Modha, 2001). */
function cohesion(units: readonly number[][], centres: readonly number[][]): number {
  const greatest = (x: number[]) => Math.max(...centres.map((c) => dot(x, c)));
  return units.reduce((sum, x) => sum + greatest(x), 0);
}

/** The algorithm as in the paper, from centres drawn at random. */
function plainSpherical(units: readonly number[][], k: number, random: Random): number {
  let centres = Array.from({ length: k }, () => units[random.below(units.length)]!);
  for (let iteration = 0; iteration < 25; iteration++) {
    const sums = centres.map((c) => c.map(() => 0));
    for (const x of units) {
      const cosines = centres.map((c) => dot(x, c));
      const sum = sums[cosines.indexOf(Math.max(...cosines))]!;
      for (const [d, value] of x.entries()) sum[d]! += value;
    }
    centres = sums.map((sum, j) =>
      length(sum) > 0 ? sum.map((v) => v / length(sum)) : centres[j]!,
    );
  }
  return cohesion(units, centres);
}

function dot(x: readonly number[], y: readonly number[]): number {
  let sum = 0;
  for (let d = 0; d < x.length; d++) sum += x[d]! * y[d]!;
  return sum;
}

describe('a model that fills in means', () => {
  it('answers as if the means of its generation stood there', () => {
    const values = directions(new Random(5), 400, 0.4, false);
    const fit = fitOf(values, 'euclidean', 'mean');
    for (let d = 0; d < 3; d++) {
      const there = Array.from(values).filter((x, i) => i % 3 === d && !Number.isNaN(x));
      const mean = there.reduce((sum, x) => sum + x, 0) / there.length;
      expect(fit.featureMeans[d]).toBeCloseTo(mean, 6);
    }
    const filled = values.map((x, i) => (Number.isNaN(x) ? fit.featureMeans[i % 3]! : x));
    const [one, other] = [new Assigner({ ...fit, k: 3, dims: 3 }, kernels), plainAssigner(fit)];
    one.assign(values, 400);
    other.assign(filled, 400);
    expect(one.labels.subarray(0, 400)).toEqual(other.labels.subarray(0, 400));
    expect(one.distances.subarray(0, 400)).toEqual(other.distances.subarray(0, 400));
    expect(one.points.subarray(0, 1200)).toEqual(filled);
  });

  it('by cosine: a point and its multiple are one, whatever is missing', () => {
    const values = directions(new Random(6), 300, 0.5);
    const longer = values.map((x, i) => (Math.floor(i / 3) % 5 === 0 ? x * 1024 : x));
    const fit = fitOf(values, 'cosine', 'mean');
    expect(fitOf(longer, 'cosine', 'mean')).toEqual(fit);
    const assigner = new Assigner({ ...fit, k: 3, dims: 3 }, kernels);
    assigner.assign(values, 300);
    for (let row = 0; row < 300; row++) {
      expect(length(rowOf(assigner.points, row, 3))).toBeCloseTo(1, 6);
    }
  });
});

function plainAssigner(fit: ReturnType<typeof fitOf>): Assigner {
  return new Assigner({ ...fit, k: 3, dims: 3, metric: 'euclidean', missing: 'reject' }, kernels);
}

describe('a model by partial distance', () => {
  it('answers complete points as if nothing were ever missing, to the bit', () => {
    const values = directions(new Random(7), 300, 0.3, false);
    const fit = fitOf(values, 'euclidean', 'partial');
    const [one, other] = [new Assigner({ ...fit, k: 3, dims: 3 }, kernels), plainAssigner(fit)];
    one.assign(values, 300);
    const rows = Array.from({ length: 300 }, (_, row) => row).filter(
      (row) => !rowOf(values, row, 3).some(Number.isNaN),
    );
    for (const row of rows) {
      other.assign(values.subarray(row * 3, row * 3 + 3), 1);
      expect(one.labels[row]).toBe(other.labels[0]);
      expect(one.distances[row]).toBe(other.distances[0]);
      expect(one.margins[row]).toBe(other.margins[0]);
    }
    expect(one.partial.count).toBe(300 - rows.length);
    expect(rows.length).toBeLessThan(250);
  });

  it('takes what its centroid has for what is missing: the centroid is not pulled there', () => {
    const values = directions(new Random(8), 300, 0.3, false);
    const fit = fitOf(values, 'euclidean', 'partial');
    const basis = { ...fit, k: 3, dims: 3, reference: fit.centroids };
    const assigner = new Assigner(basis, kernels);
    assigner.assign(Float32Array.of(nan, 100, nan), 1);
    const label = assigner.labels[0]!;
    const distance = Math.abs(100 - fit.centroids[label * 3 + 1]!) / fit.scale[1]!;
    expect(assigner.distances[0]! / (Math.sqrt(3) * distance)).toBeCloseTo(1, 5);
    const delta = new DeltaAccumulator(basis, 0, kernels);
    const { labels, euclidean, points, partial } = assigner;
    const [weights, offsets] = [Float32Array.of(2), Float64Array.of(9)];
    delta.add(points, weights, labels, euclidean, offsets, 1, undefined, partial);
    const { sums, sumSquares } = delta.take();
    expect(sums[0]).toBeCloseTo(0, 5);
    expect(sums[1]).toBeCloseTo(2 * (100 - fit.centroids[label * 3 + 1]!), 4);
    expect(sums[2]).toBeCloseTo(0, 5);
    expect(sumSquares[0]! / (2 * 3 * distance ** 2)).toBeCloseTo(1, 5);
  });

  it('gives the same delta wherever one batch ends and the next begins', () => {
    const values = directions(new Random(9), 200, 0.4, false);
    const fit = fitOf(values, 'euclidean', 'partial');
    const basis = { ...fit, k: 3, dims: 3, reference: fit.centroids };
    const deltaOf = (rowsMax: number) => {
      const assigner = new Assigner(basis, kernels);
      const delta = new DeltaAccumulator(basis, 0, kernels);
      for (let from = 0; from < 200; from += rowsMax) {
        const n = Math.min(rowsMax, 200 - from);
        assigner.assign(values.subarray(from * 3, (from + n) * 3), n);
        const weights = new Float32Array(n).fill(1.5);
        const offsets = Float64Array.from({ length: n }, (_, i) => from + i);
        const { labels, euclidean, points, partial } = assigner;
        delta.add(points, weights, labels, euclidean, offsets, n, undefined, partial);
      }
      return delta.take();
    };
    expect(deltaOf(200)).toEqual(deltaOf(1));
    expect(deltaOf(7)).toEqual(deltaOf(64));
  });

  it('fits centroids that are the means of the values there are, and is no worse than where it began', () => {
    const values = directions(new Random(10), 400, 0.6, false);
    const fit = fitOf(values, 'euclidean', 'partial');
    for (let j = 0; j < 3; j++) {
      for (let d = 0; d < 3; d++) {
        const there = [...fit.labels.keys()]
          .filter((row) => fit.labels[row] === j)
          .map((row) => values[row * 3 + d]!)
          .filter((x) => !Number.isNaN(x));
        const mean = there.reduce((sum, x) => sum + x, 0) / there.length;
        expect(fit.centroids[j * 3 + d]! / mean).toBeCloseTo(1, 1);
      }
    }
    const initial = fit.centroids.map((x) => x + 0.5);
    const parent = new Assigner({ ...fit, centroids: initial, k: 3, dims: 3 }, kernels);
    parent.assign(values, 400);
    const before = parent.distances.subarray(0, 400).reduce((sum, x) => sum + x * x, 0);
    const options = { values, n: 400, dims: 3, k: 3, seed: 1, kernels, scaling: true };
    const again = fitModel({ ...options, missing: 'partial', initial, nInit: 1 });
    expect(again.inertia).toBeLessThanOrEqual(before);
    expect(again.inertia / fit.inertia).toBeCloseTo(1, 2);
  });

  it('has k clusters wherever there are k distinct points', () => {
    const values = Float32Array.of(0, 0, nan, 0, 0, 1, nan, 9, 9, 9, 9, nan, 9, nan, 8);
    const fit = fitModel({
      ...{ values, n: 5, dims: 3, k: 4, seed: 1, kernels, scaling: false, missing: 'partial' },
    });
    expect(fit.centroids.every(Number.isFinite)).toBe(true);
    expect(fit.weights.filter((weight) => weight > 0).length).toBeGreaterThanOrEqual(3);
  });
});
