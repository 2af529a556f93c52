import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { countDistinct, seedCentroids } from './seeding.ts';

describe('seeding', () => {
  it('finds k far groups nearly always, whatever the seed', () => {
    const values = Float32Array.from({ length: 800 }, (_, i) => (i % 8) * 1000 + (i % 13));
    for (let seed = 0; seed < 50; seed++) {
      const centroids = seedCentroids({ values, n: 800, dims: 1, k: 8, random: new Random(seed) });
      const groups = new Set(Array.from(centroids, (value) => Math.floor(value / 1000)));
      expect(groups.size).toBe(8);
    }
  });

  it('gives k distinct points of the data, the same for the same seed', () => {
    const points = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(points, fc.integer(), (numbers, seed) => {
        const values = Float32Array.from(numbers);
        const k = new Set(numbers).size;
        const options = { values, n: values.length, dims: 1, k };
        const centroids = seedCentroids({ ...options, random: new Random(seed) });
        expect(new Set(centroids).size).toBe(k);
        expect(seedCentroids({ ...options, random: new Random(seed) })).toEqual(centroids);
      }),
    );
  });

  it('never chooses a point of weight 0', () => {
    const values = Float32Array.of(1, 2, 3, 1e6);
    const weights = Float32Array.of(1, 1, 1, 0);
    for (let seed = 0; seed < 20; seed++) {
      const random = new Random(seed);
      const centroids = seedCentroids({ values, n: 4, dims: 1, k: 3, weights, random });
      expect(centroids.includes(1e6)).toBe(false);
    }
  });

  it('says how many distinct points there are when there are fewer than k', () => {
    const values = Float32Array.of(1, 1, 2, 2, 2);
    const options = { values, n: 5, dims: 1, k: 3, random: new Random(1) };
    expect(() => seedCentroids(options)).toThrow(
      expect.objectContaining({
        code: 'MEANSTREAM_TOO_FEW_DISTINCT_POINTS',
        fields: expect.objectContaining({ k: 3, distinct: 2 }),
      }),
    );
  });
});

describe('countDistinct', () => {
  it('counts what a set of rows counts, up to the limit', () => {
    const rows = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })));
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 20 }), (points, limit) => {
        const distinct = new Set(points.map(String)).size;
        const values = Float32Array.from(points.flat());
        expect(countDistinct(values, points.length, 2, limit)).toBe(Math.min(limit, distinct));
      }),
    );
  });

  it('takes 0 and −0 for one value', () => {
    expect(countDistinct(Float32Array.of(0, -0, 1e-40), 3, 1, 9)).toBe(2);
  });
});
