// What a task saw, added up for the drift detectors: the statistics of a QualitySummary.
//
// Shares are counted by the nearest *reference* centroid, which is fixed for a generation: the online centroids move and are
// relocated while nothing in the data changes, and a bin must not. A sample of the rows is enough for that, and cheap.

import { type AssignableModel, Assigner } from './assigner.ts';
import type { Kernels } from './kernels/kernels.ts';
import { smoothedRadii } from './quality.ts';

export interface QualityStatistics {
  readonly count: number;
  readonly weight: number;
  /** k: sampled points by nearest reference centroid. */
  readonly clusterCounts: Float64Array;
  readonly standardisedDistanceSum: number;
  readonly standardisedDistanceSquareSum: number;
  readonly inertia: number;
  readonly featureSums: Float64Array;
  readonly featureSquareSums: Float64Array;
  readonly outliers: number;
}

export interface QualityModel extends AssignableModel {
  readonly reference: Float64Array;
}

/** Every so many offsets one row is counted by reference centroid. */
const shareSampleEvery = 4;
/** A distance beyond this many radii counts as this many: one wild point is not a drift. */
const standardisedMax = 10;
const outlierScoreMin = 0.99;

export class QualityAccumulator {
  readonly #dims: number;
  readonly #radii: Float64Array;
  readonly #bins: Assigner;
  #sample = new Float32Array(0);
  readonly #counts: Float64Array;
  readonly #featureSums: Float64Array;
  readonly #featureSquares: Float64Array;
  #count = 0;
  #weight = 0;
  #distanceSum = 0;
  #distanceSquareSum = 0;
  #inertia = 0;
  #outliers = 0;

  constructor(model: QualityModel, kernels: Kernels) {
    this.#dims = model.dims;
    this.#radii = smoothedRadii(model);
    this.#bins = new Assigner({ ...model, centroids: model.reference }, kernels);
    this.#counts = new Float64Array(model.k);
    this.#featureSums = new Float64Array(model.dims);
    this.#featureSquares = new Float64Array(model.dims);
  }

  /** Adds the n rows that `answers` was last asked about. @param values n × dims, input units. */
  add(
    answers: Assigner,
    values: Float32Array,
    weights: Float32Array,
    offsets: Float64Array,
    n: number,
  ): void {
    this.#addDistances(answers, weights, n);
    this.#addFeatures(answers.scaled, n);
    this.#addShares(values, offsets, n);
    this.#count += n;
  }

  /** The statistics since the last call, leaving none. */
  take(): QualityStatistics {
    const statistics = {
      count: this.#count,
      weight: this.#weight,
      clusterCounts: this.#counts.slice(),
      standardisedDistanceSum: this.#distanceSum,
      standardisedDistanceSquareSum: this.#distanceSquareSum,
      inertia: this.#inertia,
      featureSums: this.#featureSums.slice(),
      featureSquareSums: this.#featureSquares.slice(),
      outliers: this.#outliers,
    };
    this.#clear();
    return statistics;
  }

  #addDistances({ labels, euclidean, outlierScores }: Assigner, weights: Float32Array, n: number) {
    for (let row = 0; row < n; row++) {
      const distance = euclidean[row]!;
      const standardised = Math.min(standardisedMax, distance / this.#radii[labels[row]!]!);
      this.#distanceSum += standardised;
      this.#distanceSquareSum += standardised * standardised;
      this.#weight += weights[row]!;
      this.#inertia += weights[row]! * distance * distance;
      if (outlierScores[row]! >= outlierScoreMin) this.#outliers += 1;
    }
  }

  #addFeatures(scaled: Float32Array, n: number): void {
    const dims = this.#dims;
    const sums = this.#featureSums;
    const squares = this.#featureSquares;
    for (let row = 0, i = 0; row < n; row++) {
      for (let d = 0; d < dims; d++, i++) {
        const value = scaled[i]!;
        sums[d]! += value;
        squares[d]! += value * value;
      }
    }
  }

  #addShares(values: Float32Array, offsets: Float64Array, n: number): void {
    const dims = this.#dims;
    if (this.#sample.length < n * dims) this.#sample = new Float32Array(n * dims);
    let rows = 0;
    for (let row = 0; row < n; row++) {
      if (offsets[row]! % shareSampleEvery !== 0) continue;
      this.#sample.set(values.subarray(row * dims, (row + 1) * dims), rows * dims);
      rows += 1;
    }
    this.#bins.assign(this.#sample, rows);
    for (let row = 0; row < rows; row++) this.#counts[this.#bins.labels[row]!]! += 1;
  }

  #clear(): void {
    this.#counts.fill(0);
    this.#featureSums.fill(0);
    this.#featureSquares.fill(0);
    this.#count = 0;
    this.#weight = 0;
    this.#distanceSum = 0;
    this.#distanceSquareSum = 0;
    this.#inertia = 0;
    this.#outliers = 0;
  }
}
