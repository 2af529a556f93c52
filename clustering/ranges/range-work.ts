// One range's answers to the steps of a fit. Keeps 12 bytes a row between steps: while seeding, the distance to the nearest
// candidate and which it is; in Lloyd's iterations the label and two bounds (pruning.ts). They save work and change no bit:
// a range whose rows have moved to another worker goes on there without them.
//
// Sums are made anew in every step, row after row. Taking changed points out of the old sums would be less work where few
// change, but the rounding would tell how often that was done.

import { Random } from '../../support/index.ts';
import { distanceBin, distanceBins } from '../distance-histogram.ts';
import { boundKernelsOf } from '../kernels/bounds.ts';
import { type BoundKernels, clusterSums, type Kernels } from '../kernels/kernels.ts';
import type { CentroidView, CentroidViews } from './centroid-views.ts';
import { MomentsAccumulator } from './moments.ts';
import type { RangeRows, RowBlock } from './range-rows.ts';
import { drawnRows, insertSorted, rankOf, saltOf } from './ranks.ts';
import type {
  CandidateWeights,
  DrawStep,
  Draws,
  Farthest,
  FarthestStep,
  LloydStep,
  LloydSums,
  Measured,
  MeasureStep,
  Moments,
  MomentsStep,
  Sample,
  SampleStep,
  Step,
  StepAnswer,
  WeighStep,
} from './steps.ts';

export interface RangeWorkOptions {
  /** Of the range in the fit: draws are seeded by it. */
  readonly range: number;
  readonly dims: number;
  readonly seed: number;
  readonly kernels: Kernels;
  /** Shared by the ranges of one worker. */
  readonly views: CentroidViews;
}

/** What is kept between steps, for each row. */
export const stateBytesPerRow = 12;

/** Rows of one kernel call: with their scratch they stay in the second-level cache. Changes no bit. */
const chunkRows = 512;

export class RangeWork {
  readonly #rows: RangeRows;
  readonly #options: RangeWorkOptions;
  readonly #bounds: BoundKernels;
  readonly #labels: Int32Array;
  /** While seeding: squared distance to the nearest candidate. Then: the upper bound. */
  readonly #near: Float32Array;
  readonly #lower: Float32Array;
  /** Candidates that #near and #labels know; −1 when they are about something else. */
  #candidates = -1;
  /** What the bounds are about. */
  #view: CentroidView | undefined;
  readonly #unproven = new Int32Array(chunkRows);
  readonly #fresh = new Int32Array(chunkRows);
  readonly #freshBounds = {
    upper: new Float32Array(chunkRows),
    lower: new Float32Array(chunkRows),
  };
  readonly #gathered: Float32Array;
  readonly #squares = new Float64Array(chunkRows);

  constructor(rows: RangeRows, options: RangeWorkOptions) {
    this.#rows = rows;
    this.#options = options;
    this.#bounds = boundKernelsOf(options.kernels);
    this.#labels = new Int32Array(rows.n);
    this.#near = new Float32Array(rows.n);
    this.#lower = new Float32Array(rows.n);
    this.#gathered = new Float32Array(chunkRows * options.dims);
  }

  get rows(): number {
    return this.#rows.n;
  }

  /** `answer` without a pause. */
  answerAtOnce(step: Step): StepAnswer {
    const answering = this.answer(step);
    let next = answering.next();
    while (!next.done) next = answering.next();
    return next.value;
  }

  /** Yields now and then, so that the caller can see to other things. */
  answer(step: Step): Generator<void, StepAnswer> {
    switch (step.kind) {
      case 'moments':
        return this.#moments(step);
      case 'draw':
        return this.#draw(step);
      case 'weigh':
        return this.#weigh(step);
      case 'sample':
        return this.#sample(step);
      case 'lloyd':
        return this.#lloyd(step);
      case 'farthest':
        return this.#farthest(step);
      case 'measure':
        return this.#measure(step);
    }
  }

  *#moments({ metric, missing }: MomentsStep): Generator<void, Moments> {
    const moments = new MomentsAccumulator(this.#options.dims, metric, missing);
    for (const { values, weights, n } of this.#rows.raw()) {
      moments.add(values, weights, n);
      yield;
    }
    return moments.result();
  }

  *#draw(step: DrawStep): Generator<void, Draws> {
    const { dims, seed, range } = this.#options;
    const salt = saltOf(seed, step.round, range);
    const best: { rank: number; point: Float32Array }[] = [];
    const lower = this.#lowering(step.candidates);
    for (const block of this.#rows.scaled(step)) {
      lower(block);
      for (let i = 0; i < block.n; i++) {
        const row = block.from + i;
        const weight = block.weights === undefined ? 1 : block.weights[i]!;
        const mass = step.round === 0 ? weight : weight * this.#near[row]!;
        const worst = best.length === step.size ? best[step.size - 1]!.rank : Infinity;
        const rank = rankOf(row, salt, mass, worst);
        if (!(rank < worst)) continue;
        const point = block.values.slice(i * dims, (i + 1) * dims);
        insertSorted(best, { rank, point }, step.size);
      }
      yield;
    }
    this.#candidates = step.candidates.length / dims;
    return { kind: 'draw', ...drawnRows(best, dims) };
  }

  *#weigh(step: WeighStep): Generator<void, CandidateWeights> {
    const count = step.candidates.length / this.#options.dims;
    const weights = new Float64Array(count);
    const squares = new Float64Array(count);
    const lower = this.#lowering(step.candidates);
    for (const block of this.#rows.scaled(step)) {
      lower(block);
      for (let i = 0; i < block.n; i++) {
        const weight = block.weights === undefined ? 1 : block.weights[i]!;
        const candidate = this.#labels[block.from + i]!;
        weights[candidate]! += weight;
        squares[candidate]! += weight * this.#near[block.from + i]!;
      }
      yield;
    }
    this.#candidates = count;
    return { kind: 'weigh', weights, squares };
  }

  /** By systematic sampling: worths add up to 3, so a row of worth v stays with chance min(1, v·size/3), and then weighs w/chance. */
  *#sample(step: SampleStep): Generator<void, Sample> {
    const { dims, seed, range } = this.#options;
    const count = step.candidates.length / dims;
    const total = step.weights.reduce((sum, weight) => sum + weight, 0);
    const points: Float32Array[] = [];
    const kept: number[] = [];
    const lower = count === 0 ? undefined : this.#lowering(step.candidates);
    let next = new Random(saltOf(seed, -1, range)).float();
    let sum = 0;
    for (const block of this.#rows.scaled(step)) {
      lower?.(block);
      for (let i = 0; i < block.n; i++) {
        const weight = block.weights === undefined ? 1 : block.weights[i]!;
        if (!(weight > 0)) continue;
        let chance = 1;
        if (count > 0) {
          const row = block.from + i;
          const around = step.weights[this.#labels[row]!]!;
          const share = step.error > 0 ? (weight * this.#near[row]!) / step.error : 0;
          const worth = weight / total + weight / (count * around) + share;
          chance = Math.min(1, (worth * step.size) / 3);
        }
        sum += chance;
        if (count > 0 && sum <= next) continue;
        next += 1;
        points.push(block.values.slice(i * dims, (i + 1) * dims));
        kept.push(weight / chance);
      }
      yield;
    }
    if (count > 0) this.#candidates = count;
    return { kind: 'sample', points: flat(points, dims), weights: Float32Array.from(kept) };
  }

  *#lloyd(step: LloydStep): Generator<void, LloydSums> {
    const { dims, kernels } = this.#options;
    const k = step.centroids.length / dims;
    const sums = clusterSums(k, dims);
    const basis = { k, dims, reference: step.centroids };
    const label = this.#labelling(step);
    for (const { from, n, values, weights } of this.#rows.scaled(step)) {
      for (let at = 0; at < n; at += chunkRows) {
        const to = Math.min(at + chunkRows, n);
        const chunk = values.subarray(at * dims, to * dims);
        const labels = label(from + at, chunk, to - at);
        const own = weights?.subarray(at, to);
        kernels.accumulate(chunk, own, labels, to - at, basis, sums);
      }
      yield;
    }
    this.#view = this.#options.views.of(step.centroids);
    return { kind: 'lloyd', sums: sums.column };
  }

  *#farthest(step: FarthestStep): Generator<void, Farthest> {
    const { dims } = this.#options;
    const best: { rank: number; point: Float32Array }[] = [];
    for (const block of this.#squaresOf(step)) {
      const { from, to, values, weights, squares } = block;
      for (let i = from; i < to; i++) {
        const share = squares[i - from]! * (weights === undefined ? 1 : weights[i]!);
        const least = best.length === step.size ? -best[step.size - 1]!.rank : 0;
        if (!(share > least)) continue;
        const point = values.slice(i * dims, (i + 1) * dims);
        if (best.some((other) => sameRow(other.point, point))) continue;
        insertSorted(best, { rank: -share, point }, step.size);
      }
      yield;
    }
    const { ranks, points } = drawnRows(best, dims);
    return { kind: 'farthest', shares: ranks.map((rank) => -rank), points };
  }

  *#measure(step: MeasureStep): Generator<void, Measured> {
    const k = step.centroids.length / this.#options.dims;
    const weights = new Float64Array(k);
    const squares = new Float64Array(k);
    const histogram = new Float64Array(k * distanceBins);
    for (const block of this.#squaresOf(step)) {
      for (let i = block.from; i < block.to; i++) {
        const label = block.labels[i - block.from]!;
        const square = block.squares[i - block.from]!;
        const weight = block.weights === undefined ? 1 : block.weights[i]!;
        weights[label]! += weight;
        squares[label]! += weight * square;
        histogram[label * distanceBins + distanceBin(Math.sqrt(Math.fround(square)))]! += weight;
      }
      yield;
    }
    return { kind: 'measure', weights, squares, histogram };
  }

  /** Chunks with the squared distance of each row to its own centroid. */
  *#squaresOf(step: FarthestStep | MeasureStep) {
    const { dims, views } = this.#options;
    const label = this.#labelling(step);
    const { panels } = views.of(step.centroids);
    for (const { from, n, values, weights } of this.#rows.scaled(step)) {
      for (let at = 0; at < n; at += chunkRows) {
        const to = Math.min(at + chunkRows, n);
        const chunk = values.subarray(at * dims, to * dims);
        const labels = label(from + at, chunk, to - at);
        this.#bounds.ownSquares(chunk, to - at, panels, labels, this.#squares);
        yield { from: at, to, values, weights, labels, squares: this.#squares };
      }
    }
    this.#view = views.of(step.centroids);
  }

  /** A function that lowers a block's #near and #labels by the candidates it does not know yet. */
  #lowering(candidates: Float32Array): (block: RowBlock) => void {
    const { dims, kernels } = this.#options;
    this.#view = undefined;
    const count = candidates.length / dims;
    if (this.#candidates < 0 || this.#candidates > count) {
      this.#near.fill(Infinity);
      this.#candidates = 0;
    }
    const first = this.#candidates;
    // Until all rows are lowered they are about nothing: whoever is interrupted begins anew.
    this.#candidates = first === count ? count : -1;
    if (first === count) return () => {};
    const fresh = candidates.slice(first * dims);
    const panels = kernels.prepare(fresh, count - first, dims);
    const squares = this.#freshBounds.upper;
    return ({ from, n, values }) => {
      for (let at = 0; at < n; at += chunkRows) {
        const rows = Math.min(chunkRows, n - at);
        const chunk = values.subarray(at * dims, (at + rows) * dims);
        kernels.nearest(chunk, rows, panels, this.#fresh, squares);
        for (let i = 0, row = from + at; i < rows; i++, row++) {
          if (squares[i]! >= this.#near[row]!) continue;
          this.#near[row] = squares[i]!;
          this.#labels[row] = first + this.#fresh[i]!;
        }
      }
    };
  }

  /** A function that labels a chunk: where the bounds prove a row's label, without measuring it. */
  #labelling({ centroids }: LloydStep | FarthestStep | MeasureStep) {
    const { views } = this.#options;
    const view = views.of(centroids);
    const before = this.#view;
    this.#view = undefined;
    this.#candidates = -1;
    const moves = before === undefined ? undefined : views.moves(before, view);
    // Until all rows are labelled the bounds are about nothing: whoever is interrupted begins anew.
    let hopeless = moves === undefined;
    return (from: number, chunk: Float32Array, n: number): Int32Array => {
      const labels = this.#labels.subarray(from, from + n);
      const bounds = {
        upper: this.#near.subarray(from, from + n),
        lower: this.#lower.subarray(from, from + n),
      };
      if (hopeless) {
        this.#bounds.nearestBounds(chunk, n, view.panels, labels, bounds);
        return labels;
      }
      const count = this.#bounds.proveLabels(
        ...([chunk, n, view.panels, labels, bounds, moves!] as const),
        ...([this.#unproven, this.#gathered] as const),
      );
      hopeless = n - count < view.provenShareMin * n;
      if (count > 0) this.#settle(count, view, labels, bounds);
      return labels;
    };
  }

  /** Measures the rows whose labels are not proven. */
  #settle(
    count: number,
    { panels }: CentroidView,
    labels: Int32Array,
    bounds: { upper: Float32Array; lower: Float32Array },
  ): void {
    const fresh = this.#freshBounds;
    this.#bounds.nearestBounds(this.#gathered, count, panels, this.#fresh, fresh);
    for (let i = 0; i < count; i++) {
      const row = this.#unproven[i]!;
      labels[row] = this.#fresh[i]!;
      bounds.upper[row] = fresh.upper[i]!;
      bounds.lower[row] = fresh.lower[i]!;
    }
  }
}

export function sameRow(a: Float32Array, b: Float32Array): boolean {
  return a.every((value, d) => value === b[d]);
}

function flat(points: readonly Float32Array[], dims: number): Float32Array {
  const values = new Float32Array(points.length * dims);
  for (const [i, point] of points.entries()) values.set(point, i * dims);
  return values;
}
