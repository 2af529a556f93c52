// The entrance of a model's space (metric.ts) for batches, with buffers that are reused. Where nothing is to be done a batch goes
// through as it is.
//
// Under `partial` the rows that lack something take a slower way:
//
// 1. The gaps are filled with anything finite, and all rows go through the kernels; for complete rows that is the answer.
// 2. The others are measured again, one by one, by partial distance.
// 3. The gaps take what the nearest centroid has there. In the sums of a cluster that is no pull at all, so that a centroid is moved
//    by the values that are there alone, and the sums stay those of complete points: what converges is the mean of the values
//    that are there (as in k-POD; J. Chi, E. Chi and R. Baraniuk, 2016).

import { enterSpace, type PointSpace, type SpaceOrPlain } from './metric.ts';
import { nearestTwoPartial, PartialRows } from './missing-values.ts';

interface EntryModel extends SpaceOrPlain {
  readonly k: number;
  readonly dims: number;
  /** k × dims, input units. */
  readonly centroids: Float64Array;
  readonly mean: Float64Array;
}

/** Columns of the rows that went in. */
export interface KernelAnswers {
  readonly scaled: Float32Array;
  readonly labels: Int32Array;
  readonly nearest: Float32Array;
  readonly second: Float32Array;
}

export class PointEntry {
  /** Of the last `enter`; none but under `partial`. */
  readonly partial = new PartialRows();
  readonly #model: EntryModel;
  readonly #space: PointSpace;
  #entered = new Float32Array(0);

  constructor(model: EntryModel) {
    const { metric = 'euclidean', missing = 'reject', featureMeans = new Float64Array(0) } = model;
    this.#model = model;
    this.#space = { metric, missing, featureMeans };
  }

  /** @returns the n rows as they are in the space, complete: `values` itself where nothing is to be done. */
  enter(values: Float32Array, n: number): Float32Array {
    const { dims } = this.#model;
    const { metric, missing } = this.#space;
    if (metric === 'euclidean' && missing === 'reject') return values;
    if (missing === 'partial') {
      this.partial.find(values, n, dims);
      if (this.partial.count === 0) return values;
    }
    if (this.#entered.length < n * dims) this.#entered = new Float32Array(n * dims);
    const entered = this.#entered;
    enterSpace(values, n, dims, this.#space, entered);
    if (this.partial.count > 0) this.#fillWithMeans();
    return entered;
  }

  /** The answers of the rows that lack something, and then the rows themselves, `scaled` and entered, filled accordingly. */
  answerPartial(answers: KernelAnswers, values: Float32Array, centroids: Float32Array): void {
    const { count, rows } = this.partial;
    if (count === 0) return;
    const { k, dims, centroids: unscaled } = this.#model;
    const { scaled, labels, nearest, second } = answers;
    const entered = this.#entered;
    for (let at = 0; at < count; at++) {
      for (let i = rows[at]! * dims; i < (rows[at]! + 1) * dims; i++) {
        if (Number.isNaN(values[i])) scaled[i] = Number.NaN;
      }
    }
    nearestTwoPartial(scaled, this.partial, dims, centroids, k, labels, nearest, second);
    for (let at = 0; at < count; at++) {
      const from = rows[at]! * dims;
      const base = labels[rows[at]!]! * dims;
      for (let d = 0; d < dims; d++) {
        if (!Number.isNaN(values[from + d])) continue;
        scaled[from + d] = centroids[base + d]!;
        entered[from + d] = unscaled[base + d]!;
      }
    }
  }

  #fillWithMeans(): void {
    const { dims, mean } = this.#model;
    const { count, rows } = this.partial;
    const entered = this.#entered;
    for (let at = 0; at < count; at++) {
      for (let d = 0, i = rows[at]! * dims; d < dims; d++, i++) {
        if (Number.isNaN(entered[i])) entered[i] = mean[d]!;
      }
    }
  }
}
