// What a fit over ranges of rows asks of each range, and what a range answers. Ranges may lie on several machines; requests and
// answers are flat objects of numbers and columns, so that they travel as they are (schemas/retrain-messages.ts).
//
//   moments    rows as they came → weight, mean and squares of each feature                    (scaler, feature means)
//   draw       k-means||: lower each row's distance to the new candidates, draw by rank         (range-fit.ts)
//   weigh      → the weight and error around each candidate
//   sample     → rows drawn by the share they can have in any inertia: a coreset of all ranges  (range-fit.ts)
//   lloyd      centroids → Σw, Σw·(x − c), Σw·‖x − c‖² of each cluster: k·(dims + 2) numbers
//   farthest   → the rows farthest from their centroids, for clusters without points
//   measure    centroids → weight, squares and distance histogram of each cluster
//
// An answer depends on the request and the range's rows alone, to the last bit: not on who gives it, or on what it did before.

import type { Metric, PointSpace } from '../metric.ts';
import type { MissingPolicy } from '../missing-values.ts';
import type { Scaler } from '../scaler.ts';

/** How rows are seen: the space and the scale in it. Said with every request, so that no order of requests matters. */
export interface RangeSpace extends PointSpace, Scaler {}

export interface MomentsStep {
  readonly kind: 'moments';
  readonly metric: Metric;
  readonly missing: MissingPolicy;
}

export interface DrawStep extends RangeSpace {
  readonly kind: 'draw';
  /** All candidates so far, m × dims, in the space. */
  readonly candidates: Float32Array;
  readonly round: number;
  readonly size: number;
}

export interface WeighStep extends RangeSpace {
  readonly kind: 'weigh';
  readonly candidates: Float32Array;
}

export interface SampleStep extends RangeSpace {
  readonly kind: 'sample';
  readonly candidates: Float32Array;
  /** m: of each candidate, from `weigh`; and all their squares together. Without candidates every row is taken. */
  readonly weights: Float64Array;
  readonly error: number;
  /** About so many rows of all ranges together. */
  readonly size: number;
}

export interface LloydStep extends RangeSpace {
  readonly kind: 'lloyd';
  /** k × dims, in the space. */
  readonly centroids: Float64Array;
}

export interface FarthestStep extends RangeSpace {
  readonly kind: 'farthest';
  readonly centroids: Float64Array;
  readonly size: number;
}

export interface MeasureStep extends RangeSpace {
  readonly kind: 'measure';
  readonly centroids: Float64Array;
}

export type Step =
  | MomentsStep
  | DrawStep
  | WeighStep
  | SampleStep
  | LloydStep
  | FarthestStep
  | MeasureStep;

export type StepKind = Step['kind'];

export interface Moments {
  readonly kind: 'moments';
  readonly rows: number;
  readonly weight: number;
  /** dims each: Σw of the values that are there, their mean, Σw·(x − mean)². */
  readonly totals: Float64Array;
  readonly mean: Float64Array;
  readonly squares: Float64Array;
}

/** Of the lowest ranks, rising. */
export interface Draws {
  readonly kind: 'draw';
  readonly ranks: Float64Array;
  /** rows × dims, in the space. */
  readonly points: Float32Array;
}

export interface CandidateWeights {
  readonly kind: 'weigh';
  readonly weights: Float64Array;
  readonly squares: Float64Array;
}

export interface Sample {
  readonly kind: 'sample';
  /** rows × dims, in the space. */
  readonly points: Float32Array;
  readonly weights: Float32Array;
}

export interface LloydSums {
  readonly kind: 'lloyd';
  /** k·(dims + 2): Σw, Σw·(x − c), Σw·‖x − c‖². */
  readonly sums: Float64Array;
}

/** By falling share of the error. */
export interface Farthest {
  readonly kind: 'farthest';
  readonly shares: Float64Array;
  readonly points: Float32Array;
}

export interface Measured {
  readonly kind: 'measure';
  readonly weights: Float64Array;
  readonly squares: Float64Array;
  /** k × bins. */
  readonly histogram: Float64Array;
}

/** What a range answers; and what the answers of all ranges come to. */
export type StepAnswer =
  | Moments
  | Draws
  | CandidateWeights
  | Sample
  | LloydSums
  | Farthest
  | Measured;

export type AnswerTo<Kind extends StepKind> = Extract<StepAnswer, { readonly kind: Kind }>;
