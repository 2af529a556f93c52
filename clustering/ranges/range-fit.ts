// Full-batch k-means over ranges of rows, wherever they lie: what is asked of the ranges, step after step, and what is made of
// the answers. A generator, so that whoever runs it decides where the ranges are: in this thread (fitRanges), or on many machines
// (jobs/coordinator.ts). The same answers give the same bits; so a run that was cut off goes on from the answers it had.
//
// 1. Moments: scaler and feature means.
// 2. k-means|| (B. Bahmani and others, 2012): rounds of draws with probability ∝ w·d²; candidates are weighed.
// 3. Sample: a coreset of some `sampleRows` rows, each drawn by the share it can have in any inertia (D. Feldman and M. Langberg,
//    2011; the candidates are the rough solution that these shares are measured with). Where there are no more rows, all of them.
// 4. On the sample, in memory: runs from k-means++ seeds and from `initial`, and swaps of centroids (full-batch.ts). The best of
//    them is where step 5 begins.
// 5. Lloyd on all rows, until the centroids' squared shift is within tolerance or the inertia falls no more. A cluster without
//    rows takes the row that is farthest from its own centroid.
// 6. Measure. When `initial` is better after all, step 5 begins there once more: never worse than `initial`.
//
// Swaps are tried on the sample alone: on all rows each trial would read all of them several times.

import { assert } from '../../support/index.ts';
import { distanceBins } from '../distance-histogram.ts';
import { fitFullBatch } from '../full-batch.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { Metric } from '../metric.ts';
import type { MissingPolicy } from '../missing-values.ts';
import { identityScaler, unscalePoints } from '../scaler.ts';
import { countDistinct } from '../seeding.ts';
import { normaliseCentroids } from '../spherical.ts';
import { CandidateSet } from './candidate-set.ts';
import { scalerOfMoments } from './moments.ts';
import type { AnswerTo, RangeSpace, Step, StepAnswer, StepKind } from './steps.ts';

export interface RangeFitProblem {
  readonly dims: number;
  readonly k: number;
  readonly seed: number;
  readonly metric: Metric;
  /** Not `partial`: that is for rows in memory (model-fit.ts). */
  readonly missing: Exclude<MissingPolicy, 'partial'>;
  readonly scaling: boolean;
  /** Any number of rows × dims, input units: what the result is compared with, and where one run begins if there are k. */
  readonly initial?: Float64Array | undefined;
  /** Rows of the coreset; about so many. */
  readonly sampleRows?: number;
  readonly iterationsMax?: number;
  /** As in full-batch.ts. */
  readonly tolerance?: number;
}

export interface RangeFit extends RangeSpace {
  /** k × dims, input units. */
  readonly centroids: Float64Array;
  readonly weights: Float64Array;
  readonly sumSquares: Float64Array;
  readonly distanceHistogram: Float64Array;
  readonly inertia: number;
  /** Of `initial`, by the same arithmetic. */
  readonly initialInertia: number | undefined;
  readonly iterations: number;
  readonly rows: number;
  readonly weight: number;
  readonly sample: RangeSample;
}

/** Rows that stand for all. */
export interface RangeSample {
  readonly n: number;
  /** n × dims, input units (with cosine: directions). */
  readonly values: Float32Array;
  readonly weights: Float32Array;
  /** Whether these are all rows. */
  readonly isExact: boolean;
}

export interface RangeIteration {
  /** 1 begins at the best seeds, 2 at `initial`. */
  readonly run: number;
  readonly iteration: number;
  readonly inertia: number;
  readonly shift: number;
}

/** Runs on the sample from k-means++ seeds. */
export const sampleRunsDefault = 2;
const seedingRounds = 3;
const iterationsMaxDefault = 300;

/** Enough that an inertia on the sample is within a percent of the one on all rows, for the clusters asked. */
export function sampleRowsDefault(k: number): number {
  return Math.max(20_000, 64 * k);
}

export interface RangeFitOptions {
  readonly kernels: Kernels;
  readonly onIteration?: ((report: RangeIteration) => void) | undefined;
}

type Steps<T> = Generator<Step, T, StepAnswer>;

/** @throws MEANSTREAM_TOO_FEW_DISTINCT_POINTS */
export function* rangeFitSteps(
  problem: RangeFitProblem,
  options: RangeFitOptions,
): Steps<RangeFit> {
  const { metric, missing, scaling, dims, k, initial } = problem;
  const moments = yield* ask({ kind: 'moments', metric, missing });
  const own = scalerOfMoments(moments);
  const space: RangeSpace = {
    ...{ metric, missing },
    featureMeans: missing === 'mean' ? own.mean : new Float64Array(0),
    ...(scaling && metric !== 'cosine' ? own : identityScaler(dims)),
  };
  const start = initial && intoSpace(initial, dims, space);
  const sample = yield* drawSample(problem, space, moments);
  const begin = startOnSample(problem, sample, start, options.kernels);
  let found = yield* lloydAndMeasure(problem, options, space, begin, 1);
  let { iterations } = found;
  const initialInertia =
    start && inertiaOf(yield* ask({ kind: 'measure', ...space, centroids: start }));
  if (start?.length === k * dims && found.inertia > initialInertia!) {
    const other = yield* lloydAndMeasure(problem, options, space, start, 2);
    iterations += other.iterations;
    if (other.inertia < found.inertia) found = other;
  }
  const n = sample.weights.length;
  const values = Float32Array.from(unscalePoints(Float64Array.from(sample.points), n, dims, space));
  return {
    ...space,
    centroids: unscalePoints(found.centroids, k, dims, space),
    weights: found.measured.weights,
    sumSquares: found.measured.squares,
    distanceHistogram: found.measured.histogram,
    ...{ inertia: found.inertia, initialInertia, iterations },
    ...{ rows: moments.rows, weight: moments.weight },
    sample: { n, values, weights: sample.weights, isExact: sample.isExact },
  };
}

function* ask<Kind extends StepKind>(step: Step & { readonly kind: Kind }): Steps<AnswerTo<Kind>> {
  const answer = yield step;
  assert(answer.kind === step.kind, 'an answer is to the step that was asked');
  return answer as AnswerTo<Kind>;
}

interface DrawnSample {
  readonly points: Float32Array;
  readonly weights: Float32Array;
  readonly isExact: boolean;
  readonly candidates: Float32Array;
  readonly candidateWeights: Float64Array;
}

function* drawSample(
  { dims, k, sampleRows = sampleRowsDefault(k) }: RangeFitProblem,
  space: RangeSpace,
  { rows, weight }: { rows: number; weight: number },
): Steps<DrawnSample> {
  const none = { candidates: new Float32Array(0), candidateWeights: new Float64Array(0) };
  if (rows <= sampleRows) {
    const all = {
      candidates: none.candidates,
      weights: none.candidateWeights,
      error: 0,
      size: rows,
    };
    const sample = yield* ask({ kind: 'sample', ...space, ...all });
    return { ...none, ...sample, isExact: true };
  }
  const set = new CandidateSet(dims);
  for (let round = 0; round <= seedingRounds || set.count < k; round++) {
    const size = round === 0 ? 1 : 2 * k;
    const draws = yield* ask({ kind: 'draw', ...space, candidates: set.values(), round, size });
    if (set.add(draws.points) === 0) break;
  }
  const candidates = set.values();
  const { weights, squares } = yield* ask({ kind: 'weigh', ...space, candidates });
  const error = total(squares);
  const asked = { candidates, weights, error, size: sampleRows };
  const sample = yield* ask({ kind: 'sample', ...space, ...asked });
  const factor = weight / total(sample.weights);
  return {
    points: sample.points,
    weights: sample.weights.map((each) => each * factor),
    isExact: false,
    ...{ candidates, candidateWeights: weights },
  };
}

/** k × dims, in the space: the best of the runs on the sample. */
function startOnSample(
  { dims, k, seed, metric, iterationsMax }: RangeFitProblem,
  sample: DrawnSample,
  start: Float64Array | undefined,
  kernels: Kernels,
): Float64Array {
  let { points: values, weights } = sample;
  // Rows that are nearly all alike: the candidates, all different, were looked for until there were k of them.
  if (!sample.isExact && countDistinct(values, weights.length, dims, k, weights) < k) {
    values = sample.candidates;
    weights = Float32Array.from(sample.candidateWeights, (weight) => (weight > 0 ? weight : 1e-6));
  }
  return fitFullBatch({
    ...{ values, weights, n: weights.length, dims, k, seed, metric, kernels },
    ...(iterationsMax !== undefined && { iterationsMax }),
    nInit: sampleRunsDefault,
    initial: start?.length === k * dims ? start : undefined,
  }).centroids;
}

interface Found {
  readonly centroids: Float64Array;
  readonly measured: AnswerTo<'measure'>;
  readonly inertia: number;
  readonly iterations: number;
}

function* lloydAndMeasure(
  problem: RangeFitProblem,
  { onIteration }: RangeFitOptions,
  space: RangeSpace,
  begin: Float64Array,
  run: number,
): Steps<Found> {
  const { dims, k, metric, iterationsMax = iterationsMaxDefault, tolerance = 1e-4 } = problem;
  let centroids = begin;
  let shiftMax: number | undefined;
  let last = Infinity;
  let iteration = 0;
  while (iteration < iterationsMax) {
    const { sums } = yield* ask({ kind: 'lloyd', ...space, centroids });
    const inertia = total(sums.subarray(k + k * dims));
    shiftMax ??= tolerance * meanVariance(sums, centroids, k, dims);
    const next = moved(centroids, sums, k, dims);
    const placed = yield* fillEmpty(next, sums, { ...space, centroids }, k, dims);
    if (metric === 'cosine') normaliseCentroids(next, k, dims, centroids);
    const shift = squaredShift(centroids, next);
    iteration += 1;
    onIteration?.({ run, iteration, inertia, shift });
    centroids = next;
    if (!placed && (shift <= shiftMax || (tolerance > 0 && inertia >= last))) break;
    last = inertia;
  }
  const measured = yield* ask({ kind: 'measure', ...space, centroids });
  return { centroids, measured, inertia: inertiaOf(measured), iterations: iteration };
}

/** k × dims: c + Σw·(x − c) / Σw; without weight it stays where it is. */
function moved(centroids: Float64Array, sums: Float64Array, k: number, dims: number): Float64Array {
  return centroids.map((value, i) => {
    const weight = sums[Math.floor(i / dims)]!;
    return weight > 0 ? value + sums[k + i]! / weight : value;
  });
}

/** @returns whether a cluster without rows was given one */
function* fillEmpty(
  next: Float64Array,
  sums: Float64Array,
  view: RangeSpace & { readonly centroids: Float64Array },
  k: number,
  dims: number,
): Steps<boolean> {
  const empty = Array.from({ length: k }, (_, j) => j).filter((j) => !(sums[j]! > 0));
  if (empty.length === 0) return false;
  const { shares, points } = yield* ask({ kind: 'farthest', ...view, size: empty.length });
  for (const i of shares.keys()) {
    next.set(points.subarray(i * dims, (i + 1) * dims), empty[i]! * dims);
  }
  return shares.length > 0;
}

/** Of a feature over all rows, from the sums about the centroids (lloyd-run.ts). */
function meanVariance(sums: Float64Array, about: Float64Array, k: number, dims: number): number {
  const weight = total(sums.subarray(0, k));
  const mean = new Float64Array(dims);
  for (let i = 0; i < k * dims; i++) {
    mean[i % dims]! += (sums[k + i]! + sums[Math.floor(i / dims)]! * about[i]!) / weight;
  }
  let squares = total(sums.subarray(k + k * dims));
  for (let i = 0; i < k * dims; i++) {
    const apart = mean[i % dims]! - about[i]!;
    squares += apart * (sums[Math.floor(i / dims)]! * apart - 2 * sums[k + i]!);
  }
  return Math.max(0, squares / weight / dims);
}

function squaredShift(from: Float64Array, to: Float64Array): number {
  let shift = 0;
  for (let i = 0; i < from.length; i++) shift += (to[i]! - from[i]!) ** 2;
  return shift;
}

/** Centroids in input units as they stand in the space. */
function intoSpace(centroids: Float64Array, dims: number, space: RangeSpace): Float64Array {
  const { mean, scale, metric } = space;
  const scaled = centroids.map((value, i) => (value - mean[i % dims]!) / scale[i % dims]!);
  if (metric === 'cosine') normaliseCentroids(scaled, scaled.length / dims, dims, scaled.slice());
  return scaled;
}

function inertiaOf({ squares, histogram }: AnswerTo<'measure'>): number {
  assert(histogram.length === squares.length * distanceBins, 'a histogram for each cluster');
  return total(squares);
}

function total(numbers: Float64Array | Float32Array): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}
