import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addPoints,
  emptyMoments,
  type LabelledPoints,
  mergeMoments,
  summarise,
  summarisePoints,
} from './cluster-moments.ts';
import { referenceKernels } from './kernels/reference.ts';
import { mixture } from './testing/streams.ts';
import { calinskiHarabasz, daviesBouldin, daviesBouldinOfPoints, silhouette } from './validity.ts';

interface GoldenMetrics {
  readonly data: string;
  readonly rows: number;
  readonly k: number;
  readonly calinskiHarabasz: number;
  readonly daviesBouldin: number;
  readonly silhouette: number;
  readonly perCluster: readonly number[];
}

const golden = JSON.parse(
  readFileSync(new URL('../test/golden/scikit-learn.json', import.meta.url), 'utf8'),
) as { metrics: GoldenMetrics[] };

/** Equal to a relative 1e-6. */
function expectClose(actual: number | undefined, expected: number): void {
  expect(Math.abs(actual! - expected)).toBeLessThanOrEqual(1e-6 * Math.abs(expected));
}

describe('the indices against scikit-learn', () => {
  it.each(golden.metrics.map((item) => [item.data, item.k, item] as const))(
    'agree to 1e-6 on %s with %i clusters',
    (name, k, item) => {
      const points = nearestOfFirst(load(name, item.rows), k);
      const summary = summarisePoints(points, k);
      expectClose(calinskiHarabasz(summary), item.calinskiHarabasz);
      expectClose(daviesBouldinOfPoints(summary, points), item.daviesBouldin);
      const { mean, perCluster } = silhouette(summary, points)!;
      expectClose(mean, item.silhouette);
      for (let j = 0; j < k; j++) expectClose(perCluster[j], item.perCluster[j]!);
    },
  );
});

describe('the indices against their definitions', () => {
  const points = nearestOfFirst(mixture(120, 3, 4, 9), 4);
  const summary = summarisePoints(points, 4);

  it('the silhouette is what all pairs of points give', () => {
    const { mean, perCluster } = silhouette(summary, points)!;
    const scores = slowSilhouettes(points, 4);
    expect(mean).toBeCloseTo(scores.reduce((sum, s) => sum + s, 0) / points.n, 10);
    for (let j = 0; j < 4; j++) {
      const own = scores.filter((_, row) => points.labels[row] === j);
      expect(perCluster[j]).toBeCloseTo(own.reduce((sum, s) => sum + s, 0) / own.length, 10);
    }
  });

  it('Davies-Bouldin from statistics has the root mean squared distance for S', () => {
    const radii = summary.weights.map((weight, j) => Math.sqrt(summary.sumSquares[j]! / weight));
    const at = (j: number) => [...summary.centroids.subarray(j * 3, j * 3 + 3)];
    let sum = 0;
    for (let i = 0; i < 4; i++) {
      const others = [0, 1, 2, 3].filter((j) => j !== i);
      const ratios = others.map((j) => {
        const distance = Math.hypot(...at(i).map((value, d) => value - at(j)[d]!));
        return (radii[i]! + radii[j]!) / distance;
      });
      sum += Math.max(...ratios);
    }
    expect(daviesBouldin(summary)).toBeCloseTo(sum / 4, 12);
    expect(daviesBouldin(summary)).toBeGreaterThan(daviesBouldinOfPoints(summary, points)!);
  });

  it('a weight counts as so many equal points', () => {
    const times = Array.from(points.labels, (_, row) => 1 + (row % 3));
    const rows = times.flatMap((count, row) => new Array<number>(count).fill(row));
    const repeated = {
      n: rows.length,
      dims: 3,
      values: Float32Array.from(
        rows.flatMap((row) => [...points.values.subarray(row * 3, row * 3 + 3)]),
      ),
      labels: Int32Array.from(rows, (row) => points.labels[row]!),
    };
    const weighted = { ...points, weights: Float32Array.from(times) };
    const [one, other] = [summarisePoints(weighted, 4), summarisePoints(repeated, 4)];
    expectClose(calinskiHarabasz(one), calinskiHarabasz(other)!);
    expectClose(daviesBouldin(one), daviesBouldin(other)!);
    expectClose(daviesBouldinOfPoints(one, weighted), daviesBouldinOfPoints(other, repeated)!);
    expectClose(silhouette(one, weighted)!.mean, silhouette(other, repeated)!.mean);
  });

  it('an empty cluster changes nothing', () => {
    const wider = summarisePoints(points, 6);
    expect(calinskiHarabasz(wider)).toBe(calinskiHarabasz(summary));
    expect(daviesBouldin(wider)).toBe(daviesBouldin(summary));
    expect(silhouette(wider, points)!.mean).toBe(silhouette(summary, points)!.mean);
    expect(silhouette(wider, points)!.perCluster[5]).toBeUndefined();
  });

  it('an index that the data do not define is absent, not 0', () => {
    const one = { ...points, labels: new Int32Array(points.n) };
    const alone = summarisePoints(one, 1);
    expect(calinskiHarabasz(alone)).toBeUndefined();
    expect(daviesBouldin(alone)).toBeUndefined();
    expect(silhouette(alone, one)).toBeUndefined();
    const labels = Int32Array.of(0, 1);
    const pair = { values: Float32Array.of(1, 5), n: 2, dims: 1, labels };
    expect(calinskiHarabasz(summarisePoints(pair, 2))).toBeUndefined();
    expect(silhouette(summarisePoints(pair, 2), pair)!.mean).toBe(0);
    const same = { values: Float32Array.of(3, 3), n: 2, dims: 1, labels };
    expect(daviesBouldin(summarisePoints(same, 2))).toBeUndefined();
    const none = summarisePoints({ ...same, n: 0 }, 2);
    expect(calinskiHarabasz(none)).toBeUndefined();
  });
});

describe('the moments of a clustering', () => {
  it('add up over any split into parts', () => {
    const points = nearestOfFirst(mixture(200, 2, 3, 5), 3);
    const reference = Float64Array.from(points.values.subarray(0, 6));
    const whole = emptyMoments(3, 2, reference);
    addPoints(whole, points);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200 }), (cut) => {
        const total = emptyMoments(3, 2, reference);
        for (const [from, to] of [
          [cut, 200],
          [0, cut],
        ] as const) {
          const part = emptyMoments(3, 2, reference);
          addPoints(part, {
            values: points.values.subarray(from * 2, to * 2),
            labels: points.labels.subarray(from, to),
            n: to - from,
            dims: 2,
          });
          mergeMoments(total, part);
        }
        expectClose(calinskiHarabasz(summarise(total)), calinskiHarabasz(summarise(whole))!);
        expectClose(daviesBouldin(summarise(total)), daviesBouldin(summarise(whole))!);
      }),
    );
  });

  it('do not cancel when the mean is large', () => {
    const near = nearestOfFirst(mixture(500, 2, 3, 5), 3);
    const values = near.values.map((value) => Math.round(value * 8) / 8);
    const far = { ...near, values: values.map((value) => value + 1e5) };
    const index = calinskiHarabasz(summarisePoints({ ...near, values }, 3))!;
    expectClose(calinskiHarabasz(summarisePoints(far, 3)), index);
  });

  it('of different references are not added', () => {
    const moments = emptyMoments(1, 1, Float64Array.of(1));
    expect(() => mergeMoments(moments, emptyMoments(1, 1, Float64Array.of(2)))).toThrow();
  });
});

function slowSilhouettes({ values, n, dims, labels }: LabelledPoints, k: number): number[] {
  return Array.from({ length: n }, (_, row) => {
    const sums = new Array<number>(k).fill(0);
    const counts = new Array<number>(k).fill(0);
    for (let other = 0; other < n; other++) {
      if (other === row) continue;
      for (let d = 0; d < dims; d++) {
        sums[labels[other]!]! += (values[row * dims + d]! - values[other * dims + d]!) ** 2;
      }
      counts[labels[other]!]! += 1;
    }
    const means = sums.map((sum, j) => sum / counts[j]!);
    const within = means[labels[row]!]!;
    const nearest = Math.min(...means.filter((_, j) => j !== labels[row]));
    return (nearest - within) / Math.max(within, nearest);
  });
}

function nearestOfFirst(
  { values, n, dims }: { values: Float32Array; n: number; dims: number },
  k: number,
): LabelledPoints {
  const labels = new Int32Array(n);
  const first = values.slice(0, k * dims);
  referenceKernels.nearest(values, n, referenceKernels.prepare(first, k, dims), labels);
  return { values, n, dims, labels };
}

function load(name: string, n: number) {
  const path = new URL(`../examples/data/${name}.csv.gz`, import.meta.url);
  const lines = gunzipSync(readFileSync(path)).toString().trim().split('\n');
  const rows = lines.map((line) => line.split(',').slice(0, -1).map(Number));
  if (rows[0]!.some(Number.isNaN)) rows.shift();
  return { values: Float32Array.from(rows.slice(0, n).flat()), n, dims: rows[0]!.length };
}
