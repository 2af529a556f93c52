import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { chooseKernels } from './kernels/choose-kernels.ts';
import { countDistinct, drawRow, seedCentroids } from './seeding.ts';
import { mixture } from './testing/streams.ts';

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

describe('seeding by kernels', () => {
  const points = mixture(20_000, 7, 10, 3);
  const given = Float32Array.from({ length: points.n }, (_, row) => (row % 5) * 0.3);
  const { kernels } = chooseKernels();

  it.each([
    ['', undefined],
    [' with weights', given],
  ])('is the same, to the last bit, for all of them%s', (_, weights) => {
    const options = { ...points, k: 15, weights };
    const plain = seedCentroids({ ...options, random: new Random(1) });
    expect(seedCentroids({ ...options, kernels, random: new Random(1) })).toEqual(plain);
  });

  it('keeps of the drawn points the one that lowers the total most, done the slow way', () => {
    const k = 6;
    const seeds = seedCentroids({ ...points, n: 1500, k, kernels, random: new Random(8) });
    expect(seeds).toEqual(slowSeeds(1500, k, new Random(8)));
  });

  function slowSeeds(n: number, k: number, random: Random): Float64Array {
    const { dims, values } = points;
    const rowOf = (row: number) => [...values.subarray(row * dims, (row + 1) * dims)];
    const chosen: number[][] = [];
    const mass = new Float64Array(n).fill(1);
    const leftBy = (centres: readonly number[][]) =>
      Float64Array.from(mass, (_, row) => Math.min(...centres.map((c) => square(rowOf(row), c))));
    for (let j = 0; j < k; j++) {
      const drawn = Array.from({ length: j === 0 ? 1 : 3 }, () => rowOf(drawRow(mass, n, random)));
      const totals = drawn.map((c) => leftBy([...chosen, c]).reduce((sum, x) => sum + x, 0));
      chosen.push(drawn[totals.indexOf(Math.min(...totals))]!);
      mass.set(leftBy(chosen));
    }
    return Float64Array.from(chosen.flat());
  }

  function square(a: readonly number[], b: readonly number[]): number {
    return a.reduce((sum, value, d) => sum + (value - b[d]!) ** 2, 0);
  }
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
