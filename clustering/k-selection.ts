// How many clusters? Several indices on the same points and the same clusterings, and a recommendation with its reasons.
//
// 1. A clustering for every k of 1 … kMax (shrinking-path.ts), on all points and on each half of them.
// 2. Votes: the elbow of the inertia, Calinski-Harabasz, Davies-Bouldin, the silhouette, the gap statistic, and the separation
//    of the clusters on the half they were not fitted to. Only gap and separation can say 1; when both do,
//    the others are not asked.
// 3. Most weight of votes wins. Separation weighs most because alone it was right most often on seeded mixtures, the elbow least.
// 4. Confidence is the share of the votes, times how well the two halves' clusterings agree at that k (adjusted Rand); at 1,
//    where any two agree, times how far every other clustering is from being apart.
//
// Meant for a coreset of a few thousand points.

import { Random } from '../support/index.ts';
import { adjustedRand } from './adjusted-rand.ts';
import type { LabelledPoints } from './cluster-moments.ts';
import { gapStatistic } from './gap-statistic.ts';
import type { Kernels } from './kernels/kernels.ts';
import { systematicSample } from './sampling.ts';
import { overlapMax, overlapOfHalves, worstOverlap } from './separation.ts';
import { type PathFit, type PathOptions, shrinkingPath } from './shrinking-path.ts';
import { calinskiHarabasz, daviesBouldin, silhouette } from './validity.ts';

/** How far to look when nobody says, and at most. */
export const kMaxDefault = 15;
export const kMaxMax = 100;

export interface KSelectionOptions {
  /** n × dims, scaled. */
  readonly values: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly weights?: Float32Array | undefined;
  /** At most; fewer when there are fewer distinct points. */
  readonly kMax: number;
  readonly seed: number;
  readonly kernels: Kernels;
  /** Sets that the gap statistic compares with, and points in each. */
  readonly gapReferences?: number;
  readonly gapPointsMax?: number;
}

export type KCriterion =
  | 'elbow'
  | 'calinskiHarabasz'
  | 'daviesBouldin'
  | 'silhouette'
  | 'gap'
  | 'separation';

/** What one k looks like. An index that k does not have is absent. */
export interface KCurvePoint {
  readonly k: number;
  readonly inertia: number;
  readonly calinskiHarabasz: number | undefined;
  readonly daviesBouldin: number | undefined;
  readonly silhouette: number | undefined;
  readonly gap: number;
  readonly gapError: number;
  /** Overlap of the closest pair on held-out points: low is apart. */
  readonly overlap: number;
  /** Adjusted Rand of the clusterings found in the two halves. */
  readonly stability: number;
}

export interface KVote {
  readonly criterion: KCriterion;
  readonly k: number;
  readonly weight: number;
}

export interface KRecommendation {
  readonly k: number;
  /** 0 … 1. */
  readonly confidence: number;
  readonly reasons: readonly string[];
  readonly votes: readonly KVote[];
  readonly curve: readonly KCurvePoint[];
}

const voteWeights: Record<KCriterion, number> = {
  separation: 2,
  gap: 1.5,
  silhouette: 1,
  calinskiHarabasz: 1,
  daviesBouldin: 1,
  elbow: 0.5,
};

export function recommendK(options: KSelectionOptions): KRecommendation {
  const { curve, gapK } = measureCurve(options);
  const votes = asked(votesOf(curve, gapK));
  const k = winner(votes);
  const share = shareOf(votes, k);
  const confidence = share * (k === 1 ? oneness(curve) : Math.max(0, curve[k - 1]!.stability));
  return { k, confidence, reasons: reasonsFor(k, curve, votes), votes, curve };
}

function measureCurve(options: KSelectionOptions) {
  const { values, n, dims, weights, kernels } = options;
  const points = { values, n, dims, weights };
  const path = shrinkingPath(options);
  const [one, other] = halves(options);
  const onePath = shrinkingPath(one);
  const otherPath = shrinkingPath(other);
  const length = Math.min(path.length, onePath.length, otherPath.length);
  const gap = gapStatistic(gapOptions(options, length));
  const curve = path.slice(0, length).map((fit, i): KCurvePoint => {
    const labelled = { ...points, labels: fit.labels };
    const [a, b] = [onePath[i]!, otherPath[i]!];
    return {
      k: fit.k,
      inertia: fit.inertia,
      calinskiHarabasz: calinskiHarabasz(fit),
      daviesBouldin: daviesBouldin(fit),
      silhouette: silhouette(fit, labelled)?.mean,
      gap: gap.gaps[i]!,
      gapError: gap.errors[i]!,
      overlap: (heldOutOverlap(a, other, kernels) + heldOutOverlap(b, one, kernels)) / 2,
      stability: adjustedRand(labelsBy(a, points, kernels), labelsBy(b, points, kernels)),
    };
  });
  return { curve, gapK: gap.k };
}

function heldOutOverlap(fit: PathFit, points: PathOptions, kernels: Kernels): number {
  const labels = labelsBy(fit, points, kernels);
  return worstOverlap(fit.centroids, fit.k, { ...points, labels });
}

function labelsBy(
  fit: PathFit,
  { values, n, dims }: Omit<LabelledPoints, 'labels'>,
  kernels: Kernels,
): Int32Array {
  const labels = new Int32Array(n);
  const panels = kernels.prepare(Float32Array.from(fit.centroids), fit.k, dims);
  kernels.nearest(values, n, panels, labels);
  return labels;
}

/** Two random halves, each with a seed of its own. */
function halves(options: KSelectionOptions): [PathOptions, PathOptions] {
  const { n, seed } = options;
  const random = new Random(seed ^ 0x68616c66);
  const order = Array.from({ length: n }, (_, row) => row);
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const middle = Math.ceil(n / 2);
  return [
    subset(options, order.slice(0, middle), random.uint32()),
    subset(options, order.slice(middle), random.uint32()),
  ];
}

function subset(options: KSelectionOptions, rows: readonly number[], seed: number): PathOptions {
  const { values, dims, weights } = options;
  const picked = new Float32Array(rows.length * dims);
  for (const [i, row] of rows.entries()) {
    picked.set(values.subarray(row * dims, (row + 1) * dims), i * dims);
  }
  const own = weights === undefined ? undefined : Float32Array.from(rows, (row) => weights[row]!);
  return { ...options, values: picked, n: rows.length, weights: own, seed };
}

function gapOptions(options: KSelectionOptions, kMax: number) {
  const { n, weights, seed, gapReferences: references = 20, gapPointsMax = 500 } = options;
  const worths = weights === undefined ? new Float64Array(n).fill(1) : Float64Array.from(weights);
  const chances = systematicSample(worths, gapPointsMax, new Random(seed ^ 0x676170));
  const rows = Array.from(chances.keys()).filter((row) => chances[row]! > 0);
  const sample = subset(options, rows, seed);
  const own = Float32Array.from(rows, (row) => worths[row]! / chances[row]!);
  return { ...sample, weights: own, kMax, references };
}

function votesOf(curve: readonly KCurvePoint[], gapK: number | undefined): KVote[] {
  const choices: Record<KCriterion, number | undefined> = {
    separation: largestApart(curve),
    gap: gapK,
    silhouette: best(curve, ({ silhouette: value }) => value),
    calinskiHarabasz: best(curve, ({ calinskiHarabasz: value }) => value),
    daviesBouldin: best(curve, ({ daviesBouldin: value }) =>
      value === undefined ? undefined : -value,
    ),
    elbow: kneedle(curve.map(({ inertia }) => inertia)),
  };
  return Object.entries(choices).flatMap(([name, k]) => {
    const criterion = name as KCriterion;
    return k === undefined ? [] : [{ criterion, k, weight: voteWeights[criterion] }];
  });
}

/** How far the best of the other clusterings is from being apart; 1 when it looks like halves of a Gaussian. */
function oneness(curve: readonly KCurvePoint[]): number {
  const least = Math.min(1, ...curve.slice(1).map(({ overlap }) => overlap));
  return Math.min(1, Math.max(0, (least - overlapMax) / (overlapOfHalves - overlapMax)));
}

/** When both that can say 1 do, the others are not asked: they compare clusterings, and have no word for none. */
function asked(votes: readonly KVote[]): readonly KVote[] {
  const sayNone = votes.filter(({ k }) => k === 1);
  return sayNone.length >= 2 ? sayNone : votes;
}

/** The largest k whose clusters are all apart; 1 when two never are. */
function largestApart(curve: readonly KCurvePoint[]): number {
  return curve.findLast(({ overlap }) => overlap <= overlapMax)?.k ?? 1;
}

function best(
  curve: readonly KCurvePoint[],
  score: (point: KCurvePoint) => number | undefined,
): number | undefined {
  let most = -Infinity;
  let k: number | undefined;
  for (const point of curve) {
    const value = score(point);
    if (value === undefined || value <= most) continue;
    most = value;
    k = point.k;
  }
  return k;
}

/** The knee of a falling curve, where it is farthest below its chord (V. Satopää and others, 2011). @returns k, from 1 */
export function kneedle(curve: readonly number[]): number | undefined {
  const [first, last] = [curve[0]!, curve.at(-1)!];
  if (curve.length < 3 || !(first > last)) return undefined;
  let most = 1e-9;
  let knee: number | undefined;
  for (const [i, value] of curve.entries()) {
    const below = 1 - (value - last) / (first - last) - i / (curve.length - 1);
    if (below <= most) continue;
    most = below;
    knee = i + 1;
  }
  return knee;
}

/** Most weight of votes; of equals the one that has the weightiest single vote, then the smaller. */
function winner(votes: readonly KVote[]): number {
  const heaviest = (k: number) =>
    Math.max(...votes.filter((vote) => vote.k === k).map(({ weight }) => weight));
  const candidates = [...new Set(votes.map(({ k }) => k))];
  candidates.sort(
    (a, b) => shareOf(votes, b) - shareOf(votes, a) || heaviest(b) - heaviest(a) || a - b,
  );
  return candidates[0] ?? 1;
}

function shareOf(votes: readonly KVote[], k: number): number {
  let [own, all] = [0, 0];
  for (const vote of votes) {
    all += vote.weight;
    if (vote.k === k) own += vote.weight;
  }
  return all > 0 ? own / all : 0;
}

function reasonsFor(k: number, curve: readonly KCurvePoint[], votes: readonly KVote[]): string[] {
  const agreeing = votes.filter((vote) => vote.k === k).map(({ criterion }) => criterion);
  const others = votes.filter((vote) => vote.k !== k);
  const { stability, overlap } = curve[k - 1]!;
  const verb = agreeing.length === 1 ? 'says' : 'say';
  const reasons = [`${agreeing.join(', ')} (of ${votes.length} criteria) ${verb} ${k}.`];
  if (others.length > 0) {
    reasons.push(`${others.map((vote) => `${vote.criterion} says ${vote.k}`).join(', ')}.`);
  }
  if (k === 1) reasons.push('No two groups of points are apart from each other.');
  else {
    reasons.push(
      `Two halves of the points, clustered apart, agree to ${stability.toFixed(2)} (adjusted Rand).`,
      `The closest two clusters overlap by ${overlap.toFixed(2)} on held-out points (${overlapMax} is too much).`,
    );
  }
  return reasons;
}
