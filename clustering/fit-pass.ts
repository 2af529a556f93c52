// One thread's work on one part of the rows, three kinds of it. A new thread needs nothing but the state and the source.
//
// - begin: measures every row, adds every row up.
// - update: measures the rows whose label pruning.ts cannot prove; a row that changes cluster is taken out of the one's
//   sums and added to the other's. Sums from which far more was taken than is left are made anew: they would keep the
//   rounding errors of what is gone.
// - finish: update's labels; then everything is added up about the centroids themselves, with a histogram of distances.

import { distanceBin, distanceBins } from './distance-histogram.ts';
import type { FitState } from './fit-state.ts';
import type { CentroidPanels, ClusterSums, Kernels, ResidualBasis } from './kernels/kernels.ts';
import type { PointBlocks } from './point-blocks.ts';
import { type Drift, largestDrift, lowerBound, moveBounds, upperBound } from './pruning.ts';
import { squaredDistance } from './squared-distance.ts';

export type PassTask = 'begin' | 'update' | 'finish';

/** Rows of one kernel call: with their scratch they stay in the second-level cache. Changes no bit. */
export const chunkRowsDefault = 512;
/** From this share of unproven rows on, all rows of a chunk are measured where they are: cheaper than gathering them. */
const denseShare = 0.6;
/** Rows that change cluster between two additions to the sums: part of the order of summation, so of the bits. */
const moversMax = 512;
/** Weight that may leave a cluster's sums, in multiples of what is left, before they are made anew. */
const removedMax = 1000;

export class PartWorker {
  readonly #state: FitState;
  readonly #blocks: PointBlocks;
  readonly #kernels: Kernels;
  readonly #chunkRows: number;
  readonly #unproven: Int32Array;
  readonly #gathered: Float32Array;
  readonly #labels: Int32Array;
  readonly #nearest: Float32Array;
  readonly #second: Float32Array;
  readonly #movers: Movers;
  #panels: CentroidPanels | undefined;
  #drift: Drift = { others: 0, largest: 0, most: 0 };

  constructor(state: FitState, blocks: PointBlocks, kernels: Kernels, chunkRows: number) {
    this.#state = state;
    this.#blocks = blocks;
    this.#kernels = kernels;
    this.#chunkRows = chunkRows;
    this.#unproven = new Int32Array(chunkRows);
    this.#gathered = new Float32Array(chunkRows * state.dims);
    this.#labels = new Int32Array(chunkRows);
    this.#nearest = new Float32Array(chunkRows);
    this.#second = new Float32Array(chunkRows);
    this.#movers = new Movers(state.dims);
  }

  /** Once for each pass: its centroids. */
  prepare(): void {
    const { rounded, k, dims, drift } = this.#state;
    this.#panels = this.#kernels.prepare(rounded, k, dims);
    this.#drift = largestDrift(drift);
  }

  work(task: PassTask, part: number): void {
    const sums = this.#sumsOf(part);
    this.#state.changed[part] = 0;
    this.#state.measured[part] = 0;
    this.#columnsOf(part).dirty.fill(0);
    if (task === 'begin') this.#begin(part, sums);
    else this.#update(part, sums);
    if (task === 'finish') this.#finish(part, sums);
  }

  #begin(part: number, sums: ClusterSums): void {
    const { labels, reference, changed, measured } = this.#state;
    this.#addUp(part, sums, reference, (from, to, values) => {
      this.#measure(values, to - from);
      labels.set(this.#labels.subarray(0, to - from), from);
      for (let i = 0; i < to - from; i++) this.#setBounds(from + i, i);
      changed[part]! += to - from;
    });
    measured[part] = changed[part]!;
    this.#columnsOf(part).dirty.fill(1);
  }

  #update(part: number, sums: ClusterSums): void {
    const { labels, upper, lower, drift, half } = this.#state;
    const unproven = this.#unproven;
    this.#eachChunk(part, (from, to) => {
      const bounds = [labels, upper, lower, drift, half] as const;
      const count = moveBounds(from, to, ...bounds, this.#drift, unproven);
      if (count === 0) return;
      const values = this.#blocks.values(from, to);
      if (count >= denseShare * (to - from)) this.#measureAll(part, from, to, values, sums);
      else this.#measureUnproven(part, from, values, count, sums);
    });
    this.#flushMovers(part, sums);
    this.#refresh(part, sums);
  }

  #measureAll(part: number, from: number, to: number, values: Float32Array, sums: ClusterSums) {
    this.#measure(values, to - from);
    this.#state.measured[part]! += to - from;
    for (let i = 0; i < to - from; i++) this.#settle(part, from, from + i, i, values, sums);
  }

  #measureUnproven(
    part: number,
    from: number,
    values: Float32Array,
    count: number,
    sums: ClusterSums,
  ): void {
    const { dims } = this.#state;
    const unproven = this.#unproven;
    for (let i = 0; i < count; i++) {
      copyRow(values, unproven[i]! - from, dims, this.#gathered, i);
    }
    this.#measure(this.#gathered, count);
    this.#state.measured[part]! += count;
    for (let i = 0; i < count; i++) this.#settle(part, from, unproven[i]!, i, values, sums);
  }

  #measure(points: Float32Array, count: number): void {
    const out = [this.#labels, this.#nearest, this.#second] as const;
    this.#kernels.nearestTwo(points, count, this.#panels!, ...out);
  }

  /** Takes over what was measured for a row at place `i`. */
  #settle(
    part: number,
    from: number,
    row: number,
    i: number,
    values: Float32Array,
    sums: ClusterSums,
  ): void {
    const { labels } = this.#state;
    this.#setBounds(row, i);
    const label = this.#labels[i]!;
    const before = labels[row]!;
    if (label === before) return;
    labels[row] = label;
    const weight = this.#blocks.weights(row, row + 1)?.[0] ?? 1;
    const movers = this.#movers;
    movers.add(values, row - from, weight, before, label);
    if (movers.count === moversMax) this.#flushMovers(part, sums);
  }

  #setBounds(row: number, i: number): void {
    this.#state.upper[row] = upperBound(this.#nearest[i]!);
    this.#state.lower[row] = lowerBound(this.#second[i]!);
  }

  /** One after the other in the order of their rows: first all leave, then all enter. */
  #flushMovers(part: number, sums: ClusterSums): void {
    const { k, dims, reference } = this.#state;
    const { counts, removed, dirty } = this.#columnsOf(part);
    const { count, values, weights, leaving, before, after } = this.#movers;
    if (count === 0) return;
    for (let i = 0; i < count; i++) {
      const weight = weights[i]!;
      const one = weight > 0 ? 1 : 0;
      counts[before[i]!]! -= one;
      counts[after[i]!]! += one;
      removed[before[i]!]! += weight;
      dirty[before[i]!] = dirty[after[i]!] = 1;
    }
    const basis: ResidualBasis = { k, dims, reference };
    this.#kernels.accumulate(values, leaving, before, count, basis, sums);
    this.#kernels.accumulate(values, weights, after, count, basis, sums);
    this.#state.changed[part]! += count;
    this.#movers.count = 0;
  }

  #refresh(part: number, sums: ClusterSums): void {
    const { counts, removed, dirty } = this.#columnsOf(part);
    const { k } = this.#state;
    let worn = false;
    for (let j = 0; j < k; j++) {
      if (dirty[j] === 0) continue;
      if (counts[j] === 0) this.#clear(sums, j, removed);
      else worn ||= removed[j]! > removedMax * sums.weights[j]!;
    }
    if (!worn) return;
    this.#addUp(part, sums, this.#state.reference);
    dirty.fill(1);
  }

  #clear(sums: ClusterSums, j: number, removed: Float64Array): void {
    const { dims } = this.#state;
    sums.weights[j] = sums.squares[j] = removed[j] = 0;
    sums.residuals.fill(0, j * dims, (j + 1) * dims);
  }

  #finish(part: number, sums: ClusterSums): void {
    const { k, dims, labels, rounded, histograms, centroids } = this.#state;
    const histogram = histograms.subarray(part * k * distanceBins, (part + 1) * k * distanceBins);
    histogram.fill(0);
    this.#addUp(part, sums, centroids, (from, to, values, weights) => {
      for (let row = from; row < to; row++) {
        const label = labels[row]!;
        const i = row - from;
        const square = squaredDistance(values, i * dims, rounded, label * dims, dims);
        const bin = distanceBin(Math.sqrt(Math.fround(square)));
        histogram[label * distanceBins + bin]! += weights === undefined ? 1 : weights[i]!;
      }
    });
  }

  /** The part's sums from nothing, row after row; `visit` sees each chunk first, while it gets into the cache. */
  #addUp(
    part: number,
    sums: ClusterSums,
    reference: Float64Array,
    visit?: (from: number, to: number, values: Float32Array, weights?: Float32Array) => void,
  ): void {
    const { k, dims, labels } = this.#state;
    const { counts, removed } = this.#columnsOf(part);
    const basis: ResidualBasis = { k, dims, reference };
    sums.column.fill(0);
    counts.fill(0);
    removed.fill(0);
    this.#eachChunk(part, (from, to) => {
      const values = this.#blocks.values(from, to);
      const weights = this.#blocks.weights(from, to);
      const own = labels.subarray(from, to);
      visit?.(from, to, values, weights);
      this.#kernels.accumulate(values, weights, own, to - from, basis, sums);
      for (let i = 0; i < to - from; i++) {
        if (weights === undefined || weights[i]! > 0) counts[own[i]!]! += 1;
      }
    });
  }

  #eachChunk(part: number, work: (from: number, to: number) => void): void {
    const { from, to } = this.#rowsOf(part);
    for (let row = from; row < to; row += this.#chunkRows) {
      work(row, Math.min(row + this.#chunkRows, to));
    }
  }

  #rowsOf(part: number): { from: number; to: number } {
    const { n, partRows } = this.#state;
    return { from: part * partRows, to: Math.min(n, (part + 1) * partRows) };
  }

  #sumsOf(part: number): ClusterSums {
    const { k, dims, sums } = this.#state;
    const length = k * (dims + 2);
    const column = sums.subarray(part * length, (part + 1) * length);
    return {
      column,
      weights: column.subarray(0, k),
      residuals: column.subarray(k, k + k * dims),
      squares: column.subarray(k + k * dims),
    };
  }

  #columnsOf(part: number) {
    const { k, counts, removed, dirty } = this.#state;
    const [from, to] = [part * k, (part + 1) * k];
    return {
      counts: counts.subarray(from, to),
      removed: removed.subarray(from, to),
      dirty: dirty.subarray(from, to),
    };
  }
}

/** Rows that change cluster, kept until there are enough for a kernel call. */
class Movers {
  readonly values: Float32Array;
  readonly weights: Float32Array;
  /** The weights, negative. */
  readonly leaving: Float32Array;
  readonly before: Int32Array;
  readonly after: Int32Array;
  count = 0;
  readonly #dims: number;

  constructor(dims: number) {
    this.#dims = dims;
    this.values = new Float32Array(moversMax * dims);
    this.weights = new Float32Array(moversMax);
    this.leaving = new Float32Array(moversMax);
    this.before = new Int32Array(moversMax);
    this.after = new Int32Array(moversMax);
  }

  add(values: Float32Array, place: number, weight: number, before: number, after: number): void {
    const i = this.count++;
    copyRow(values, place, this.#dims, this.values, i);
    this.weights[i] = weight;
    this.leaving[i] = -weight;
    this.before[i] = before;
    this.after[i] = after;
  }
}

function copyRow(from: Float32Array, row: number, dims: number, to: Float32Array, place: number) {
  to.set(from.subarray(row * dims, (row + 1) * dims), place * dims);
}
