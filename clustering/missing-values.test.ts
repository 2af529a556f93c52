import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referenceKernels } from './kernels/reference.ts';
import { imputeMean, nearestTwoPartial, rejectMissing } from './missing-values.ts';

const value = fc.integer({ min: -50, max: 50 });
const maybe = fc.oneof(value, fc.constant(Number.NaN));
const cases = fc
  .record({
    n: fc.integer({ min: 1, max: 8 }),
    dims: fc.integer({ min: 1, max: 9 }),
    k: fc.integer({ min: 1, max: 6 }),
  })
  .chain(({ n, dims, k }) =>
    fc.record({
      n: fc.constant(n),
      dims: fc.constant(dims),
      k: fc.constant(k),
      points: fc.array(maybe, { minLength: n * dims, maxLength: n * dims }),
      centroids: fc.array(value, { minLength: k * dims, maxLength: k * dims }),
    }),
  );

interface Case {
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  readonly points: readonly number[];
  readonly centroids: readonly number[];
}

function run({ n, dims, k, points, centroids }: Case, nearestTwo = nearestTwoPartial) {
  const labels = new Int32Array(n);
  const [nearest, second] = [new Float32Array(n), new Float32Array(n)];
  const [x, c] = [Float32Array.from(points), Float32Array.from(centroids)];
  nearestTwo(x, n, dims, c, k, labels, nearest, second);
  return { labels, nearest, second };
}

const plainNearestTwo: typeof nearestTwoPartial = (points, n, dims, centroids, k, ...outputs) =>
  referenceKernels.nearestTwo(points, n, referenceKernels.prepare(centroids, k, dims), ...outputs);

describe('missing values', () => {
  it('partial: the distance is dims/present times that over what is there', () => {
    fc.assert(
      fc.property(cases, (item) => {
        const rows = Array.from({ length: item.n }, (_, row) =>
          item.points.slice(row * item.dims, (row + 1) * item.dims),
        );
        fc.pre(rows.every((row) => row.some((x) => !Number.isNaN(x))));
        const { labels, nearest, second } = run(item);
        for (const [row, x] of rows.entries()) {
          const there = [...x.keys()].filter((d) => !Number.isNaN(x[d]));
          const squares = Array.from({ length: item.k }, (_, j) => {
            const sum = there.reduce(
              (all, d) => all + (x[d]! - item.centroids[j * item.dims + d]!) ** 2,
              0,
            );
            return (item.dims / there.length) * sum;
          });
          const sorted = squares.toSorted((a, b) => a - b);
          expect(nearest[row]).toBeCloseTo(sorted[0]!, 2);
          expect(squares[labels[row]!]).toBeCloseTo(sorted[0]!, 2);
          if (item.k > 1) expect(second[row]).toBeCloseTo(sorted[1]!, 2);
          else expect(second[row]).toBe(Infinity);
        }
      }),
    );
  });

  it('partial: with nothing missing it is the kernel, tie for tie', () => {
    fc.assert(
      fc.property(cases, (item) => {
        const points = item.points.map((x) => (Number.isNaN(x) ? 1 : x));
        const whole = { ...item, points };
        expect(run(whole)).toEqual(run(whole, plainNearestTwo));
      }),
    );
  });

  it('partial: a point without any value is refused', () => {
    const item = { n: 1, dims: 2, k: 1, points: [Number.NaN, Number.NaN], centroids: [0, 0] };
    expect(() => run(item)).toThrow(expect.objectContaining({ code: 'MEANSTREAM_MISSING_VALUE' }));
  });

  it('mean: the mean of the feature stands for it, and nothing else changes', () => {
    const values = Float32Array.of(1, Number.NaN, 3, Number.NaN, 5, 6);
    expect(imputeMean(values, 3, 2, Float64Array.of(10, 20))).toBe(2);
    expect([...values]).toEqual([1, 20, 3, 20, 5, 6]);
  });

  it('reject: the row and the feature are named', () => {
    expect(() => rejectMissing(Float32Array.of(1, 2), 1, 2)).not.toThrow();
    expect(() => rejectMissing(Float32Array.of(1, 2, 3, Number.NaN), 2, 2)).toThrow(
      expect.objectContaining({
        code: 'MEANSTREAM_MISSING_VALUE',
        fields: expect.objectContaining({ row: 1, feature: 1 }),
      }),
    );
  });
});
