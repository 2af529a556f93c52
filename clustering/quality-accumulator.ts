// What a task saw, added up for the drift detectors: the statistics of a QualitySummary.
//
// Shares are counted by the nearest *reference* centroid, which is fixed for a generation: the online centroids move and are
// relocated while nothing in the data changes, and a bin must not. A sample of the rows is enough for that, and cheap.

import type { AssignableModel, Assigner } from './assigner.ts';
import type { CentroidPanels, Kernels, StreamKernels } from './kernels/kernels.ts';
import { streamKernelsOf } from './kernels/stream.ts';
import { smoothedRadii } from './quality.ts';
import { scalePoints } from './scaler.ts';

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
  readonly #kernels: Kernels;
  readonly #stream: StreamKernels;
  readonly #bins: CentroidPanels;
  /** Scaled rows, and their nearest reference centroids. */
  #sample = new Float32Array(0);
  #sampleLabels = new Int32Array(0);
  readonly #counts: Float64Array;
  readonly #featureSums: Float64Array;
  readonly #featureSquares: Float64Array;
  #count = 0;
  #weight = 0;
  #distanceSum = 0;
  #distanceSquareSum = 0;
  #inertia = 0;
  #outliers = 0;

  /** @param before one nobody uses any more: its columns are taken over, as in assigner.ts. */
  constructor(model: QualityModel, kernels: Kernels, before?: QualityAccumulator) {
    const { k, dims, reference, mean, scale } = model;
    const scaled = new Float32Array(k * dims);
    scalePoints(reference, k, dims, mean, scale, scaled);
    this.#dims = dims;
    this.#radii = smoothedRadii(model);
    this.#kernels = kernels;
    this.#stream = streamKernelsOf(kernels);
    this.#bins = kernels.prepare(scaled, k, dims);
    if (before !== undefined) {
      this.#sample = before.#sample;
      this.#sampleLabels = before.#sampleLabels;
    }
    this.#counts = new Float64Array(k);
    this.#featureSums = new Float64Array(dims);
    this.#featureSquares = new Float64Array(dims);
  }

  /** Adds the n rows that `answers` was last asked about, by the same model. */
  add(answers: Assigner, weights: Float32Array, offsets: Float64Array, n: number): void {
    this.#addDistances(answers, weights, n);
    this.#stream.addFeatures(
      ...([answers.scaled, n, this.#dims, this.#featureSums, this.#featureSquares] as const),
    );
    this.#addShares(answers.scaled, offsets, n);
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
    // Added up beside the fields: each is a number on the heap.
    let distanceSum = this.#distanceSum;
    let distanceSquareSum = this.#distanceSquareSum;
    let weight = this.#weight;
    let inertia = this.#inertia;
    let outliers = 0;
    for (let row = 0; row < n; row++) {
      const distance = euclidean[row]!;
      const inRadii = distance / this.#radii[labels[row]!]!;
      const standardised = inRadii > standardisedMax ? standardisedMax : inRadii;
      distanceSum += standardised;
      distanceSquareSum += standardised * standardised;
      weight += weights[row]!;
      inertia += weights[row]! * distance * distance;
      if (outlierScores[row]! >= outlierScoreMin) outliers += 1;
    }
    this.#distanceSum = distanceSum;
    this.#distanceSquareSum = distanceSquareSum;
    this.#weight = weight;
    this.#inertia = inertia;
    this.#outliers += outliers;
  }

  #addShares(scaled: Float32Array, offsets: Float64Array, n: number): void {
    const dims = this.#dims;
    if (this.#sample.length < n * dims) this.#sample = new Float32Array(n * dims);
    if (this.#sampleLabels.length < n) this.#sampleLabels = new Int32Array(n);
    const rows = this.#stream.gatherEvery(scaled, offsets, n, dims, shareSampleEvery, this.#sample);
    this.#kernels.nearest(this.#sample, rows, this.#bins, this.#sampleLabels);
    for (let row = 0; row < rows; row++) this.#counts[this.#sampleLabels[row]!]! += 1;
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
