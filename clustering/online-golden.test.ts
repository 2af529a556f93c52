import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import {
  Assigner,
  bootstrapModel,
  DeltaAccumulator,
  type DeltaStatistics,
  fitScaler,
  OnlineModel,
  referenceKernels,
  scalePoints,
} from './index.ts';

// Real data against scikit-learn's full-batch fit (test/golden/make-golden.py): the same standardised points, here seen
// once, in deltas of 1 to 1,000 points of several partitions, each made against a model a few deltas old.
//
// Not promised: a tenth for every order and k. A handful of Shuttle's points carry half its error, so what one pass finds
// depends on when it meets them. Over 30 runs of 25 shuffles the ratio was at most 1.08 for k = 8; for k = 7 one was 1.21 and the others
// at most 1.10; for k = 5 six of 10 were above 1.10, the worst 1.18. All 1,797 rows of Digits are bootstrap rows by default;
// the runs from 300 rows are the ones that learn online.

interface Points {
  readonly n: number;
  readonly dims: number;
  readonly values: Float32Array;
}

interface Stream {
  readonly partitions: number;
  readonly pointsMax: number;
  readonly lag: number;
  readonly seed: number;
}

const golden = JSON.parse(
  readFileSync(new URL('../test/golden/scikit-learn.json', import.meta.url), 'utf8'),
) as { data: Record<string, { rows: number; fits: { k: number; inertia: number }[] }> };

const bootstrapRows = 2000;
const streams: Stream[] = [
  { partitions: 1, pointsMax: 1000, lag: 0, seed: 1 },
  { partitions: 4, pointsMax: 500, lag: 0, seed: 2 },
  { partitions: 4, pointsMax: 400, lag: 5, seed: 3 },
  { partitions: 3, pointsMax: 1000, lag: 2, seed: 4 },
];

describe('the online model against scikit-learn', () => {
  const shuttle = standardised('shuttle');
  const digits = standardised('digits');

  it.each([7, 8])('k = %i: is within a tenth on Shuttle in file order, one pass', (k) => {
    for (const stream of streams) {
      expect(ratio('shuttle', shuttle, k, stream), JSON.stringify(stream)).toBeLessThan(1.1);
    }
  });

  it('k = 8: is within a tenth on shuffled Shuttle', () => {
    for (const stream of streams) {
      const points = shuffled(shuttle, 100 + stream.seed);
      expect(ratio('shuttle', points, 8, stream), JSON.stringify(stream)).toBeLessThan(1.1);
    }
  });

  it.each([8, 10])('k = %i: is within a tenth on Digits, one pass after the bootstrap', (k) => {
    for (const stream of streams) {
      expect(ratio('digits', digits, k, stream), JSON.stringify(stream)).toBeLessThan(1.1);
    }
  });

  it.each([8, 10])('k = %i: is within a tenth on Digits bootstrapped from 300 rows', (k) => {
    for (const stream of streams) {
      const small = { ...stream, pointsMax: 100 };
      expect(ratio('digits', digits, k, small, 300), JSON.stringify(stream)).toBeLessThan(1.1);
    }
  });
});

function ratio(name: string, points: Points, k: number, stream: Stream, rows = bootstrapRows) {
  const data = golden.data[name]!;
  expect(points.n).toBe(data.rows);
  return learnOnce(points, k, stream, rows) / data.fits.find((fit) => fit.k === k)!.inertia;
}

/** @returns inertia of all points under the final centroids */
function learnOnce(points: Points, k: number, stream: Stream, rows: number): number {
  const { dims, values } = points;
  const n = Math.min(rows, points.n);
  const { seed } = stream;
  const sample = values.subarray(0, n * dims);
  const start = bootstrapModel({
    values: sample,
    n,
    dims,
    k,
    seed,
    scaling: false,
    kernels: referenceKernels,
  });
  const model = OnlineModel.begin(start);
  const inFlight: { delta: DeltaStatistics; patch: number }[] = [];
  for (const batch of batches(points, stream)) {
    const assigner = new Assigner({ ...start, ...model.snapshot() }, referenceKernels);
    assigner.assign(batch.values, batch.n);
    const delta = new DeltaAccumulator(start, batch.partition);
    const weights = new Float32Array(batch.n).fill(1);
    const { labels, distances } = assigner;
    delta.add(batch.values, weights, labels, distances, batch.offsets, batch.n);
    inFlight.push({ delta: delta.take(), patch: model.patch });
    if (inFlight.length <= stream.lag) continue;
    const next = inFlight.shift()!;
    model.fold(next.delta, next.patch);
  }
  for (const { delta, patch } of inFlight) model.fold(delta, patch);
  return inertia(points, new Assigner({ ...start, ...model.snapshot() }, referenceKernels));
}

/** Row i is in partition i mod partitions; partitions take turns with batches of random size. */
function* batches({ n, dims, values }: Points, { partitions, pointsMax, seed }: Stream) {
  const random = new Random(seed);
  const next = Array.from({ length: partitions }, (_, partition) => partition);
  while (next.some((row) => row < n)) {
    for (let partition = 0; partition < partitions; partition++) {
      const rows: number[] = [];
      const size = 1 + random.below(pointsMax);
      for (; rows.length < size && next[partition]! < n; next[partition]! += partitions) {
        rows.push(next[partition]!);
      }
      if (rows.length === 0) continue;
      const batch = new Float32Array(rows.length * dims);
      for (const [i, row] of rows.entries()) {
        batch.set(values.subarray(row * dims, (row + 1) * dims), i * dims);
      }
      const offsets = Float64Array.from(rows, (row) => Math.floor(row / partitions));
      yield { partition, n: rows.length, values: batch, offsets };
    }
  }
}

function inertia({ n, values }: Points, assigner: Assigner): number {
  assigner.assign(values, n);
  let sum = 0;
  for (let row = 0; row < n; row++) sum += assigner.distances[row]! ** 2;
  return sum;
}

function standardised(name: string): Points {
  const path = new URL(`../examples/data/${name}.csv.gz`, import.meta.url);
  const lines = gunzipSync(readFileSync(path)).toString().trim().split('\n');
  const rows = lines.map((line) => line.split(',').slice(0, -1).map(Number));
  if (rows[0]!.some(Number.isNaN)) rows.shift();
  const dims = rows[0]!.length;
  const values = Float32Array.from(rows.flat());
  const { mean, scale } = fitScaler(values, rows.length, dims);
  scalePoints(values, rows.length, dims, mean, scale, values);
  return { n: rows.length, dims, values };
}

function shuffled({ n, dims, values }: Points, seed: number): Points {
  const random = new Random(seed);
  const out = values.slice();
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const row = out.slice(i * dims, (i + 1) * dims);
    out.copyWithin(i * dims, j * dims, (j + 1) * dims);
    out.set(row, j * dims);
  }
  return { n, dims, values: out };
}
