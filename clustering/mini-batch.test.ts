import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { distanceBin, distanceBins } from './distance-histogram.ts';
import {
  candidatesPerDelta,
  DeltaAccumulator,
  type DeltaBasis,
  type DeltaStatistics,
} from './mini-batch.ts';

const dims = 2;
const k = 4;
const basis: DeltaBasis = {
  k,
  dims,
  reference: Float64Array.of(0, 0, 1e6, 1, -5, 5, 3, 3),
  scale: Float64Array.of(2, 0.5),
};

interface Rows {
  readonly n: number;
  readonly values: Float32Array;
  readonly weights: Float32Array;
  readonly labels: Int32Array;
  readonly distances: Float32Array;
  readonly offsets: Float64Array;
}

function rows(n: number, seed: number): Rows {
  const random = new Random(seed);
  return {
    n,
    values: Float32Array.from({ length: n * dims }, () => random.normal() * 10),
    weights: Float32Array.from({ length: n }, () => random.below(4) / 2),
    labels: Int32Array.from({ length: n }, () => random.below(3)),
    distances: Float32Array.from({ length: n }, () => random.float() * 20),
    offsets: Float64Array.from({ length: n }, (_, i) => 1000 + 2 * i),
  };
}

function addRange(accumulator: DeltaAccumulator, all: Rows, from: number, to: number): void {
  accumulator.add(
    all.values.subarray(from * dims, to * dims),
    all.weights.subarray(from, to),
    all.labels.subarray(from, to),
    all.distances.subarray(from, to),
    all.offsets.subarray(from, to),
    to - from,
  );
}

function together(all: Rows): DeltaStatistics {
  const accumulator = new DeltaAccumulator(basis);
  addRange(accumulator, all, 0, all.n);
  return accumulator.take();
}

const sized = fc.tuple(fc.integer({ min: 1, max: 200 }), fc.integer());

describe('the delta accumulator', () => {
  it('adds up what the definitions say', () => {
    const all = rows(300, 1);
    const delta = together(all);
    expect([...delta.clusters]).toEqual([0, 1, 2]);
    for (const [i, j] of delta.clusters.entries()) {
      let [weight, square] = [0, 0];
      const sums = [0, 0];
      const histogram = new Float64Array(distanceBins);
      for (let row = 0; row < all.n; row++) {
        if (all.labels[row] !== j) continue;
        const w = all.weights[row]!;
        weight += w;
        histogram[distanceBin(all.distances[row]!)]! += w;
        for (let d = 0; d < dims; d++) {
          const residual = all.values[row * dims + d]! - basis.reference[j * dims + d]!;
          sums[d]! += w * residual;
          square += w * (residual / basis.scale[d]!) ** 2;
        }
      }
      expect(delta.weights[i]).toBeCloseTo(weight, 9);
      for (let d = 0; d < dims; d++) {
        expect(delta.sums[i * dims + d]! / sums[d]!).toBeCloseTo(1, 10);
      }
      expect(delta.sumSquares[i]! / square).toBeCloseTo(1, 10);
      const bins = delta.distanceHistogram.subarray(i * distanceBins, (i + 1) * distanceBins);
      expect(bins).toEqual(histogram);
    }
  });

  it('gives the same bits wherever batches end', () => {
    fc.assert(
      fc.property(sized, fc.array(fc.integer({ min: 1, max: 50 })), ([n, seed], sizes) => {
        const all = rows(n, seed);
        const accumulator = new DeltaAccumulator(basis);
        let from = 0;
        for (const size of [...sizes, n]) {
          const to = Math.min(n, from + size);
          addRange(accumulator, all, from, to);
          from = to;
        }
        expect(accumulator.count).toBe(n);
        expect(accumulator.take()).toEqual(together(all));
      }),
    );
  });

  it('is empty after take', () => {
    const accumulator = new DeltaAccumulator(basis);
    addRange(accumulator, rows(50, 3), 0, 50);
    accumulator.take();
    expect(accumulator.count).toBe(0);
    const empty = accumulator.take();
    expect(empty.clusters.length + empty.candidates.length + empty.sums.length).toBe(0);
    addRange(accumulator, rows(80, 4), 0, 80);
    expect(accumulator.take()).toEqual(together(rows(80, 4)));
  });

  it('does not list a cluster that got only points of weight 0', () => {
    const accumulator = new DeltaAccumulator(basis);
    const [point, label] = [Float32Array.of(1, 1), Int32Array.of(2)];
    accumulator.add(point, Float32Array.of(0), label, Float32Array.of(9), Float64Array.of(7), 1);
    const delta = accumulator.take();
    expect(delta.clusters.length).toBe(0);
    expect(delta.candidates.length).toBe(0);
  });
});

describe('the candidates of a delta', () => {
  it('are all points, for what they weigh, when there are few', () => {
    const all = rows(candidatesPerDelta, 9);
    const delta = together({ ...all, weights: all.weights.map(() => 2) });
    expect(delta.candidates.length).toBe(candidatesPerDelta * dims);
    for (const weight of delta.candidateWeights) expect(weight).toBe(2);
  });

  it('always have the one point that is far away, at its own weight', () => {
    for (let seed = 0; seed < 50; seed++) {
      const all = rows(500, seed);
      all.distances[123] = 1e6;
      all.weights[123] = 1;
      const { candidates, candidateWeights } = together(all);
      const far = [all.values[246]!, all.values[247]!];
      const i = Array.from({ length: candidates.length / dims }, (_, c) => c).findIndex(
        (c) => candidates[c * dims] === far[0] && candidates[c * dims + 1] === far[1],
      );
      expect(i).toBeGreaterThanOrEqual(0);
      expect(candidateWeights[2 * i]).toBe(1);
      expect(candidateWeights[2 * i + 1]).toBeCloseTo(1, 6);
    }
  });

  it('stand for all points: what they are said to stand for adds up to the total, on average', () => {
    const all = { ...rows(400, 5), weights: new Float32Array(400).fill(1) };
    const trials = 3000;
    let sum = 0;
    for (let trial = 0; trial < trials; trial++) {
      const offsets = Float64Array.from(all.offsets, (offset) => offset + trial * 100_003);
      const { candidateWeights } = together({ ...all, offsets });
      for (let i = 1; i < candidateWeights.length; i += 2) sum += candidateWeights[i]!;
    }
    expect(sum / trials / 400).toBeGreaterThan(0.93);
    expect(sum / trials / 400).toBeLessThan(1.07);
  });
});
