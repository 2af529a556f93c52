// Does a cluster hold two groups? Its candidates are a weighted sample of its points, half of them to find an axis, half to
// judge it: in many dimensions any few points split well along the line that was chosen to split them.
//
// 1. Two-means on one half, from a point far out and the mean. The axis goes through the two means.
// 2. On the other half, along the axis: variance within the two sides / total variance. Halves of a Gaussian give 0.363, of a
//    uniform 0.25, Gaussians 4σ apart 0.19, in any number of dimensions. At most 0.20 are two groups.
// 3. The twins stand at c + (1 − p)·g·u and c − p·g·u: additive along the axis u, so that a cluster at the origin splits too; g is
//    the distance of the two sides' means, p the share of the lighter one. The sum p·(…) + (1 − p)·(…) is c: exact.

import { squaredDistance } from './cluster-state.ts';

export interface WeightedPoint {
  /** Input units. */
  readonly point: Float64Array;
  readonly weight: number;
}

export interface Twins {
  /** Of the weight, that goes to the lighter twin: at most a half. */
  readonly share: number;
  /** From the heavier to the lighter, of length 1 in model space. */
  readonly axis: Float64Array;
  /** Between the two, in model space. */
  readonly gap: number;
  /** Variance within the sides over total variance, along the axis, of points that did not choose it. */
  readonly within: number;
}

const withinMax = 0.2;
/** On each side of each half: fewer show nothing. */
const pointsMin = 4;
const iterations = 10;

/** @param far a point far from the centroid: where two-means begins. Undefined when this is one group. */
export function twinsIn(
  points: readonly WeightedPoint[],
  far: Float64Array,
  scale: Float64Array,
): Twins | undefined {
  const learning = points.filter((_, i) => i % 2 === 0);
  const judging = points.filter((_, i) => i % 2 === 1);
  const means = twoMeans(learning, far, scale);
  if (means === undefined) return undefined;
  const [first, second] = means;
  const length = Math.sqrt(squaredDistance(first, second, scale));
  if (!(length > 0)) return undefined;
  const axis = first.map((value, d) => (value - second[d]!) / scale[d]! / length);
  const middle = (project(first, axis, scale) + project(second, axis, scale)) / 2;
  const judged = sidesOf(judging, axis, middle, scale);
  if (judged === undefined || !(judged.within <= withinMax)) return undefined;
  const all = sidesOf(points, axis, middle, scale)!;
  const { within } = judged;
  const gap = all.above - all.below;
  if (all.share <= 0.5) return { share: all.share, axis, gap, within };
  return { share: 1 - all.share, axis: axis.map((value) => -value), gap, within };
}

/** Means of two sides with enough points each. */
function twoMeans(
  points: readonly WeightedPoint[],
  far: Float64Array,
  scale: Float64Array,
): [Float64Array, Float64Array] | undefined {
  let first = far;
  let second = meanOf(points, far.length);
  for (let i = 0; i < iterations; i++) {
    const isFirst = ({ point }: WeightedPoint) =>
      squaredDistance(point, first, scale) < squaredDistance(point, second, scale);
    const near = points.filter(isFirst);
    const rest = points.filter((point) => !isFirst(point));
    if (near.length < pointsMin || rest.length < pointsMin) return undefined;
    first = meanOf(near, far.length);
    second = meanOf(rest, far.length);
  }
  return [first, second];
}

function meanOf(points: readonly WeightedPoint[], dims: number): Float64Array {
  const mean = new Float64Array(dims);
  let total = 0;
  for (const { point, weight } of points) {
    if (!(weight > 0)) continue;
    total += weight;
    for (let d = 0; d < dims; d++) mean[d]! += (weight / total) * (point[d]! - mean[d]!);
  }
  return mean;
}

/** Mean positions above and below the middle, the share above, and the variance within over all. */
function sidesOf(
  points: readonly WeightedPoint[],
  axis: Float64Array,
  middle: number,
  scale: Float64Array,
) {
  const at = points.map(({ point, weight }) => ({ x: project(point, axis, scale), weight }));
  const above = momentsOf(at.filter(({ x }) => x > middle));
  const below = momentsOf(at.filter(({ x }) => x <= middle));
  const all = momentsOf(at);
  if (above.n < pointsMin || below.n < pointsMin || !(all.squares > 0)) return undefined;
  return {
    above: above.mean,
    below: below.mean,
    share: above.weight / all.weight,
    within: (above.squares + below.squares) / all.squares,
  };
}

function momentsOf(at: readonly { readonly x: number; readonly weight: number }[]) {
  let [n, total, mean, squares] = [0, 0, 0, 0];
  for (const { x, weight } of at) {
    if (!(weight > 0)) continue;
    n += 1;
    total += weight;
    const before = x - mean;
    mean += (weight / total) * before;
    squares += weight * before * (x - mean);
  }
  return { n, weight: total, mean, squares };
}

function project(point: Float64Array, axis: Float64Array, scale: Float64Array): number {
  let sum = 0;
  for (let d = 0; d < axis.length; d++) sum += (point[d]! / scale[d]!) * axis[d]!;
  return sum;
}
