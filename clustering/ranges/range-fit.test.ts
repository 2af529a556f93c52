import { expect, it } from 'vitest';
import { Random } from '../../support/index.ts';
import { fitFullBatch } from '../full-batch.ts';
import { chooseKernels } from '../kernels/choose-kernels.ts';
import { referenceKernels } from '../kernels/reference.ts';
import { fitModel } from '../model-fit.ts';
import { CentroidViews } from './centroid-views.ts';
import { AnswerCombiner } from './combine.ts';
import { type FitRangesOptions, fitRanges } from './fit-ranges.ts';
import { type RangeFit, rangeFitSteps } from './range-fit.ts';
import { MemoryRows } from './range-rows.ts';
import { RangeWork } from './range-work.ts';

const dims = 5;
const { kernels } = chooseKernels();

function blobs(n: number, groups: number, seed = 3): Float32Array {
  const random = new Random(seed);
  const centres = Float64Array.from({ length: groups * dims }, () => 20 * random.float());
  return Float32Array.from({ length: n * dims }, (_, i) => {
    const group = Math.floor(i / dims) % groups;
    return centres[group * dims + (i % dims)]! * 10 ** (i % dims) + random.normal();
  });
}

function rangesOf(values: Float32Array, sizes: readonly number[], own = kernels) {
  let at = 0;
  return sizes.map((size) => {
    const part = values.slice(at * dims, (at + size) * dims);
    at += size;
    return new MemoryRows(part, undefined, dims, own);
  });
}

const options = (more: Partial<FitRangesOptions> = {}): FitRangesOptions => ({
  ...{ dims, k: 6, seed: 7, metric: 'euclidean', missing: 'reject', scaling: true, kernels },
  ...more,
});

it('finds what a fit in memory finds, where the sample is everything', () => {
  const values = blobs(3_000, 6);
  const fit = fitRanges(rangesOf(values, [1_000, 700, 1_300]), options());
  const whole = fitModel({
    ...{ values, n: 3_000, dims, k: 6, seed: 7, scaling: true, kernels, nInit: 3 },
  });
  expect(fit.inertia).toBeCloseTo(whole.inertia, 6);
  expect(fit.sample).toMatchObject({ n: 3_000, isExact: true });
  expect(fit.rows).toBe(3_000);
  for (let d = 0; d < dims; d++) {
    expect(fit.mean[d]! / whole.mean[d]!).toBeCloseTo(1, 12);
    expect(fit.scale[d]! / whole.scale[d]!).toBeCloseTo(1, 12);
  }
});

it('is near a fit of all rows where the sample is a small share of them', () => {
  const values = blobs(40_000, 12);
  const many = options({ k: 12, sampleRows: 1_500, scaling: false });
  const fit = fitRanges(rangesOf(values, [15_000, 5_000, 20_000]), many);
  expect(fit.sample.isExact).toBe(false);
  expect(fit.sample.n).toBeGreaterThan(700);
  expect(fit.sample.n).toBeLessThanOrEqual(1_510);
  const weight = fit.sample.weights.reduce((sum, each) => sum + each, 0);
  expect(weight / 40_000).toBeCloseTo(1, 4);
  const whole = fitFullBatch({ values, n: 40_000, dims, k: 12, seed: 1, kernels, nInit: 5 });
  expect(fit.inertia / whole.inertia).toBeLessThan(1.001);
});

it('gives the same bits with plain kernels, without what a range keeps, and when a range is interrupted', () => {
  const values = blobs(9_000, 9);
  const many = options({ k: 9, sampleRows: 800 });
  const sizes = [2_000, 3_000, 4_000];
  const expected = fitRanges(rangesOf(values, sizes), many);
  const plain = { ...many, kernels: referenceKernels };
  expect(fitRanges(rangesOf(values, sizes, referenceKernels), plain)).toEqual(expected);

  const forgetful = (): RangeFit => {
    const { kernels: _, ...problem } = many;
    const steps = rangeFitSteps(problem, { kernels });
    const random = new Random(1);
    const fresh = (range: number) => {
      const views = new CentroidViews(kernels, dims, () => 100);
      const rows = rangesOf(values, sizes)[range]!;
      return new RangeWork(rows, { range, dims, seed: many.seed, kernels, views });
    };
    const works = sizes.map((_size, range) => fresh(range));
    let step = steps.next();
    while (!step.done) {
      const combiner = new AnswerCombiner(step.value, dims);
      for (const range of works.keys()) {
        const fate = random.float();
        if (fate < 0.3) works[range] = fresh(range);
        else if (fate < 0.6) works[range]!.answer(step.value).next();
        combiner.add(works[range]!.answerAtOnce(step.value));
      }
      step = steps.next(combiner.result());
    }
    return step.value;
  };
  expect(forgetful()).toEqual(expected);
});

it('is never worse than where it begins, and compares with another number of clusters', () => {
  const values = blobs(4_000, 6);
  const best = fitRanges(rangesOf(values, [4_000]), options());
  const again = fitRanges(
    rangesOf(values, [4_000]),
    options({ initial: best.centroids, seed: 99 }),
  );
  expect(again.inertia).toBeLessThanOrEqual(again.initialInertia!);
  const fewer = fitRanges(rangesOf(values, [4_000]), options({ k: 4, initial: best.centroids }));
  expect(fewer.centroids).toHaveLength(4 * dims);
  expect(fewer.initialInertia).toBeCloseTo(best.inertia, 6);
});

it('fills clusters without rows by the farthest rows', () => {
  const values = blobs(2_000, 6);
  const far = new Float64Array(6 * dims).fill(1e7);
  far.set(blobs(1, 1).subarray(0, dims));
  const { kernels: _, ...problem } = options({ initial: far, sampleRows: 100 });
  const fit = fitRanges(rangesOf(values, [900, 1_100]), { ...problem, kernels });
  expect(fit.weights.every((weight) => weight > 0)).toBe(true);
});

it('measures directions with cosine, and fills what is missing with the mean', () => {
  const values = blobs(2_000, 5);
  const cosine = fitRanges(rangesOf(values, [500, 1_500]), options({ metric: 'cosine', k: 5 }));
  for (let j = 0; j < 5; j++) {
    const centroid = cosine.centroids.subarray(j * dims, (j + 1) * dims);
    expect(Math.hypot(...centroid)).toBeCloseTo(1, 12);
  }
  const gaps = values.map((value, i) => (i % 7 === 0 ? Number.NaN : value));
  const filled = fitRanges(rangesOf(gaps, [500, 1_500]), options({ missing: 'mean' }));
  const whole = fitModel({
    ...{
      values: gaps,
      n: 2_000,
      dims,
      k: 6,
      seed: 7,
      scaling: true,
      kernels,
      missing: 'mean',
      nInit: 2,
    },
  });
  expect(filled.inertia / whole.inertia).toBeCloseTo(1, 6);
});

it('says when there are fewer distinct rows than clusters', () => {
  const values = new Float32Array(30_000 * dims).fill(4);
  values.fill(5, 0, 100);
  const refused = expect.objectContaining({ code: 'MEANSTREAM_TOO_FEW_DISTINCT_POINTS' });
  expect(() => fitRanges(rangesOf(values, [30_000]), options())).toThrow(refused);
  const two = fitRanges(rangesOf(values, [30_000]), options({ k: 2 }));
  expect(two.inertia).toBe(0);
});
