import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { fitFullBatch } from './full-batch.ts';
import { referenceKernels as kernels } from './kernels/reference.ts';
import { cosineDistance, normaliseCentroids, normalisePoints } from './spherical.ts';

const dims = 3;
const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
const row = fc
  .array(finite, { minLength: dims, maxLength: dims })
  .filter((values) => values.some((value) => value !== 0));

function normalised(values: readonly number[]): Float32Array {
  const out = new Float32Array(values.length);
  normalisePoints(Float32Array.from(values), values.length / dims, dims, out);
  return out;
}

describe('points by direction', () => {
  it('have length 1, whatever they were, the smallest and the largest floats included', () => {
    fc.assert(
      fc.property(row, (values) => {
        expect(Math.hypot(...normalised(values))).toBeCloseTo(1, 6);
      }),
    );
    expect(Math.hypot(...normalised([1e-45, 0, 0]))).toBe(1);
    expect(Math.hypot(...normalised([3.4e38, 3.4e38, -3.4e38]))).toBeCloseTo(1, 6);
  });

  it('are the same for any positive multiple: a long vector counts like a short one', () => {
    fc.assert(
      fc.property(row, fc.integer({ min: 0, max: 10 }), (values, exponent) => {
        fc.pre(values.every((value) => value === 0 || Math.abs(value) > 1e-30));
        fc.pre(values.every((value) => Math.abs(value) < 1e30));
        expect(normalised(values.map((value) => value * 2 ** exponent))).toEqual(
          normalised(values),
        );
      }),
    );
  });

  it('of length 0 are rejected by row', () => {
    expect(() => normalised([1, 0, 0, 0, 0, -0])).toThrow(
      expect.objectContaining({
        code: 'MEANSTREAM_ZERO_VECTOR',
        fields: expect.objectContaining({ row: 1 }),
      }),
    );
  });

  it('are twice as far apart, squared, as their cosine says', () => {
    fc.assert(
      fc.property(row, row, (a, b) => {
        const [x, y] = [normalised(a), normalised(b)];
        const square = x.reduce((sum, value, d) => sum + (value - y[d]!) ** 2, 0);
        const cosine = x.reduce((sum, value, d) => sum + value * y[d]!, 0);
        expect(cosineDistance(square)).toBeCloseTo(1 - cosine, 5);
      }),
    );
  });
});

describe('centroids by direction', () => {
  it('one point × 1000 does not move them', () => {
    const random = new Random(6);
    const raw = Float32Array.from({ length: 300 * dims }, (_, i) => {
      const axis = Math.floor(i / dims) % 3;
      return (i % dims === axis ? 1 : 0) + 0.1 * random.normal();
    });
    const stretched = raw.slice();
    for (let d = 0; d < dims; d++) stretched[d]! *= 1024;
    const [one, other] = [raw, stretched].map((values) => {
      const points = new Float32Array(300 * dims);
      normalisePoints(values, 300, dims, points);
      const fit = fitFullBatch({ values: points, n: 300, dims, k: 3, seed: 2, kernels });
      normaliseCentroids(fit.centroids, 3, dims, fit.centroids.slice());
      return fit.centroids;
    });
    expect(other).toEqual(one);
    for (let j = 0; j < 3; j++) {
      expect(Math.hypot(...one!.subarray(j * dims, (j + 1) * dims))).toBeCloseTo(1, 12);
    }
  });

  it('are normalised after the decayed combination: the sum of all directions by their weight', () => {
    const [old, fresh, decay] = [[1, 0, 0], [0, 1, 0], 0.5];
    const combined = Float64Array.from(old, (value, d) => (decay * 4 * value + 2 * fresh[d]!) / 4);
    normaliseCentroids(combined, 1, dims, new Float64Array(dims));
    expect(combined[0]).toBeCloseTo(Math.SQRT1_2, 12);
    expect(combined[1]).toBeCloseTo(Math.SQRT1_2, 12);
  });

  it('whose points cancel out stay where they were', () => {
    const centroids = Float64Array.of(0, 0, 0, 0, 3, 4);
    normaliseCentroids(centroids, 2, dims, Float64Array.of(0, 0, 1, 1, 0, 0));
    expect([...centroids]).toEqual([0, 0, 1, 0, 0.6, 0.8]);
  });
});
