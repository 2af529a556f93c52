import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referenceKernels } from './kernels/reference.ts';
import { fitPresentScaler, hasMissing, nearestTwoPartial, PartialRows } from './missing-values.ts';
import { fitScaler } from './scaler.ts';

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

type NearestTwo = (
  points: Float32Array,
  n: number,
  dims: number,
  centroids: Float32Array,
  k: number,
  ...outputs: [Int32Array, Float32Array, Float32Array]
) => void;

/** Every row by partial distance, complete or not. */
const partialNearestTwo: NearestTwo = (points, n, ...rest) => {
  const rows = Int32Array.from({ length: n }, (_, row) => row);
  nearestTwoPartial(points, { rows, count: n }, ...rest);
};

const plainNearestTwo: NearestTwo = (points, n, dims, centroids, k, ...outputs) =>
  referenceKernels.nearestTwo(points, n, referenceKernels.prepare(centroids, k, dims), ...outputs);

function run({ n, dims, k, points, centroids }: Case, nearestTwo = partialNearestTwo) {
  const labels = new Int32Array(n);
  const [nearest, second] = [new Float32Array(n), new Float32Array(n)];
  const [x, c] = [Float32Array.from(points), Float32Array.from(centroids)];
  nearestTwo(x, n, dims, c, k, labels, nearest, second);
  return { labels, nearest, second };
}

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

  it('rows that lack something are found, with how much they have', () => {
    const values = Float32Array.of(1, 2, Number.NaN, 4, Number.NaN, Number.NaN);
    const partial = new PartialRows();
    partial.find(values, 3, 2);
    expect(partial.count).toBe(2);
    expect([...partial.rows.subarray(0, 2)]).toEqual([1, 2]);
    expect([...partial.present.subarray(0, 2)]).toEqual([1, 0]);
    expect(hasMissing(values, 3, 2)).toBe(true);
    expect(hasMissing(values, 1, 2)).toBe(false);
  });

  it('the scaler of a feature is that of the values there are, and of complete points the usual one', () => {
    fc.assert(
      fc.property(cases, ({ n, dims, points }) => {
        const whole = Float32Array.from(points, (x) => (Number.isNaN(x) ? 1 : x));
        expect(fitPresentScaler(whole, n, dims)).toEqual(fitScaler(whole, n, dims));
        const { mean, scale } = fitPresentScaler(Float32Array.from(points), n, dims);
        for (let d = 0; d < dims; d++) {
          const there = points.filter((x, i) => i % dims === d && !Number.isNaN(x));
          const alone = fitScaler(Float32Array.from(there), there.length, 1);
          expect(mean[d]).toBe(there.length === 0 ? 0 : alone.mean[0]);
          expect(scale[d]).toBe(there.length === 0 ? 1 : alone.scale[0]);
        }
      }),
    );
  });
});
