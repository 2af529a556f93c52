import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { adjustedRand } from './adjusted-rand.ts';
import { CoresetBuilder } from './coreset.ts';
import { fitFullBatch } from './full-batch.ts';
import { kneedle, recommendK } from './k-selection.ts';
import { referenceKernels as kernels } from './kernels/reference.ts';
import { eigenvectors, principalAxes } from './principal-axes.ts';
import { mergeCheapest, shrinkingPath, surplusSeeds } from './shrinking-path.ts';
import { gaussianMixture, numberedMixture } from './testing/gaussian-mixtures.ts';

const options = { kMax: 12, seed: 3, kernels, gapReferences: 10 };

describe('the recommendation of K', () => {
  const points = gaussianMixture({ k: 5, dims: 3, separation: 6, n: 900, seed: 4 });

  it('gives the number of groups, its reasons, the votes and the whole curve', () => {
    const { k, confidence, reasons, votes, curve } = recommendK({ ...points, ...options });
    expect(k).toBe(5);
    expect(confidence).toBeGreaterThan(0.6);
    expect(reasons.join(' ')).toContain('separation');
    expect(votes.map(({ criterion }) => criterion)).toContain('gap');
    expect(curve.map((point) => point.k)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    for (let i = 1; i < 12; i++) expect(curve[i]!.inertia).toBeLessThan(curve[i - 1]!.inertia);
  });

  it('gives the same answer to the last bit for the same points and seed', () => {
    expect(recommendK({ ...points, ...options })).toEqual(recommendK({ ...points, ...options }));
  });

  it('leaves an index that one cluster does not have absent', () => {
    const [one] = recommendK({ ...points, ...options }).curve;
    expect(one).toMatchObject({ calinskiHarabasz: undefined, daviesBouldin: undefined });
    expect(one!.silhouette).toBeUndefined();
  });

  it.each([
    ['a Gaussian', (random: Random) => random.normal()],
    ['a long Gaussian', (random: Random, d: number) => random.normal() * (d === 0 ? 5 : 1)],
    ['a full box', (random: Random) => random.float()],
    ['exponential tails', (random: Random) => -Math.log(1 - random.float())],
  ])('says 1 where there are no clusters: %s', (_, draw) => {
    for (const dims of [2, 3, 8, 16]) {
      const random = new Random(dims);
      const values = Float32Array.from({ length: 800 * dims }, (_, i) => draw(random, i % dims));
      expect(recommendK({ values, n: 800, dims, ...options }).k, `${dims} dimensions`).toBe(1);
    }
  });

  it('finds on a coreset what it finds on the points', () => {
    const many = gaussianMixture({ k: 9, dims: 4, separation: 6, n: 40_000, seed: 8 });
    const builder = new CoresetBuilder(4, { size: 1000, seed: 1 });
    builder.add(
      many.values,
      Float64Array.from({ length: many.n }, (_, row) => row),
      many.n,
    );
    expect(recommendK({ ...builder.coreset()!, ...options }).k).toBe(9);
  });

  it('goes no further than there are distinct points', () => {
    const values = Float32Array.from({ length: 60 }, (_, row) => (row % 3) * 10);
    const { k, curve } = recommendK({ values, n: 60, dims: 1, ...options });
    expect(k).toBe(3);
    expect(curve).toHaveLength(3);
  });

  it('answers 1 for one point, many times', () => {
    const values = new Float32Array(50).fill(7);
    expect(recommendK({ values, n: 50, dims: 1, ...options }).k).toBe(1);
  });

  it('is sure of groups that are apart, and not of those that touch', () => {
    const sure = recommendK({ ...numberedMixture(7), ...options, kMax: 24 });
    const touching = gaussianMixture({ k: 5, dims: 3, separation: 2.5, n: 900, seed: 4 });
    const unsure = recommendK({ ...touching, ...options });
    expect(sure.confidence).toBeGreaterThan(unsure.confidence);
  });
});

describe('the path of clusterings', () => {
  it('has one for every k, and merging costs what the formula says', () => {
    const points = gaussianMixture({ k: 4, dims: 2, separation: 5, n: 300, seed: 2 });
    const path = shrinkingPath({ ...points, kMax: 8, seed: 1, kernels });
    expect(path.map(({ k }) => k)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const fit = path[5]!;
    const merged = mergeCheapest(fit);
    const sum = merged.sumSquares.reduce((all, value) => all + value, 0);
    expect(sum).toBeCloseTo(fit.inertia + merged.cost, 6);
    expect(merged.weights.reduce((all, value) => all + value, 0)).toBe(300);
  });
});

describe('a surplus of seeds', () => {
  it('begins one run where the best of five from k-means++ does not end better', () => {
    for (const seed of [1, 2, 3]) {
      const points = gaussianMixture({ k: 20, dims: 16, separation: 6, n: 1500, seed });
      const initial = surplusSeeds({ ...points, seed, kernels }, 20);
      const fit = { ...points, k: 20, seed, kernels };
      const one = fitFullBatch({ ...fit, nInit: 0, initial }).inertia;
      expect(one).toBeLessThanOrEqual(fitFullBatch({ ...fit, nInit: 5 }).inertia * 1.0001);
    }
  });

  it('is none where there are too few distinct points', () => {
    const values = Float32Array.of(1, 1, 2, 2);
    expect(surplusSeeds({ values, n: 4, dims: 1, seed: 1, kernels }, 3)).toBeUndefined();
  });
});

describe('the parts', () => {
  it('kneedle finds the corner of a bent line, and none in a straight one', () => {
    expect(kneedle([100, 60, 20, 15, 10, 5])).toBe(3);
    expect(kneedle([6, 5, 4, 3])).toBeUndefined();
    expect(kneedle([5, 5, 5, 5])).toBeUndefined();
  });

  it('the adjusted Rand index is what counting all pairs gives', () => {
    const random = new Random(5);
    for (let round = 0; round < 20; round++) {
      const one = Int32Array.from({ length: 40 }, () => random.below(4));
      const other = one.map((label) => (random.below(3) === 0 ? random.below(5) : label));
      expect(adjustedRand(one, other)).toBeCloseTo(slowAdjustedRand(one, other), 12);
    }
    expect(adjustedRand(Int32Array.of(0, 0, 1, 2), Int32Array.of(5, 5, 3, 1))).toBe(1);
  });

  it('principal axes make a turned box straight again', () => {
    const random = new Random(9);
    const [cos, sin] = [Math.cos(0.6), Math.sin(0.6)];
    const values = new Float32Array(4000);
    for (let row = 0; row < 2000; row++) {
      const [u, v] = [random.normal() * 10, random.normal()];
      values.set([cos * u - sin * v + 100, sin * u + cos * v - 50], row * 2);
    }
    const { axes } = principalAxes(values, 2000, 2);
    const long = Math.abs(axes[0]!) > 0.7 ? axes.subarray(0, 2) : axes.subarray(2, 4);
    expect(Math.abs(long[0]! * cos + long[1]! * sin)).toBeGreaterThan(0.9999);
  });

  it('eigenvectors are orthonormal and make the matrix diagonal', () => {
    const dims = 12;
    const random = new Random(2);
    const matrix = new Float64Array(dims * dims);
    for (let a = 0; a < dims; a++) {
      for (let b = a; b < dims; b++) {
        matrix[a * dims + b] = random.normal();
        matrix[b * dims + a] = matrix[a * dims + b]!;
      }
    }
    const axes = eigenvectors(matrix.slice(), dims);
    const times = (a: number, b: number, through?: Float64Array) => {
      let sum = 0;
      for (let i = 0; i < dims; i++) {
        if (through === undefined) sum += axes[a * dims + i]! * axes[b * dims + i]!;
        else
          for (let j = 0; j < dims; j++) {
            sum += axes[a * dims + i]! * through[i * dims + j]! * axes[b * dims + j]!;
          }
      }
      return sum;
    };
    for (let a = 0; a < dims; a++) {
      for (let b = 0; b < dims; b++) {
        expect(times(a, b)).toBeCloseTo(a === b ? 1 : 0, 10);
        if (a !== b) expect(times(a, b, matrix)).toBeCloseTo(0, 8);
      }
    }
  });
});

function slowAdjustedRand(one: Int32Array, other: Int32Array): number {
  let [together, inOne, inOther, pairs] = [0, 0, 0, 0];
  for (let i = 0; i < one.length; i++) {
    for (let j = 0; j < i; j++) {
      pairs += 1;
      if (one[i] === one[j]) inOne += 1;
      if (other[i] === other[j]) inOther += 1;
      if (one[i] === one[j] && other[i] === other[j]) together += 1;
    }
  }
  const expected = (inOne * inOther) / pairs;
  return (together - expected) / ((inOne + inOther) / 2 - expected);
}
