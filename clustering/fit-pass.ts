// One thread's work on one part of the rows, three kinds of it. A new thread needs nothing but the state and the source.
//
// - begin: measures every row, adds every row up.
// - update: measures the rows whose label the bounds cannot prove (pruning.ts); a row that changes cluster leaves the one's
//   sums and enters the other's. Sums that far more has left than is left are made anew: they would keep the rounding
//   errors of what is gone.
// - finish: update's labels; then the distances to the centroids themselves are added up, and counted by histograms.

import { distanceBin, distanceBins } from './distance-histogram.ts';
import type { FitState } from './fit-state.ts';
import { boundKernelsOf } from './kernels/bounds.ts';
import type {
  BoundKernels,
  Bounds,
  CentroidPanels,
  ClusterSums,
  Kernels,
  Moves,
} from './kernels/kernels.ts';
import type { PointBlocks } from './point-blocks.ts';
import { movesOf } from './pruning.ts';

export type PassTask = 'begin' | 'update' | 'finish';

/** Rows of one kernel call: with their scratch they stay in the second-level cache. Changes no bit. */
export const chunkRowsDefault = 512;
/** Weight that may leave a cluster's sums, in multiples of what is left, before they are made anew. */
const removedMax = 1000;

/**
 * Measured: proving a label costs about what scoring 20 centroids does, and measuring the scores of k + 28. Where fewer
 * labels of a part's first chunk are proven than this, the other rows are measured without trying.
 */
function provenShareMin(k: number): number {
  return 20 / (k + 28);
}

export class PartWorker {
  readonly #state: FitState;
  readonly #blocks: PointBlocks;
  readonly #kernels: Kernels;
  readonly #bounds: BoundKernels;
  readonly #chunkRows: number;
  readonly #everyRow: Int32Array;
  readonly #unproven: Int32Array;
  readonly #gathered: Float32Array;
  readonly #gatheredWeights: Float32Array;
  readonly #before: Int32Array;
  readonly #after: Int32Array;
  readonly #measured: Bounds;
  readonly #squares: Float64Array;
  #panels: CentroidPanels | undefined;
  #moves: Moves | undefined;

  constructor(state: FitState, blocks: PointBlocks, kernels: Kernels, chunkRows: number) {
    this.#state = state;
    this.#blocks = blocks;
    this.#kernels = kernels;
    this.#bounds = boundKernelsOf(kernels);
    this.#chunkRows = chunkRows;
    this.#everyRow = Int32Array.from({ length: chunkRows }, (_, row) => row);
    this.#unproven = new Int32Array(chunkRows);
    this.#gathered = new Float32Array(chunkRows * state.dims);
    this.#gatheredWeights = new Float32Array(chunkRows);
    this.#before = new Int32Array(chunkRows);
    this.#after = new Int32Array(chunkRows);
    this.#measured = { upper: new Float32Array(chunkRows), lower: new Float32Array(chunkRows) };
    this.#squares = new Float64Array(chunkRows);
  }

  /** Once for each pass: its centroids. */
  prepare(): void {
    const { rounded, k, dims, drift, half } = this.#state;
    this.#panels = this.#kernels.prepare(rounded, k, dims);
    this.#moves = movesOf(drift, half);
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
      labels.set(this.#after.subarray(0, to - from), from);
      for (let i = 0; i < to - from; i++) this.#setBounds(from + i, i);
      changed[part]! += to - from;
    });
    measured[part] = changed[part]!;
    this.#columnsOf(part).dirty.fill(1);
  }

  #update(part: number, sums: ClusterSums): void {
    const leastProven = provenShareMin(this.#state.k);
    let hopeless = false;
    this.#eachChunk(part, (from, to) => {
      const values = this.#blocks.values(from, to);
      if (hopeless) return this.#settle(part, from, to, values, this.#everyRow, to - from, sums);
      const count = this.#prove(from, to, values);
      hopeless = to - from - count < leastProven * (to - from);
      this.#settle(part, from, to, this.#gathered, this.#unproven, count, sums);
    });
    this.#refresh(part, sums);
  }

  /** @returns how many rows are unproven: these are gathered */
  #prove(from: number, to: number, values: Float32Array): number {
    const { labels, upper, lower } = this.#state;
    return this.#bounds.proveLabels(
      values,
      to - from,
      this.#panels!,
      labels.subarray(from, to),
      { upper: upper.subarray(from, to), lower: lower.subarray(from, to) },
      this.#moves!,
      this.#unproven,
      this.#gathered,
    );
  }

  /** Measures `count` points, at `rows` after `from`, and moves those whose label changed between the sums. */
  #settle(
    part: number,
    from: number,
    to: number,
    points: Float32Array,
    rows: Int32Array,
    count: number,
    sums: ClusterSums,
  ): void {
    if (count === 0) return;
    this.#measure(points, count);
    this.#state.measured[part]! += count;
    if (!this.#relabel(part, from, rows, count)) return;
    this.#transfer(part, points, this.#weightsOf(from, to, rows, count), count, sums);
  }

  #measure(points: Float32Array, count: number): void {
    this.#bounds.nearestBounds(points, count, this.#panels!, this.#after, this.#measured);
  }

  /** Takes over what was measured. @returns whether a label changed */
  #relabel(part: number, from: number, rows: Int32Array, count: number): boolean {
    const { labels, changed } = this.#state;
    const before = changed[part]!;
    for (let i = 0; i < count; i++) {
      const row = from + rows[i]!;
      this.#setBounds(row, i);
      this.#before[i] = labels[row]!;
      if (this.#before[i] === this.#after[i]) continue;
      labels[row] = this.#after[i]!;
      changed[part]! += 1;
    }
    return changed[part] !== before;
  }

  #setBounds(row: number, i: number): void {
    this.#state.upper[row] = this.#measured.upper[i]!;
    this.#state.lower[row] = this.#measured.lower[i]!;
  }

  #transfer(
    part: number,
    points: Float32Array,
    weights: Float32Array | undefined,
    count: number,
    sums: ClusterSums,
  ): void {
    const { k, dims, reference } = this.#state;
    const { counts, removed, dirty } = this.#columnsOf(part);
    for (let i = 0; i < count; i++) {
      const before = this.#before[i]!;
      const after = this.#after[i]!;
      if (before === after) continue;
      const weight = weights === undefined ? 1 : weights[i]!;
      const one = weight > 0 ? 1 : 0;
      counts[before]! -= one;
      counts[after]! += one;
      removed[before]! += weight;
      dirty[before] = dirty[after] = 1;
    }
    const basis = { k, dims, reference };
    this.#bounds.transfer(points, weights, this.#before, this.#after, count, basis, sums);
  }

  #weightsOf(from: number, to: number, rows: Int32Array, count: number): Float32Array | undefined {
    const weights = this.#blocks.weights(from, to);
    if (weights === undefined) return undefined;
    for (let i = 0; i < count; i++) this.#gatheredWeights[i] = weights[rows[i]!]!;
    return this.#gatheredWeights;
  }

  #refresh(part: number, sums: ClusterSums): void {
    const { counts, removed, dirty } = this.#columnsOf(part);
    const { k, dims, reference } = this.#state;
    let worn = false;
    for (let j = 0; j < k; j++) {
      if (dirty[j] === 0) continue;
      if (counts[j] === 0) {
        sums.weights[j] = sums.squares[j] = removed[j] = 0;
        sums.residuals.fill(0, j * dims, (j + 1) * dims);
      } else worn ||= removed[j]! > removedMax * sums.weights[j]!;
    }
    if (!worn) return;
    this.#addUp(part, sums, reference);
    dirty.fill(1);
  }

  /** Of the sums only weights and squares: nothing moves after this. */
  #finish(part: number, sums: ClusterSums): void {
    const { k, labels, histograms } = this.#state;
    const length = k * distanceBins;
    const histogram = histograms.subarray(part * length, (part + 1) * length).fill(0);
    sums.column.fill(0);
    this.#eachChunk(part, (from, to) => {
      const values = this.#blocks.values(from, to);
      const weights = this.#blocks.weights(from, to);
      const own = labels.subarray(from, to);
      const squares = this.#squares;
      this.#bounds.ownSquares(values, to - from, this.#panels!, own, squares);
      for (let i = 0; i < to - from; i++) {
        const label = own[i]!;
        const weight = weights === undefined ? 1 : weights[i]!;
        const bin = distanceBin(Math.sqrt(Math.fround(squares[i]!)));
        sums.weights[label]! += weight;
        sums.squares[label]! += weight * squares[i]!;
        histogram[label * distanceBins + bin]! += weight;
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
    sums.column.fill(0);
    counts.fill(0);
    removed.fill(0);
    this.#eachChunk(part, (from, to) => {
      const values = this.#blocks.values(from, to);
      const weights = this.#blocks.weights(from, to);
      visit?.(from, to, values, weights);
      const own = labels.subarray(from, to);
      this.#kernels.accumulate(values, weights, own, to - from, { k, dims, reference }, sums);
      for (let i = 0; i < to - from; i++) {
        if (weights === undefined || weights[i]! > 0) counts[own[i]!]! += 1;
      }
    });
  }

  #eachChunk(part: number, work: (from: number, to: number) => void): void {
    const { n, partRows } = this.#state;
    const end = Math.min(n, (part + 1) * partRows);
    for (let from = part * partRows; from < end; from += this.#chunkRows) {
      work(from, Math.min(from + this.#chunkRows, end));
    }
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
