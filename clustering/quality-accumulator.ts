// What a task saw, added up for the drift detectors: the statistics of a QualitySummary.
//
// Shares are counted by the nearest *reference* centroid, which is fixed for a generation: the online centroids move and are
// relocated while nothing in the data changes, and a bin must not. A sample of the rows is enough for that, and cheap.

import type { AssignableModel, Assigner } from './assigner.ts';
import type { CentroidPanels, Kernels } from './kernels/kernels.ts';
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
    this.#addFeatures(answers.scaled, n);
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
    let feature = 0;
    for (; feature + 4 <= dims; feature += 4) {
      addFourFeatures(scaled, n, dims, feature, this.#featureSums, this.#featureSquares);
    }
    for (; feature < dims; feature++) {
      addFeature(scaled, n, dims, feature, this.#featureSums, this.#featureSquares);
    }
  }

  #addShares(scaled: Float32Array, offsets: Float64Array, n: number): void {
    const dims = this.#dims;
    if (this.#sample.length < n * dims) this.#sample = new Float32Array(n * dims);
    if (this.#sampleLabels.length < n) this.#sampleLabels = new Int32Array(n);
    let rows = 0;
    for (let row = 0; row < n; row++) {
      if (offsets[row]! % shareSampleEvery !== 0) continue;
      copyRow(scaled, row * dims, this.#sample, rows * dims, dims);
      rows += 1;
    }
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

/** Four features in one pass over the rows, each still summed row after row: the bits of one at a time, in a quarter of the time. */
function addFourFeatures(
  scaled: Float32Array,
  n: number,
  dims: number,
  first: number,
  sums: Float64Array,
  squares: Float64Array,
): void {
  let sumA = sums[first]!;
  let sumB = sums[first + 1]!;
  let sumC = sums[first + 2]!;
  let sumD = sums[first + 3]!;
  let squareA = squares[first]!;
  let squareB = squares[first + 1]!;
  let squareC = squares[first + 2]!;
  let squareD = squares[first + 3]!;
  for (let row = 0, i = first; row < n; row++, i += dims) {
    const a = scaled[i]!;
    const b = scaled[i + 1]!;
    const c = scaled[i + 2]!;
    const d = scaled[i + 3]!;
    sumA += a;
    sumB += b;
    sumC += c;
    sumD += d;
    squareA += a * a;
    squareB += b * b;
    squareC += c * c;
    squareD += d * d;
  }
  sums[first] = sumA;
  sums[first + 1] = sumB;
  sums[first + 2] = sumC;
  sums[first + 3] = sumD;
  squares[first] = squareA;
  squares[first + 1] = squareB;
  squares[first + 2] = squareC;
  squares[first + 3] = squareD;
}

function addFeature(
  scaled: Float32Array,
  n: number,
  dims: number,
  feature: number,
  sums: Float64Array,
  squares: Float64Array,
): void {
  let sum = sums[feature]!;
  let square = squares[feature]!;
  for (let row = 0, i = feature; row < n; row++, i += dims) {
    const value = scaled[i]!;
    sum += value;
    square += value * value;
  }
  sums[feature] = sum;
  squares[feature] = square;
}

/** A loop: for so few numbers a view and a call cost more. */
function copyRow(from: Float32Array, at: number, to: Float32Array, start: number, dims: number) {
  for (let d = 0; d < dims; d++) to[start + d] = from[at + d]!;
}
