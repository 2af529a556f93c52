// The gap statistic (R. Tibshirani, G. Walther and T. Hastie, 2001): is the error lower than it would be without clusters?
//
// 1. ln W_k of the data, for each k.
// 2. The same of `references` sets of as many points, uniform in the box that the data fill along their principal axes.
// 3. Gap(k) = mean ln W*_k − ln W_k;  s_k = sd of ln W*_k · √(1 + 1/B).
// 4. The answer is the smallest k with Gap(k) ≥ Gap(k + 1) − s_{k+1}; 1 when the data are no better than uniform.
//
// W by merging from a surplus of centres (shrinking-path.ts), for data and references alike.

import { Random } from '../support/index.ts';
import { principalAxes } from './principal-axes.ts';
import { mergeCurve, type PathOptions } from './shrinking-path.ts';

export interface GapOptions extends PathOptions {
  /** B. */
  readonly references: number;
}

export interface GapStatistic {
  /** Gap(k) and s_k at place k − 1. */
  readonly gaps: Float64Array;
  readonly errors: Float64Array;
  /** Undefined when the curve ends before the rule is met. */
  readonly k: number | undefined;
}

/** Above so many dimensions the box is not rotated. */
const rotatedDimsMax = 128;

export function gapStatistic(options: GapOptions): GapStatistic {
  const { references, seed } = options;
  const own = mergeCurve(options);
  const random = new Random(seed);
  const draw = uniformBox(options);
  const curves = Array.from({ length: references }, () =>
    mergeCurve({ ...options, values: draw(random), weights: undefined, seed: random.uint32() }),
  );
  const gaps = new Float64Array(own.length);
  const errors = new Float64Array(own.length);
  const total = options.weights?.subarray(0, options.n).reduce((sum, w) => sum + w, 0) ?? options.n;
  const perPoint = Math.log(total / options.n);
  for (let i = 0; i < own.length; i++) {
    const logs = curves.map((curve) => curve[i]!);
    const mean = logs.reduce((sum, value) => sum + value, 0) / references;
    const variance = logs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / references;
    gaps[i] = mean - (own[i]! - perPoint);
    errors[i] = Math.sqrt(variance * (1 + 1 / references));
  }
  return { gaps, errors, k: smallestSufficient(gaps, errors) };
}

function smallestSufficient(gaps: Float64Array, errors: Float64Array): number | undefined {
  for (let i = 0; i + 1 < gaps.length; i++) {
    if (gaps[i]! >= gaps[i + 1]! - errors[i + 1]!) return i + 1;
  }
  return undefined;
}

/** Draws of n points from the box that the points fill along their principal axes. */
function uniformBox({ values, n, dims, weights }: GapOptions): (random: Random) => Float32Array {
  const { mean, axes } = axesOf(values, n, dims, weights);
  const low = new Float64Array(dims).fill(Infinity);
  const high = new Float64Array(dims).fill(-Infinity);
  for (let row = 0; row < n; row++) {
    for (let a = 0; a < dims; a++) {
      let at = 0;
      for (let d = 0; d < dims; d++) {
        at += axes[a * dims + d]! * (values[row * dims + d]! - mean[d]!);
      }
      low[a] = Math.min(low[a]!, at);
      high[a] = Math.max(high[a]!, at);
    }
  }
  return (random) => {
    const points = new Float64Array(n * dims);
    for (let row = 0; row < n; row++) {
      const base = row * dims;
      for (let d = 0; d < dims; d++) points[base + d] = mean[d]!;
      for (let a = 0; a < dims; a++) {
        const at = low[a]! + random.float() * (high[a]! - low[a]!);
        for (let d = 0; d < dims; d++) points[base + d]! += at * axes[a * dims + d]!;
      }
    }
    return Float32Array.from(points);
  };
}

function axesOf(values: Float32Array, n: number, dims: number, weights: Float32Array | undefined) {
  if (dims <= rotatedDimsMax) return principalAxes(values, n, dims, weights);
  const axes = new Float64Array(dims * dims);
  for (let d = 0; d < dims; d++) axes[d * dims + d] = 1;
  return { mean: new Float64Array(dims), axes };
}
