// From points to answers: nearest cluster, distance, margin and outlier score of each, against one fixed model. The one
// place that does this; the stream and `POST /v1/assign` both use it, so they cannot disagree.

import { cumulativeHistogram } from './distance-histogram.ts';
import type { AnswerColumns, CentroidPanels, Kernels, StreamKernels } from './kernels/kernels.ts';
import { streamKernelsOf } from './kernels/stream.ts';
import type { SpaceOrPlain } from './metric.ts';
import type { PartialRows } from './missing-values.ts';
import { PointEntry } from './point-entry.ts';
import { scaledMax, scalePoints } from './scaler.ts';

/** What of a model the assigner reads. */
export interface AssignableModel extends SpaceOrPlain {
  readonly k: number;
  readonly dims: number;
  /** k × dims, input units. */
  readonly centroids: Float64Array;
  readonly mean: Float64Array;
  readonly scale: Float64Array;
  readonly weights: Float64Array;
  readonly sumSquares: Float64Array;
  readonly distanceHistogram: Float64Array;
}

/** The answers are columns, valid for the rows of the last `assign` and until the next. */
export class Assigner {
  readonly k: number;
  readonly dims: number;
  labels = new Int32Array(0);
  /** As they are told: Euclidean in the model's space, or 1 − cos. */
  distances = new Float32Array(0);
  /** Euclidean in the model's space, whatever the metric: what is learned from. */
  euclidean = this.distances;
  /** (second − first) / second of the distances, 0…1. */
  margins = new Float32Array(0);
  /** Quantile of the distance among the cluster's recent points, 0…1. */
  outlierScores = new Float32Array(0);
  /** n × dims: the points as the kernel saw them. */
  scaled = new Float32Array(0);
  /** n × dims, input units: the points as they are learned, complete and in the model's space. Maybe the caller's own. */
  points: Float32Array = new Float32Array(0);
  #second = new Float32Array(0);
  readonly #model: AssignableModel;
  readonly #kernels: Kernels;
  readonly #stream: StreamKernels;
  readonly #panels: CentroidPanels;
  readonly #cumulative: Float64Array;
  readonly #entry: PointEntry;
  readonly #cosine: boolean;

  /**
   * @param before an assigner nobody asks any more: its columns are taken over. A stream has a new model many times a
   *   second, and memory outside V8's heap that comes and goes makes it collect garbage as often.
   */
  constructor(model: AssignableModel, kernels: Kernels, before?: Assigner) {
    const { k, dims, centroids, mean, scale } = model;
    this.k = k;
    this.dims = dims;
    this.#model = model;
    this.#kernels = kernels;
    this.#stream = streamKernelsOf(kernels);
    const scaled = new Float32Array(k * dims);
    scalePoints(centroids, k, dims, mean, scale, scaled);
    this.#panels = kernels.prepare(scaled, k, dims);
    this.#cumulative = cumulativeHistogram(model.distanceHistogram, k);
    this.#entry = new PointEntry(model);
    this.#cosine = model.metric === 'cosine';
    if (before?.dims === dims) this.#takeColumns(before);
  }

  /** Of the last `assign`: the rows that lacked values, and whose distances are partial ones. */
  get partial(): PartialRows {
    return this.#entry.partial;
  }

  assign(values: Float32Array, n: number): void {
    const { k, dims } = this;
    this.#reserve(n);
    const { scaled, labels, euclidean } = this;
    const second = this.#second;
    this.points = this.#entry.enter(values, n);
    this.#kernels.scalePoints(this.points, n, dims, this.#model, scaledMax, scaled);
    this.#kernels.nearestTwo(scaled, n, this.#panels, labels, euclidean, second);
    const answers = { scaled, labels, nearest: euclidean, second };
    this.#entry.answerPartial(answers, values, this.#panels.centroids);
    this.#stream.answer(n, k, this.#cosine, this.#cumulative, this.#columns);
  }

  get #columns(): AnswerColumns {
    const { labels, euclidean, distances, margins, outlierScores } = this;
    return { labels, euclidean, second: this.#second, distances, margins, outlierScores };
  }

  #takeColumns(from: Assigner): void {
    this.labels = from.labels;
    this.distances = from.distances;
    this.euclidean = this.#cosine ? new Float32Array(from.labels.length) : this.distances;
    this.margins = from.margins;
    this.outlierScores = from.outlierScores;
    this.scaled = from.scaled;
    this.#second = from.#second;
  }

  #reserve(n: number): void {
    if (n <= this.labels.length) return;
    const rows = Math.max(n, this.labels.length * 2, 256);
    this.labels = new Int32Array(rows);
    this.distances = new Float32Array(rows);
    this.euclidean = this.#cosine ? new Float32Array(rows) : this.distances;
    this.margins = new Float32Array(rows);
    this.outlierScores = new Float32Array(rows);
    this.#second = new Float32Array(rows);
    this.scaled = new Float32Array(rows * this.dims);
  }
}
