import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { halfDistances, measureDrift, movesOf } from '../pruning.ts';
import { boundKernelsOf, squaredDistance } from './bounds.ts';
import { clusterSums, type Kernels } from './kernels.ts';
import { loadNativeKernels } from './native.ts';
import { referenceKernels } from './reference.ts';

// Every set's bounds against all distances, computed one by one.

const sets: Kernels[] = [referenceKernels, ...nativeSets()];

const coordinate = fc.float({ min: -8, max: 8, noNaN: true });
const cases = fc
  .record({
    n: fc.integer({ min: 1, max: 70 }),
    dims: fc.integer({ min: 1, max: 40 }),
    k: fc.integer({ min: 1, max: 20 }),
    scale: fc.constantFrom(1, 1e-3, 1e-20, 1e-40, 1e10, 1e18, 1e30),
    origin: fc.constantFrom(0, 0, 100, 1e6),
    moved: fc.constantFrom(0, 1e-4, 0.1),
  })
  .chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      points: column(shape.n * shape.dims),
      centroids: column(shape.k * shape.dims),
      steps: column(shape.k * shape.dims),
    }),
  )
  .map(({ shape, points, centroids, steps }) => {
    const { scale, origin, moved } = shape;
    const placed = (value: number): number => Math.fround((value + origin) * scale);
    return {
      ...shape,
      points: points.map(placed),
      centroids: centroids.map(placed),
      after: centroids.map((value, i) => placed(value + moved * steps[i]!)),
    };
  });

describe.each(sets)('$layout: bounds', (kernels) => {
  const bounds = boundKernelsOf(kernels);

  it('hold the distances between them, and labels are those of nearest', () => {
    fc.assert(
      fc.property(cases, ({ n, dims, k, points, centroids }) => {
        const { labels, upper, lower } = measured(n, dims, k, points, centroids);
        const expected = new Int32Array(n);
        referenceKernels.nearest(points, n, referenceKernels.prepare(centroids, k, dims), expected);
        expect(labels).toEqual(expected);
        for (let row = 0; row < n; row++) {
          const distances = distancesOf(row, dims, k, points, centroids);
          const [own] = distances.splice(labels[row]!, 1);
          expect(upper[row]).toBeGreaterThanOrEqual(own!);
          expect(lower[row]).toBeLessThanOrEqual(Math.min(...distances));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('prove no label that is not the nearest after the centroids have moved', () => {
    fc.assert(
      fc.property(cases, ({ n, dims, k, points, centroids, after }) => {
        const { labels, upper, lower } = measured(n, dims, k, points, centroids);
        const drift = new Float64Array(k);
        const half = new Float64Array(k);
        measureDrift(centroids, after, dims, drift);
        const squares = new Float64Array(k * k);
        kernels.pairwise(after, k, after, k, dims, squares);
        halfDistances(squares, k, half);
        const unproven = new Int32Array(n);
        const gathered = new Float32Array(n * dims);
        const panels = kernels.prepare(after, k, dims);
        const moves = movesOf(drift, half);
        const given = [labels, { upper, lower }, moves, unproven, gathered] as const;
        const count = bounds.proveLabels(points, n, panels, ...given);
        const open = new Set(unproven.subarray(0, count));
        for (let row = 0; row < n; row++) {
          const distances = distancesOf(row, dims, k, points, after);
          if (!open.has(row)) {
            expect(labels[row]).toBe(distances.indexOf(Math.min(...distances)));
          }
          const [own] = distances.splice(labels[row]!, 1);
          expect(upper[row]).toBeGreaterThanOrEqual(own!);
          expect(lower[row]).toBeLessThanOrEqual(Math.min(...distances));
        }
        for (let i = 0; i < count; i++) {
          const row = unproven[i]!;
          expect(gathered.subarray(i * dims, (i + 1) * dims)).toEqual(
            points.subarray(row * dims, (row + 1) * dims),
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it('move points from sums to sums, and measure to own centroids, as the plain ones do', () => {
    fc.assert(
      fc.property(cases, ({ n, dims, k, points, centroids }) => {
        const before = Int32Array.from({ length: n }, (_, row) => row % k);
        const after = Int32Array.from({ length: n }, (_, row) => (row * 7) % k);
        const weights = Float32Array.from({ length: n }, (_, row) => row % 3);
        const basis = { k, dims, reference: Float64Array.from(centroids) };
        const [sums, expected] = [clusterSums(k, dims), clusterSums(k, dims)];
        const plain = boundKernelsOf(referenceKernels);
        bounds.transfer(points, weights, before, after, n, basis, sums);
        plain.transfer(points, weights, before, after, n, basis, expected);
        expect(sums.column).toEqual(expected.column);
        const squares = new Float64Array(n);
        bounds.ownSquares(points, n, kernels.prepare(centroids, k, dims), after, squares);
        for (let row = 0; row < n; row++) {
          const square = squaredDistance(points, row * dims, centroids, after[row]! * dims, dims);
          expect(squares[row]).toBe(square);
        }
      }),
      { numRuns: 100 },
    );
  });

  function measured(
    n: number,
    dims: number,
    k: number,
    points: Float32Array,
    centroids: Float32Array,
  ) {
    const labels = new Int32Array(n);
    const [upper, lower] = [new Float32Array(n), new Float32Array(n)];
    const panels = kernels.prepare(centroids, k, dims);
    bounds.nearestBounds(points, n, panels, labels, { upper, lower });
    return { labels, upper, lower };
  }
});

function distancesOf(
  row: number,
  dims: number,
  k: number,
  points: Float32Array,
  centroids: Float32Array,
): number[] {
  return Array.from({ length: k }, (_, j) =>
    Math.sqrt(squaredDistance(points, row * dims, centroids, j * dims, dims)),
  );
}

function column(length: number): fc.Arbitrary<Float32Array> {
  return fc
    .array(coordinate, { minLength: length, maxLength: length })
    .map((numbers) => Float32Array.from(numbers));
}

/** None where there is no compiler. */
function nativeSets(): Kernels[] {
  try {
    return loadNativeKernels();
  } catch {
    return [];
  }
}
