// Models with other parameters beside the one in use, on the same stream: which half-life, which K would do better?
//
// 1. All contenders begin at the same points, in one space (one scaler), seeded alike. The first is the baseline: the parameters
//    in use. It learns from the same sample as the others; the model in use learns from every point, and would win by that alone.
// 2. A block of points is scored before it is learned (prequentially): nobody is judged on what it has seen. Mean squared
//    distance, and the simplified silhouette, the mean of (second − first)/second over the distances to the nearest two centroids.
// 3. Then each learns the block as the owner of a model does: one delta, folded, clusters relocated.
// 4. Another half-life at the same K is better when its squared distance is smaller; another K, for which that always is, when
//    the silhouette is larger and Calinski-Harabasz agrees. By a margin, and surely enough: block by block against the baseline.
//
// The state is a function of the points and the parameters. O(contenders · n · k · dims).

import { Assigner } from './assigner.ts';
import { bootstrapModel } from './bootstrap.ts';
import type { HalfLife } from './half-life.ts';
import type { Kernels } from './kernels/kernels.ts';
import type { Metric, PointSpace } from './metric.ts';
import { DeltaAccumulator } from './mini-batch.ts';
import type { MissingPolicy } from './missing-values.ts';
import { OnlineModel, type OnlineRecords } from './online-model.ts';
import { PairedDifference } from './paired-difference.ts';
import { scalePoints } from './scaler.ts';
import { calinskiHarabasz } from './validity.ts';

export interface Contender {
  readonly name: string;
  readonly k: number;
  readonly halfLife: HalfLife;
}

export interface TrialSetting {
  /** The baseline first. */
  readonly contenders: readonly Contender[];
  readonly scaling: boolean;
  readonly metric: Metric;
  readonly missing: MissingPolicy;
  readonly seed: number;
}

/** Points as they came; a weight says for how many each stands. */
export interface TrialBlock {
  readonly values: Float32Array;
  readonly weights: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly timestampMs: number;
}

export interface ContenderResult extends Contender {
  readonly isBaseline: boolean;
  readonly meanSquaredDistance: number;
  /** Of the typical block against the baseline's (geometric mean): −0.03 is three per cent less. */
  readonly change: number;
  readonly silhouette: number;
  readonly calinskiHarabasz: number | null;
  /** Share of points that the model of one block before gives the same cluster. */
  readonly idStability: number;
  /** Clusters that were put elsewhere. */
  readonly relocations: number;
  /** How sure it is that it is better than the baseline by the margin, 0…1. */
  readonly confidence: number;
}

export interface TrialResult {
  /** Points the trial stands for, and those it has looked at. */
  readonly points: number;
  readonly sampled: number;
  readonly blocks: number;
  readonly contenders: readonly ContenderResult[];
  /** Name of the best when it is surely better; the baseline's when nothing is; null while it is too early to say. */
  readonly recommended: string | null;
  readonly reasons: readonly string[];
}

export interface TrialRecords {
  readonly setting: TrialSetting;
  readonly featureMeans: readonly number[];
  readonly points: number;
  readonly sampled: number;
  readonly blocks: number;
  readonly models: readonly OnlineRecords[];
  /** By contender. */
  readonly scores: readonly Float64Array[];
}

export const blocksMin = 30;
export const confidenceMin = 0.95;
/** Of the squared distance, relative; and of the silhouette. */
export const distanceMargin = 0.01;
export const silhouetteMargin = 0.005;
const seedRuns = 3;
const fade = 2 ** (-1 / 200);

export class ChallengerTrial {
  readonly #setting: TrialSetting;
  readonly #kernels: Kernels;
  readonly #space: PointSpace;
  readonly #entrants: readonly Entrant[];
  #points = 0;
  #sampled = 0;
  #blocks = 0;

  private constructor(
    setting: TrialSetting,
    kernels: Kernels,
    featureMeans: Float64Array,
    entrants: readonly Entrant[],
  ) {
    const { metric, missing } = setting;
    this.#setting = setting;
    this.#kernels = kernels;
    this.#space = { metric, missing, featureMeans };
    this.#entrants = entrants;
  }

  /** @throws MEANSTREAM_TOO_FEW_DISTINCT_POINTS when there are fewer than the largest K */
  static begin(setting: TrialSetting, points: TrialBlock, kernels: Kernels): ChallengerTrial {
    const { contenders, scaling, metric, missing, seed } = setting;
    const space = { ...points, scaling, metric, missing };
    const starts = contenders.map(({ k }) =>
      bootstrapModel({ ...space, k, seed, nInit: seedRuns, kernels }),
    );
    const entrants = starts.map((start, i) => {
      const { halfLife } = contenders[i]!;
      const history = { timestampMs: points.timestampMs };
      return new Entrant(OnlineModel.begin(start, { halfLife }, history));
    });
    return new ChallengerTrial(setting, kernels, starts[0]!.featureMeans, entrants);
  }

  static restore(records: TrialRecords, kernels: Kernels): ChallengerTrial {
    const entrants = records.models.map(
      (model, i) => new Entrant(OnlineModel.restore(model), records.scores[i]),
    );
    const means = Float64Array.from(records.featureMeans);
    const trial = new ChallengerTrial(records.setting, kernels, means, entrants);
    trial.#points = records.points;
    trial.#sampled = records.sampled;
    trial.#blocks = records.blocks;
    return trial;
  }

  get setting(): TrialSetting {
    return this.#setting;
  }

  get blocks(): number {
    return this.#blocks;
  }

  /** Scores the block, then learns it. */
  take(block: TrialBlock): void {
    const firstOffset = this.#sampled;
    for (const entrant of this.#entrants) {
      entrant.take(block, firstOffset, this.#space, this.#kernels);
    }
    const [baseline] = this.#entrants;
    for (const entrant of this.#entrants) entrant.compareWith(baseline!);
    this.#blocks += 1;
    this.#sampled += block.n;
    for (let row = 0; row < block.n; row++) this.#points += block.weights[row]!;
  }

  result(): TrialResult {
    const [baseline] = this.#entrants;
    const base = baseline!.score;
    const contenders = this.#entrants.map((entrant, i): ContenderResult => {
      const contender = this.#setting.contenders[i]!;
      const { score } = entrant;
      const isBaseline = i === 0;
      return {
        ...contender,
        isBaseline,
        meanSquaredDistance: score.meanSquaredDistance,
        change: base.meanSquaredDistance > 0 ? Math.expm1(score.distance.mean) : 0,
        silhouette: score.silhouette,
        calinskiHarabasz: entrant.calinskiHarabasz(this.#space) ?? null,
        idStability: score.stability,
        relocations: score.relocations,
        confidence: isBaseline ? 0.5 : this.#confidence(entrant, contender),
      };
    });
    const counts = { points: this.#points, sampled: this.#sampled, blocks: this.#blocks };
    return { ...counts, contenders, ...recommendation(contenders, this.#blocks) };
  }

  records(): TrialRecords {
    return {
      setting: this.#setting,
      featureMeans: [...this.#space.featureMeans],
      ...{ points: this.#points, sampled: this.#sampled, blocks: this.#blocks },
      models: this.#entrants.map(({ model }) => model.records()),
      scores: this.#entrants.map(({ score }) => score.record()),
    };
  }

  /** By contender: the clusters whose record differs from when this was last called. */
  takeChanged(): number[][] {
    return this.#entrants.map(({ model }) => model.takeChanged());
  }

  #confidence({ score }: Entrant, { k }: Contender): number {
    return k === this.#setting.contenders[0]!.k
      ? score.distance.confidenceBelow(Math.log1p(-distanceMargin))
      : score.separation.confidenceBelow(-silhouetteMargin);
  }
}

/** One model of the trial, and how it does. */
class Entrant {
  readonly model: OnlineModel;
  readonly score: Score;

  constructor(model: OnlineModel, score?: Float64Array) {
    this.model = model;
    this.score = new Score(score);
  }

  take(block: TrialBlock, firstOffset: number, space: PointSpace, kernels: Kernels): void {
    const { n, values, weights, timestampMs } = block;
    const { basis, halfLife, landmarkMs } = this.model;
    const before = this.model.snapshot();
    const assigner = new Assigner({ ...basis, ...space, ...before }, kernels);
    assigner.assign(values, n);
    const { points, labels, euclidean, margins, partial } = assigner;
    this.score.add(weights, euclidean, margins, n);
    const delta = new DeltaAccumulator({ ...basis, halfLife, landmarkMs }, 0, kernels);
    const offsets = Float64Array.from({ length: n }, (_, row) => firstOffset + row);
    const timestamps = new Float64Array(n).fill(timestampMs);
    delta.add(points, weights, labels, euclidean, offsets, n, timestamps, partial);
    const events = this.model.fold(delta.take());
    const moved = events.filter(({ type }) => type === 'born' || type === 'split').length;
    const after = new Assigner({ ...basis, ...space, ...this.model.snapshot() }, kernels);
    after.assign(values, n);
    const reborn = new Set(events.flatMap(({ type, slot }) => (type === 'moved' ? [] : [slot])));
    let same = 0;
    for (let row = 0; row < n; row++) {
      if (after.labels[row] === labels[row] && !reborn.has(labels[row]!)) same += 1;
    }
    this.score.addStability(same / n, moved);
  }

  compareWith({ score }: Entrant): void {
    this.score.compareWith(score);
  }

  /** In the space of the trial. */
  calinskiHarabasz({ metric }: PointSpace): number | undefined {
    const { k, dims, mean, scale } = this.model.basis;
    const { centroids, weights, sumSquares } = this.model.snapshot();
    const scaled = new Float32Array(k * dims);
    scalePoints(centroids, k, dims, mean, scale, scaled);
    const inSpace = metric === 'cosine' ? centroids : Float64Array.from(scaled);
    return calinskiHarabasz({ k, dims, centroids: inSpace, weights, sumSquares });
  }
}

/** Faded means over blocks. */
class Score {
  /** Σ of fading block weights, of mean squared distances, silhouettes and stabilities; relocations; the last block's two. */
  readonly #sums: Float64Array;
  /** log of the squared distance over the baseline's; the baseline's silhouette less ours. Below 0 is better. */
  readonly distance: PairedDifference;
  readonly separation: PairedDifference;

  constructor(record: Float64Array = new Float64Array(7 + 6 + 6)) {
    this.#sums = record.slice(0, 7);
    this.distance = new PairedDifference(record.slice(7, 13));
    this.separation = new PairedDifference(record.slice(13, 19));
  }

  get meanSquaredDistance(): number {
    return this.#mean(1);
  }

  get silhouette(): number {
    return this.#mean(2);
  }

  get stability(): number {
    return this.#mean(3);
  }

  get relocations(): number {
    return this.#sums[4]!;
  }

  add(weights: Float32Array, distances: Float32Array, margins: Float32Array, n: number): void {
    let [weight, squares, silhouettes] = [0, 0, 0];
    for (let row = 0; row < n; row++) {
      weight += weights[row]!;
      squares += weights[row]! * distances[row]! ** 2;
      silhouettes += weights[row]! * margins[row]!;
    }
    const sums = this.#sums;
    for (let i = 0; i < 4; i++) sums[i]! *= fade;
    sums[5] = weight > 0 ? squares / weight : 0;
    sums[6] = weight > 0 ? silhouettes / weight : 0;
    sums[0]! += 1;
    sums[1]! += sums[5]!;
    sums[2]! += sums[6]!;
  }

  addStability(share: number, relocations: number): void {
    this.#sums[3]! += share;
    this.#sums[4]! += relocations;
  }

  compareWith(baseline: Score): void {
    const [ours, theirs] = [this.#sums, baseline.#sums];
    if (ours[5]! > 0 && theirs[5]! > 0) this.distance.add(Math.log(ours[5]! / theirs[5]!));
    this.separation.add(theirs[6]! - ours[6]!);
  }

  record(): Float64Array {
    return Float64Array.from([
      ...this.#sums,
      ...this.distance.record(),
      ...this.separation.record(),
    ]);
  }

  #mean(i: number): number {
    const weight = this.#sums[0]!;
    return weight > 0 ? this.#sums[i]! / weight : 0;
  }
}

function recommendation(
  contenders: readonly ContenderResult[],
  blocks: number,
): Pick<TrialResult, 'recommended' | 'reasons'> {
  const [baseline, ...challengers] = contenders;
  if (blocks < blocksMin) {
    const reasons = [`It is too early: ${blocks} of ${blocksMin} blocks of points are compared.`];
    return { recommended: null, reasons };
  }
  const better = challengers.filter(
    ({ k, confidence, calinskiHarabasz: index }) =>
      confidence >= confidenceMin &&
      (k === baseline!.k || (index ?? 0) > (baseline!.calinskiHarabasz ?? 0)),
  );
  if (better.length > 0) {
    const best = better.reduce((a, b) => (gainOf(b, baseline!) > gainOf(a, baseline!) ? b : a));
    return { recommended: best.name, reasons: [reasonFor(best, baseline!)] };
  }
  const text = `No challenger is better by its margin with a confidence of ${confidenceMin} or more.`;
  const near = challengers.filter(({ confidence }) => confidence >= confidenceMin);
  const reasons = near.map(
    ({ name }) => `${name} separates better, but Calinski-Harabasz does not agree.`,
  );
  return { recommended: baseline!.name, reasons: [text, ...reasons] };
}

/** In margins, so that a squared distance and a silhouette can stand beside each other. */
function gainOf({ k, change, silhouette }: ContenderResult, baseline: ContenderResult): number {
  return k === baseline.k
    ? -change / distanceMargin
    : (silhouette - baseline.silhouette) / silhouetteMargin;
}

function reasonFor(best: ContenderResult, baseline: ContenderResult): string {
  const sure = `confidence ${best.confidence.toFixed(3)}`;
  if (best.k === baseline.k) {
    const less = (-100 * best.change).toFixed(1);
    return `${best.name}: points are ${less} % nearer (squared distance, before they are learned) than with the parameters in use, ${sure}.`;
  }
  const by = (best.silhouette - baseline.silhouette).toFixed(3);
  return `${best.name}: the silhouette is larger by ${by} than with the parameters in use, ${sure}, and Calinski-Harabasz agrees.`;
}
