import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cumulativeHistogram, distanceBins, distanceEdges } from '../distance-histogram.ts';
import type { Kernels } from './kernels.ts';
import { loadNativeKernels } from './native.ts';
import { referenceKernels } from './reference.ts';
import { streamKernelsOf } from './stream.ts';

// The native versions against the plain ones, bit for bit.

const plain = streamKernelsOf(referenceKernels);
const sets = nativeSets();

const edge = fc
  .integer({ min: 0, max: distanceBins })
  .map((bin) => Math.fround(distanceEdges[bin]!));
const distance = fc.oneof(
  fc.float({ min: 0, max: 100, noNaN: true }),
  fc.float({ min: 0, noNaN: true }),
  edge,
);
const offset = fc.oneof(fc.maxSafeNat(), fc.integer({ min: 0, max: 40 }));
const row = fc.record({
  label: fc.nat(),
  distance,
  second: distance,
  weight: fc.oneof(fc.constant(1), fc.float({ min: 0, max: 8, noNaN: true })),
  offset,
});
const cases = fc
  .record({ k: fc.integer({ min: 1, max: 9 }), dims: fc.integer({ min: 1, max: 37 }) })
  .chain(({ k, dims }) =>
    fc.record({
      k: fc.constant(k),
      dims: fc.constant(dims),
      rows: fc.array(row, { maxLength: 60 }),
      points: fc.array(fc.float({ min: -100, max: 100, noNaN: true }), {
        minLength: 60 * dims,
        maxLength: 60 * dims,
      }),
      histogram: fc.array(fc.oneof(fc.constant(0), fc.float({ min: 0, max: 50, noNaN: true })), {
        minLength: k * distanceBins,
        maxLength: k * distanceBins,
      }),
    }),
  )
  .map(({ k, dims, rows, points, histogram }) => ({
    ...{ k, dims, n: rows.length, points: Float32Array.from(points) },
    labels: Int32Array.from(rows, ({ label }) => label % k),
    distances: Float32Array.from(rows, (of) => of.distance),
    second: Float32Array.from(rows, (of) => of.second),
    weights: Float32Array.from(rows, ({ weight }) => weight),
    offsets: Float64Array.from(rows, (of) => of.offset),
    histogram: Float64Array.from(histogram),
  }));

describe.each(sets)('$layout: the stream', (kernels) => {
  const native = streamKernelsOf(kernels);

  it('answers alike, whatever the metric', () => {
    fc.assert(
      fc.property(cases, fc.boolean(), ({ n, k, labels, ...of }, cosine) => {
        const totals = cumulativeHistogram(of.histogram, k);
        const answers = [plain, native].map(({ answer }) => {
          const euclidean = of.distances.slice();
          const distances = cosine ? new Float32Array(n) : euclidean;
          const [margins, outlierScores] = [new Float32Array(n), new Float32Array(n)];
          const columns = { labels, euclidean, second: of.second, distances, margins };
          answer(n, k, cosine, totals, { ...columns, outlierScores });
          return { euclidean, distances, margins, outlierScores };
        });
        expect(answers[1]).toEqual(answers[0]);
      }),
      { numRuns: 300 },
    );
  });

  it('sums features alike, and on top of what was there', () => {
    fc.assert(
      fc.property(cases, ({ n, dims, points, histogram }) => {
        const answers = [plain, native].map(({ addFeatures }) => {
          const sums = Float64Array.from({ length: dims }, (_, d) => histogram[d % distanceBins]!);
          const squares = new Float64Array(dims);
          addFeatures(points, n, dims, sums, squares);
          return { sums, squares };
        });
        expect(answers[1]).toEqual(answers[0]);
      }),
    );
  });

  it('takes the same sample', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 5 }), ({ n, dims, points, offsets }, every) => {
        const answers = [plain, native].map(({ gatherEvery }) => {
          const out = new Float32Array(n * dims);
          return { rows: gatherEvery(points, offsets, n, dims, every, out), out };
        });
        expect(answers[1]).toEqual(answers[0]);
      }),
    );
  });

  it('tallies alike and stops at the same rows', () => {
    const rank = fc.oneof(fc.constant(Infinity), fc.float({ min: 0, max: 2, noNaN: true }));
    fc.assert(
      fc.property(cases, fc.integer(), rank, ({ n, labels, ...of }, salt, limit) => {
        const answers = [plain, native].map(({ tally }) => {
          const histogram = of.histogram.slice();
          const stops: number[] = [];
          for (let from = 0; from < n; from += 1) {
            const columns = [of.weights, labels, of.distances, of.offsets] as const;
            from = tally(...columns, from, n, salt, limit, histogram);
            stops.push(from);
          }
          return { histogram, stops };
        });
        expect(answers[1]).toEqual(answers[0]);
      }),
      { numRuns: 300 },
    );
  });

  it('refuses labels that are not below k', () => {
    const one = new Float32Array(1);
    const tally = () =>
      native.tally(
        ...([one, Int32Array.of(1), one, new Float64Array(1)] as const),
        ...([0, 1, 0, 1, new Float64Array(distanceBins)] as const),
      );
    expect(tally).toThrow('a label is not below k');
  });
});

function nativeSets(): Kernels[] {
  try {
    return loadNativeKernels();
  } catch {
    return [];
  }
}
