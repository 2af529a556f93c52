import fc from 'fast-check';
import { expect, it } from 'vitest';
import { referenceKernels } from './reference.ts';

const coordinate = fc.float({ min: -1e6, max: 1e6, noNaN: true });
const shape = fc.record({
  n: fc.integer({ min: 1, max: 20 }),
  dims: fc.integer({ min: 1, max: 20 }),
  k: fc.integer({ min: 1, max: 12 }),
});

function columns(length: number, from: fc.Arbitrary<number> = coordinate) {
  return fc
    .array(from, { minLength: length, maxLength: length })
    .map((numbers) => Float32Array.from(numbers));
}

function run(points: Float32Array, n: number, dims: number, centroids: Float32Array, k: number) {
  const labels = new Int32Array(n);
  const nearest = new Float32Array(n);
  const second = new Float32Array(n);
  const panels = referenceKernels.prepare(centroids, k, dims);
  referenceKernels.nearestTwo(points, n, panels, labels, nearest, second);
  return { labels, nearest, second };
}

/** All distances of one point, sorted by distance, then index. */
function slow(points: Float32Array, row: number, dims: number, centroids: Float32Array, k: number) {
  return Array.from({ length: k }, (_, j) => {
    const lanes = [0, 0, 0, 0];
    for (let d = 0; d < dims; d++) {
      lanes[d % 4]! += (points[row * dims + d]! - centroids[j * dims + d]!) ** 2;
    }
    return { j, sum: lanes[0]! + lanes[1]! + (lanes[2]! + lanes[3]!) };
  }).sort((a, b) => a.sum - b.sum || a.j - b.j);
}

it.each([
  ['any numbers', coordinate],
  ['numbers with many ties', fc.integer({ min: -1, max: 1 })],
])('gives what sorting all distances gives, for %s', (_, from) => {
  const cases = shape.chain(({ n, dims, k }) =>
    fc.tuple(fc.constant({ n, dims, k }), columns(n * dims, from), columns(k * dims, from)),
  );
  fc.assert(
    fc.property(cases, ([{ n, dims, k }, points, centroids]) => {
      const { labels, nearest, second } = run(points, n, dims, centroids, k);
      for (let row = 0; row < n; row++) {
        const [first, next] = slow(points, row, dims, centroids, k);
        expect(labels[row]).toBe(first!.j);
        expect(nearest[row]).toBe(Math.fround(first!.sum));
        expect(second[row]).toBe(Math.fround(next?.sum ?? Infinity));
      }
    }),
  );
});

it('gives equal distances to the lowest index', () => {
  const { labels, nearest, second } = run(Float32Array.of(0), 1, 1, Float32Array.of(2, -1, 1), 3);
  expect([...labels, ...nearest, ...second]).toEqual([1, 1, 1]);
});
