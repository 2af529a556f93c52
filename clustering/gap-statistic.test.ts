import { expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { gapStatistic } from './gap-statistic.ts';
import { chooseKernels } from './kernels/choose-kernels.ts';

const { kernels } = chooseKernels();
/** As many points as the path has centres to begin with, so that it merges points themselves, as the naive one does. */
const n = 18;
const kMax = 12;
const references = 7;

/** Σ of squares about the means of groups, from the points themselves. */
function errorOf(groups: readonly (readonly number[])[]): number {
  let error = 0;
  for (const group of groups) {
    const mean = group.reduce((sum, x) => sum + x, 0) / group.length;
    for (const x of group) error += (x - mean) ** 2;
  }
  return error;
}

/** ln W at place k − 1: of all ways to join two groups the one with the least error, from single points on. */
function naiveCurve(points: readonly number[]): number[] {
  let groups = points.map((x) => [x]);
  const curve: number[] = [];
  while (groups.length > 1) {
    let best = groups;
    let least = Infinity;
    for (let a = 0; a < groups.length; a++) {
      for (let b = a + 1; b < groups.length; b++) {
        const others = groups.filter((_, i) => i !== a && i !== b);
        const joined = [...others, [...groups[a]!, ...groups[b]!]];
        const error = errorOf(joined);
        if (error < least) [best, least] = [joined, error];
      }
    }
    groups = best;
    if (groups.length <= kMax) curve[groups.length - 1] = Math.log(least);
  }
  return curve;
}

/** The paper's formulas, word for word, over the same draws. */
function naiveGap(points: readonly number[], seed: number) {
  const random = new Random(seed);
  const [low, high] = [Math.min(...points), Math.max(...points)];
  const curves = Array.from({ length: references }, () => {
    const draw = points.map(() => Math.fround(low + random.float() * (high - low)));
    random.uint32();
    return naiveCurve(draw);
  });
  const own = naiveCurve(points);
  const gaps = own.map(
    (w, i) => curves.reduce((sum, curve) => sum + curve[i]!, 0) / references - w,
  );
  const errors = own.map((_, i) => {
    const mean = curves.reduce((sum, curve) => sum + curve[i]!, 0) / references;
    const squares = curves.reduce((sum, curve) => sum + (curve[i]! - mean) ** 2, 0);
    return Math.sqrt(squares / references) * Math.sqrt(1 + 1 / references);
  });
  const k = gaps.findIndex((gap, i) => i + 1 < kMax && gap >= gaps[i + 1]! - errors[i + 1]!) + 1;
  return { gaps, errors, k: k === 0 ? undefined : k };
}

it.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'the gap statistic is what its formulas say, with seed %i',
  (seed) => {
    const random = new Random(100 + seed);
    const clusters = 1 + (seed % 4);
    const points = Float32Array.from(
      { length: n },
      (_, i) => 10 * (i % clusters) + random.normal(),
    );
    const found = gapStatistic({ values: points, n, dims: 1, kMax, seed, kernels, references });
    const naive = naiveGap([...points], seed);
    expect(found.k).toBe(naive.k);
    for (let i = 0; i < kMax; i++) {
      expect(found.gaps[i]).toBeCloseTo(naive.gaps[i]!, 5);
      expect(found.errors[i]).toBeCloseTo(naive.errors[i]!, 5);
    }
  },
);
