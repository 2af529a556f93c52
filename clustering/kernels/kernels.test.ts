// Every kernel set against the plain one, bit for bit, on awkward shapes and numbers. The native sets are forced one by
// one; those that this processor or a missing compiler rules out are skipped by name.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../support/index.ts';
import { type ClusterSums, clusterSums, type Kernels } from './kernels.ts';
import { loadNativeKernels } from './native.ts';
import { referenceKernels } from './reference.ts';
import { loadWasmKernels } from './wasm.ts';

const native = nativeSets();
const sets = [
  ...['native avx512vnni', 'native avx512', 'native avx2', 'native baseline'].map((layout) => ({
    name: layout,
    kernels: native.find((each) => each.layout === layout),
  })),
  { name: 'wasm', kernels: loadWasmKernels() },
  { name: 'reference', kernels: referenceKernels },
];

function nativeSets(): Kernels[] {
  try {
    return loadNativeKernels();
  } catch {
    return [];
  }
}

interface Case {
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  readonly points: Float32Array;
  readonly centroids: Float32Array;
  readonly weights: Float32Array;
}

const shapes = fc.record({
  n: fc.constantFrom(0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 40, 65),
  dims: fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 31, 33, 50),
  k: fc.constantFrom(1, 2, 3, 5, 6, 7, 8, 9, 16, 17, 59, 60, 61, 64, 65, 130, 200),
});

/** Scales whose reciprocals, or quotients by them, leave float64. */
const extremes = [Number.MIN_VALUE, 1e-305, 1.7e308];

function upTo(limit: number): fc.Arbitrary<number> {
  return fc.float({ min: Math.fround(-limit), max: Math.fround(limit), noNaN: true });
}

const numbers: Record<string, fc.Arbitrary<number>> = {
  ordinary: upTo(4),
  'integers, with many ties': fc.integer({ min: -1, max: 1 }),
  'close together and far from the origin': fc.integer({ min: 0, max: 40 }).map((i) => 1e6 + i / 8),
  huge: upTo(3e38),
  'large enough to overflow a norm': upTo(1e20),
  'subnormal and zero': fc.integer({ min: -5000, max: 5000 }).map((i) => i * 2 ** -149),
  tiny: upTo(1e-19),
  'of all magnitudes': fc.float({ noNaN: true, noDefaultInfinity: true }),
};

function cases(from: fc.Arbitrary<number>): fc.Arbitrary<Case> {
  return shapes.chain(({ n, dims, k }) =>
    fc.record({
      n: fc.constant(n),
      dims: fc.constant(dims),
      k: fc.constant(k),
      points: columnOf(n * dims, from),
      centroids: columnOf(k * dims, from),
      weights: columnOf(n, fc.float({ min: 0, max: 3, noNaN: true })),
    }),
  );
}

/** Few distinct numbers are drawn and repeated irregularly: quick, and it makes duplicates. */
function columnOf(length: number, from: fc.Arbitrary<number>): fc.Arbitrary<Float32Array> {
  return fc
    .tuple(fc.array(from, { minLength: 1, maxLength: 97 }), fc.integer({ min: 1, max: 1 << 20 }))
    .map(([drawn, step]) =>
      Float32Array.from({ length }, (_, i) => drawn[(i * step + (i >>> 3)) % drawn.length]!),
    );
}

function nearestTwoBy(kernels: Kernels, { n, dims, k, points, centroids }: Case) {
  const labels = new Int32Array(n);
  const nearest = new Float32Array(n);
  const second = new Float32Array(n);
  const panels = kernels.prepare(centroids, k, dims);
  kernels.nearestTwo(points, n, panels, labels, nearest, second);
  return { labels, nearest, second };
}

function nearestAndDistanceBy(kernels: Kernels, { n, dims, k, points, centroids }: Case) {
  const labels = new Int32Array(n);
  const nearest = new Float32Array(n);
  kernels.nearest(points, n, kernels.prepare(centroids, k, dims), labels, nearest);
  return { labels, nearest };
}

function nearestBy(kernels: Kernels, { n, dims, k, points, centroids }: Case): Int32Array {
  const labels = new Int32Array(n);
  kernels.nearest(points, n, kernels.prepare(centroids, k, dims), labels);
  return labels;
}

function sumsBy(kernels: Kernels, each: Case, weighted: boolean, scaled: boolean): ClusterSums {
  const { n, dims, k, points, centroids, weights } = each;
  const sums = clusterSums(k, dims);
  sums.column.fill(0.5);
  const inverseScale = scaled
    ? Float64Array.from({ length: dims }, (_, d) => 1 / (d + 3))
    : undefined;
  const basis = { k, dims, reference: Float64Array.from(centroids), inverseScale };
  const labels = nearestBy(referenceKernels, each);
  kernels.accumulate(points, weighted ? weights : undefined, labels, n, basis, sums);
  return sums;
}

function fusedBy(kernels: Kernels, { n, dims, k, points, centroids, weights }: Case) {
  const labels = new Int32Array(n);
  const sums = clusterSums(k, dims);
  const panels = kernels.prepare(centroids, k, dims);
  const reference = Float64Array.from(centroids);
  kernels.assignAccumulate(points, weights, n, panels, reference, labels, sums);
  return { labels, sums: sums.column };
}

function pairwiseBy(kernels: Kernels, { n, dims, k, points, centroids }: Case): Float64Array {
  const out = new Float64Array(n * k);
  kernels.pairwise(points, n, centroids, k, dims, out);
  return out;
}

function scaledBy(kernels: Kernels, { n, dims, points }: Case): Float32Array {
  const mean = Float64Array.from({ length: dims }, (_, d) => d / 7);
  const scale = Float64Array.from({ length: dims }, (_, d) => 1 / (d + 3));
  const out = new Float32Array(n * dims);
  kernels.scalePoints(points, n, dims, { mean, scale }, 1e15, out);
  return out;
}

function dotsBy(kernels: Kernels, { n, dims, k, points, centroids }: Case): Float32Array {
  const out = new Float32Array(n * k);
  kernels.dots(points, n, kernels.prepare(centroids, k, dims), out);
  return out;
}

for (const { name, kernels } of sets) {
  describe.skipIf(kernels === undefined)(`${name} kernels (skipped where they cannot run)`, () => {
    const own = kernels ?? referenceKernels;

    for (const [kind, from] of Object.entries(numbers)) {
      it(`give the plain kernels' answers to the last bit, for numbers ${kind}`, () => {
        fc.assert(
          fc.property(cases(from), (each) => {
            const wanted = nearestTwoBy(referenceKernels, each);
            expect(nearestTwoBy(own, each)).toEqual(wanted);
            expect(nearestBy(own, each)).toEqual(wanted.labels);
            const { labels, nearest } = wanted;
            expect(nearestAndDistanceBy(own, each)).toEqual({ labels, nearest });
            expect(pairwiseBy(own, each)).toEqual(pairwiseBy(referenceKernels, each));
            expect(scaledBy(own, each)).toEqual(scaledBy(referenceKernels, each));
          }),
          { numRuns: 60 },
        );
      });

      it(`add up to the plain kernels' sums to the last bit, for numbers ${kind}`, () => {
        fc.assert(
          fc.property(cases(from), fc.boolean(), fc.boolean(), (each, weighted, scaled) => {
            const wanted = sumsBy(referenceKernels, each, weighted, scaled);
            expect(sumsBy(own, each, weighted, scaled).column).toEqual(wanted.column);
            expect(fusedBy(own, each)).toEqual(fusedBy(referenceKernels, each));
          }),
          { numRuns: 40 },
        );
      });
    }

    it('scale to the last bit, for quotients where float32 rounds one way or the other', () => {
      const random = new Random(7);
      const dims = 1_500;
      const n = 20;
      // 0 − mean is exact, and over scale it is next to the middle between two numbers of float32, or is that middle.
      const scale = Float64Array.from({ length: dims }, () => 2 ** (20 * random.float() - 10));
      const mean = scale.map((s) => {
        const middle = Math.fround(0.5 + random.float() / 2.1) + 2 ** -25;
        const near = middle * (1 + (random.below(5) - 2) * 2 ** -52);
        return random.below(2) === 0 ? near * s : -near * s;
      });
      const points = Float32Array.from(
        { length: n * dims },
        () => random.below(2) * random.float(),
      );
      const odd = scale.map((s, d) => extremes[d] ?? s);
      for (const scaler of [
        { mean, scale },
        { mean, scale: odd },
        { mean: mean.map((m, d) => (d < 9 ? 1e305 : m)), scale },
      ]) {
        const [wanted, got] = [referenceKernels, own].map((kernels) => {
          const out = new Float32Array(n * dims);
          kernels.scalePoints(points, n, dims, scaler, 1e15, out);
          return out;
        });
        expect(got).toEqual(wanted);
      }
    });

    it('keep inner products within the stated bound', () => {
      const bounded = fc.constantFrom(numbers.ordinary!, numbers['integers, with many ties']!);
      fc.assert(
        fc.property(bounded.chain(cases), (each) => {
          const { n, dims, k, points, centroids } = each;
          const got = dotsBy(own, each);
          for (let i = 0; i < n * k; i++) {
            let exact = 0;
            let size = 0;
            for (let d = 0; d < dims; d++) {
              const row = Math.floor(i / k);
              const product = points[row * dims + d]! * centroids[(i % k) * dims + d]!;
              exact += product;
              size += Math.abs(product);
            }
            const bound = (dims + 2) * 2 ** -24 * size + dims * 2 ** -149;
            expect(Math.abs(got[i]! - exact)).toBeLessThanOrEqual(bound);
          }
        }),
        { numRuns: 30 },
      );
    });

    it('give a row the same answer wherever it stands in a batch', () => {
      fc.assert(
        fc.property(cases(numbers.ordinary!), fc.nat(40), (each, shift) => {
          const { n, dims, k, points, centroids } = each;
          const { labels, nearest, second } = nearestTwoBy(own, each);
          const moved = new Float32Array((n + shift) * dims).fill(7);
          moved.set(points, shift * dims);
          const among = nearestTwoBy(own, { ...each, n: n + shift, points: moved, k, centroids });
          expect(among.labels.subarray(shift)).toEqual(labels);
          expect(among.nearest.subarray(shift)).toEqual(nearest);
          expect(among.second.subarray(shift)).toEqual(second);
        }),
        { numRuns: 60 },
      );
    });

    it('see all rows of a column longer than a block of theirs, and views that begin anywhere', () => {
      const [n, dims, k] = [2600, 5, 9];
      const values = Float32Array.from({ length: n * dims + 1 }, (_, i) => Math.sin(i * i));
      const points = values.subarray(1);
      const centroids = points.slice(100, 100 + k * dims);
      const each = { n, dims, k, points, centroids, weights: points.map(Math.abs).subarray(0, n) };
      expect(nearestTwoBy(own, each)).toEqual(nearestTwoBy(referenceKernels, each));
      expect(fusedBy(own, each)).toEqual(fusedBy(referenceKernels, each));
      const wanted = sumsBy(referenceKernels, each, true, true);
      expect(sumsBy(own, each, true, true)).toEqual(wanted);
      expect(scaledBy(own, each)).toEqual(scaledBy(referenceKernels, each));
    });

    it('label many rows alike, whatever share of them a first look leaves open', () => {
      const numbersOf: readonly ((i: number) => number)[] = [
        (i) => Math.sin(i * i),
        (i) => Math.sin(i * i) + 30,
        (i) => Math.sin(i * i) * 1e-12,
        (i) => Math.sin(i * i) * 1e15,
        (i) => (i % 977 === 0 ? [Number.NaN, Infinity, 3e38, 1e-44][i % 4]! : Math.sin(i * i)),
        (i) => Math.round(2 * Math.sin(i * i)),
        (i) => Math.sin(i * i) * (i % 64 < 32 ? 1 : 1e-3),
      ];
      for (const numberAt of numbersOf) {
        for (const [dims, k] of [
          [8, 16],
          [13, 40],
          [22, 33],
          [31, 90],
          [32, 64],
        ] as const) {
          const n = 700;
          const centroids = Float32Array.from({ length: k * dims }, (_, i) => numberAt(3 * i + 1));
          const near = (i: number) => centroids[(i % dims) + dims * (Math.floor(i / dims) % k)]!;
          const points = Float32Array.from({ length: n * dims }, (_, i) =>
            i < (n * dims) / 2 ? near(i) + numberAt(i) / 3 : numberAt(i),
          );
          const each = { n, dims, k, points, centroids, weights: new Float32Array(n).fill(1) };
          const wanted = nearestAndDistanceBy(referenceKernels, each);
          expect(nearestAndDistanceBy(own, each)).toEqual(wanted);
          expect(nearestBy(own, each)).toEqual(wanted.labels);
          expect(nearestTwoBy(own, each)).toEqual(nearestTwoBy(referenceKernels, each));
          const sums = fusedBy(referenceKernels, each);
          expect(fusedBy(own, each)).toEqual(sums);
        }
      }
    });

    it('answer for two models in turn', () => {
      const points = Float32Array.of(0, 10);
      const one = own.prepare(Float32Array.of(1, 9), 2, 1);
      const other = own.prepare(Float32Array.of(8, 2, 5), 3, 1);
      const labels = new Int32Array(2);
      for (const [panels, wanted] of [
        [one, [0, 1]],
        [other, [1, 0]],
        [one, [0, 1]],
      ] as const) {
        own.nearest(points, 2, panels, labels);
        expect([...labels]).toEqual(wanted);
      }
    });

    it('never put a point nearest to a centroid at no number, nor a point that is none to any but the first', () => {
      const centroids = Float32Array.of(Number.NaN, 3);
      const points = Float32Array.of(1, Number.NaN, Infinity);
      const each = { n: 3, dims: 1, k: 2, points, centroids, weights: points };
      expect(nearestTwoBy(own, each)).toEqual(nearestTwoBy(referenceKernels, each));
      expect([...nearestBy(own, each)]).toEqual([1, 0, 0]);
    });
  });
}
