// From points to answers: nearest cluster, distance, margin and outlier score of each, against one fixed model. The one
// place that does this; the stream and `POST /v1/assign` both use it, so they cannot disagree.

import { cumulativeHistogram, shareBelow } from './distance-histogram.ts';
import type { CentroidPanels, Kernels } from './kernels/kernels.ts';
import { scaledMax, scalePoints } from './scaler.ts';

/** What of a model the assigner reads. */
export interface AssignableModel {
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
  /** Euclidean, in the model's space. */
  distances = new Float32Array(0);
  /** (second − first) / second of the distances, 0…1. */
  margins = new Float32Array(0);
  /** Quantile of the distance among the cluster's recent points, 0…1. */
  outlierScores = new Float32Array(0);
  /** n × dims: the points as the kernel saw them. */
  scaled = new Float32Array(0);
  #second = new Float32Array(0);
  readonly #model: AssignableModel;
  readonly #kernels: Kernels;
  readonly #panels: CentroidPanels;
  readonly #cumulative: Float64Array;

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
    const scaled = new Float32Array(k * dims);
    scalePoints(centroids, k, dims, mean, scale, scaled);
    this.#panels = kernels.prepare(scaled, k, dims);
    this.#cumulative = cumulativeHistogram(model.distanceHistogram, k);
    if (before?.dims === dims) this.#takeColumns(before);
  }

  assign(values: Float32Array, n: number): void {
    const { k, dims } = this;
    this.#reserve(n);
    const { scaled, labels, distances, margins, outlierScores } = this;
    const second = this.#second;
    const cumulative = this.#cumulative;
    this.#kernels.scalePoints(values, n, dims, this.#model, scaledMax, scaled);
    this.#kernels.nearestTwo(scaled, n, this.#panels, labels, distances, second);
    for (let row = 0; row < n; row++) {
      const first = Math.sqrt(distances[row]!);
      const runnerUp = Math.sqrt(second[row]!);
      distances[row] = first;
      margins[row] = k === 1 ? 1 : runnerUp > 0 ? (runnerUp - first) / runnerUp : 0;
      outlierScores[row] = shareBelow(cumulative, labels[row]!, first);
    }
  }

  #takeColumns(from: Assigner): void {
    this.labels = from.labels;
    this.distances = from.distances;
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
    this.margins = new Float32Array(rows);
    this.outlierScores = new Float32Array(rows);
    this.#second = new Float32Array(rows);
    this.scaled = new Float32Array(rows * this.dims);
  }
}
