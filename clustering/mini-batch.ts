// The mergeable half of online k-means: what one task adds up between two commits, against one fixed model version.
//
// Per touched cluster, about the generation's reference r (fixed, so deltas made on any epoch of it add up plainly):
//
//     n = Σ w      S = Σ w·(x − r)      Q = Σ w·‖(x − r)/scale‖²      histogram of distances
//
// in float64, one row after the other in offset order (by the kernels): where one batch ends and the next begins never changes a bit.
// Residuals, not raw sums: with a large mean, Σx² − (Σx)²/n has no digits left.
//
// Besides, a few candidates for a new centroid: points drawn without replacement with probability ∝ w·distance², by
// the exponential ranks of P. Efraimidis and P. Spirakis (2006): rank = −ln(u)/(w·distance²), the lowest ranks win, u comes
// from the partition and offset alone. With τ the first rank that lost, a winner had the chance p = 1 − exp(−τ·w·distance²),
// so it stands for w/p of the weight: sums over candidates estimate sums over all points without bias.
//
// When the half-life is a time, w is the point's weight as of a landmark at most one half-life ahead of the newest time so far
// (half-life.ts): a late point weighs less. Where the landmark rises, what was added up is faded by a power of two, which is
// exact, so batches change no bit here either.

import { assert } from '../support/index.ts';
import { distanceBins } from './distance-histogram.ts';
import { EventTimeWeights, type HalfLife, tooLateHalfLives } from './half-life.ts';
import {
  type ClusterSums,
  clusterSums,
  type Kernels,
  type ResidualBasis,
  type StreamKernels,
} from './kernels/kernels.ts';
import { referenceKernels } from './kernels/reference.ts';
import { streamKernelsOf, uniform } from './kernels/stream.ts';
import type { PartialRows } from './missing-values.ts';

/** What a delta is about: a model version. The arrays must not change while it is in use. */
export interface DeltaBasis {
  readonly k: number;
  readonly dims: number;
  /** k × dims, input units. */
  readonly reference: Float64Array;
  readonly scale: Float64Array;
  /** Default: one that is no time. */
  readonly halfLife?: HalfLife | undefined;
  /** Where event time stands in the model; -1 when it has none. */
  readonly landmarkMs?: number | undefined;
}

/** The statistics of a CentroidDelta message. Fresh arrays: the receiver owns them. */
export interface DeltaStatistics {
  /** Touched clusters, rising. */
  readonly clusters: Int32Array;
  readonly weights: Float64Array;
  /** touched × dims, input units. */
  readonly sums: Float64Array;
  readonly sumSquares: Float64Array;
  /** touched × bins. */
  readonly distanceHistogram: Float64Array;
  /** c × dims, input units. */
  readonly candidates: Float32Array;
  /** Two per candidate: its own weight, and the weight it stands for. */
  readonly candidateWeights: Float64Array;
  /** Newest event time; -1 without any. */
  readonly timestampMs: number;
  /** What event time the weights are as of; -1 when the half-life is no time. */
  readonly landmarkMs: number;
  /** Later timestamps counted as this one; -1 when there was no such limit. */
  readonly timestampCapMs: number;
}

export const candidatesPerDelta = 8;

export class DeltaAccumulator {
  readonly #kernels: Kernels;
  readonly #stream: StreamKernels;
  readonly #basis: ResidualBasis;
  readonly #salt: number;
  readonly #sums: ClusterSums;
  readonly #histogram: Float64Array;
  /** k: see #addUnseen. By itself, so that where a batch ends changes no bit. */
  readonly #unseen: Float64Array;
  readonly #eventTime: EventTimeWeights | undefined;
  readonly #ranks = new Float64Array(candidatesPerDelta + 1).fill(Infinity);
  readonly #points: Float32Array;
  /** Two per candidate: its weight, and weight · squared distance. */
  readonly #masses = new Float64Array((candidatesPerDelta + 1) * 2);
  #worst = 0;
  #count = 0;
  #timestampMs = -1;
  #timestampCapMs = Infinity;

  /** Every kernel set gives the same bits. */
  constructor(basis: DeltaBasis, partition = 0, kernels: Kernels = referenceKernels) {
    const { k, dims, reference, scale, halfLife, landmarkMs = -1 } = basis;
    this.#kernels = kernels;
    this.#stream = streamKernelsOf(kernels);
    this.#basis = { k, dims, reference, inverseScale: scale.map((value) => 1 / value) };
    this.#salt = Math.imul(partition + 1, 0x9e3779b1);
    this.#sums = clusterSums(k, dims);
    this.#histogram = new Float64Array(k * distanceBins);
    this.#unseen = new Float64Array(k);
    if (halfLife?.unit === 'ms') {
      this.#eventTime = new EventTimeWeights(halfLife.value, landmarkMs);
    }
    this.#points = new Float32Array((candidatesPerDelta + 1) * dims);
  }

  /** Points added since the last `take`. */
  get count(): number {
    return this.#count;
  }

  /** Newest event time since the last `take`. */
  get timestampMs(): number {
    return this.#timestampMs;
  }

  /** Points since the last `take` that came so late that they count nothing. */
  get tooLate(): number {
    return this.#eventTime?.tooLate ?? 0;
  }

  /** Until the next `take`, later timestamps count as this one: a clock that is ahead must not age everything else. */
  capTimestamps(timestampCapMs: number): void {
    if (this.#eventTime === undefined) return;
    this.#timestampCapMs = timestampCapMs;
    this.#eventTime.capMs = timestampCapMs;
  }

  /**
   * Adds n rows. @param values n × dims, input units. @param distances to the assigned centroid, model space.
   * @param offsets of the source records, of one partition. @param timestamps needed when the half-life is a time.
   * @param partial the rows that lacked values and were filled by their centroid
   */
  add(
    values: Float32Array,
    weights: Float32Array,
    labels: Int32Array,
    distances: Float32Array,
    offsets: Float64Array,
    n: number,
    timestamps?: Float64Array,
    partial?: PartialRows,
  ): void {
    if (timestamps !== undefined) this.#noteTimes(timestamps, n);
    const eventTime = this.#eventTime;
    if (eventTime === undefined) {
      this.#addRows(values, weights, labels, distances, offsets, n);
      if (partial !== undefined) this.#addUnseen(partial, 0, n, weights, labels, distances);
      return;
    }
    assert(timestamps !== undefined, 'points with a half-life in time have timestamps');
    const { dims } = this.#basis;
    for (let from = 0, to = 0; from < n; from = to) {
      this.#fade(eventTime.raise(timestamps[from]!));
      to = eventTime.weigh(weights, timestamps, from, n);
      this.#addRows(
        values.subarray(from * dims, to * dims),
        eventTime.weights.subarray(from, to),
        labels.subarray(from, to),
        distances.subarray(from, to),
        offsets.subarray(from, to),
        to - from,
      );
      if (partial === undefined) continue;
      this.#addUnseen(partial, from, to, eventTime.weights, labels, distances);
    }
  }

  #noteTimes(timestamps: Float64Array, n: number): void {
    let newestMs = -1;
    for (let row = 0; row < n; row++) {
      const timestampMs = timestamps[row]!;
      if (timestampMs > newestMs) newestMs = timestampMs;
    }
    this.#timestampMs = Math.max(this.#timestampMs, Math.min(newestMs, this.#timestampCapMs));
  }

  /** What was added up so far, as of a landmark so many half-lives later. */
  #fade(halfLives: number): void {
    if (halfLives === 0) return;
    if (halfLives > tooLateHalfLives) {
      this.#clearSums();
      return;
    }
    const factor = 2 ** -halfLives;
    scaleInPlace(this.#sums.column, factor);
    scaleInPlace(this.#histogram, factor);
    scaleInPlace(this.#unseen, factor);
    scaleInPlace(this.#masses, factor);
    scaleInPlace(this.#ranks, 1 / factor);
  }

  #addRows(
    values: Float32Array,
    weights: Float32Array,
    labels: Int32Array,
    distances: Float32Array,
    offsets: Float64Array,
    n: number,
  ): void {
    this.#kernels.accumulate(values, weights, labels, n, this.#basis, this.#sums);
    for (let from = 0; from < n; from += 1) {
      const rank = this.#ranks[this.#worst]!;
      const columns = [weights, labels, distances, offsets] as const;
      from = this.#stream.tally(...columns, from, n, this.#salt, rank, this.#histogram);
      if (from < n) this.#offer(values, from, weights[from]!, distances[from]!, offsets[from]!);
    }
    this.#count += n;
  }

  /**
   * Of the rows from ≤ row < to that lacked values: the part of the squared partial distance that stands for what was missing,
   * so that Q is the sum of squared distances all the same.
   */
  #addUnseen(
    { rows, present, count }: PartialRows,
    from: number,
    to: number,
    weights: Float32Array,
    labels: Int32Array,
    distances: Float32Array,
  ): void {
    const { dims } = this.#basis;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      if (row < from || row >= to) continue;
      const square = distances[row]! * distances[row]!;
      this.#unseen[labels[row]!]! += weights[row]! * square * (1 - present[i]! / dims);
    }
  }

  /** The statistics since the last call, leaving none. */
  take(): DeltaStatistics {
    const { dims } = this.#basis;
    const { weights, residuals, squares } = this.#sums;
    const clusters = Int32Array.from(touchedIndices(weights));
    const statistics = {
      clusters,
      weights: gather(weights, clusters, 1),
      sums: gather(residuals, clusters, dims),
      sumSquares: gather(squares, clusters, 1).map((q, i) => q + this.#unseen[clusters[i]!]!),
      distanceHistogram: gather(this.#histogram, clusters, distanceBins),
      ...this.#takeCandidates(),
      timestampMs: this.#timestampMs,
      landmarkMs: this.#eventTime?.landmarkMs ?? -1,
      timestampCapMs: this.#timestampCapMs === Infinity ? -1 : this.#timestampCapMs,
    };
    this.#clear();
    return statistics;
  }

  /** Keeps the lowest ranks, one more than there are candidates: the highest of them is τ. */
  #offer(
    values: Float32Array,
    row: number,
    weight: number,
    distance: number,
    offset: number,
  ): void {
    const ranks = this.#ranks;
    const mass = weight * distance * distance;
    const rank = -Math.log(uniform(offset, this.#salt)) / mass;
    const slot = this.#worst;
    if (rank >= ranks[slot]!) return;
    const { dims } = this.#basis;
    ranks[slot] = rank;
    this.#masses[2 * slot] = weight;
    this.#masses[2 * slot + 1] = mass;
    for (let d = 0; d < dims; d++) this.#points[slot * dims + d] = values[row * dims + d]!;
    this.#worst = 0;
    for (let i = 1; i < ranks.length; i++) if (ranks[i]! > ranks[this.#worst]!) this.#worst = i;
  }

  #takeCandidates() {
    const { dims } = this.#basis;
    const ranks = this.#ranks;
    const threshold = ranks[this.#worst]!;
    const slots = Array.from(ranks.keys())
      .filter((slot) => ranks[slot]! < threshold)
      .sort((a, b) => ranks[a]! - ranks[b]!);
    const candidates = new Float32Array(slots.length * dims);
    const candidateWeights = new Float64Array(slots.length * 2);
    for (const [i, slot] of slots.entries()) {
      const weight = this.#masses[2 * slot]!;
      candidates.set(this.#points.subarray(slot * dims, (slot + 1) * dims), i * dims);
      candidateWeights[2 * i] = weight;
      candidateWeights[2 * i + 1] = weight / -Math.expm1(-threshold * this.#masses[2 * slot + 1]!);
    }
    return { candidates, candidateWeights };
  }

  #clear(): void {
    this.#clearSums();
    this.#count = 0;
    this.#timestampMs = -1;
    this.capTimestamps(Infinity);
    this.#eventTime?.restart();
  }

  #clearSums(): void {
    this.#sums.column.fill(0);
    this.#histogram.fill(0);
    this.#unseen.fill(0);
    this.#ranks.fill(Infinity);
    this.#worst = 0;
  }
}

function scaleInPlace(numbers: Float64Array, factor: number): void {
  for (let i = 0; i < numbers.length; i++) numbers[i]! *= factor;
}

function touchedIndices(weights: Float64Array): number[] {
  const indices: number[] = [];
  for (let j = 0; j < weights.length; j++) if (weights[j]! > 0) indices.push(j);
  return indices;
}

function gather(columns: Float64Array, rows: Int32Array, width: number): Float64Array {
  const out = new Float64Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    out.set(columns.subarray(rows[i]! * width, (rows[i]! + 1) * width), i * width);
  }
  return out;
}
