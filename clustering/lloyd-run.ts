// One run of Lloyd's iteration: what happens between two passes of the threads. Combines the parts' sums, moves the
// centroids, and tells how far each went.

import { distanceBins } from './distance-histogram.ts';
import type { FitState } from './fit-state.ts';
import { squaredDistance } from './kernels/bounds.ts';
import type { Kernels } from './kernels/kernels.ts';
import type { Metric } from './metric.ts';
import { Momentum } from './momentum.ts';
import { halfDistances, measureDrift } from './pruning.ts';
import { normaliseCentroids } from './spherical.ts';
import type { ThreadTeam } from './thread-team.ts';

export interface RunOptions {
  readonly values: Float32Array;
  readonly weights?: Float32Array | undefined;
  readonly kernels: Kernels;
  readonly metric?: Metric;
  readonly tolerance?: number;
  readonly absoluteTolerance?: number;
  readonly pruning?: boolean;
  readonly momentum?: boolean;
}

/** Half distances between centroids cost k² and help n points: below so many points per k² they are left out. */
const pointsPerPair = 4;

export class LloydRun {
  readonly #state: FitState;
  readonly #team: ThreadTeam;
  readonly #options: RunOptions;
  readonly #totals: Float64Array;
  readonly #before: Float32Array;
  readonly #squares: Float64Array;
  readonly #helpful: boolean;
  readonly #momentum: Momentum | undefined;
  #begun = false;
  #last = { changed: 0, inertia: Infinity };
  #hasConverged = false;
  #shiftMax: number | undefined;

  /** Overwrites the state: one run at a time. */
  constructor(state: FitState, team: ThreadTeam, options: RunOptions, begin: Float64Array) {
    const { k, dims, n } = state;
    this.#state = state;
    this.#team = team;
    this.#options = options;
    this.#totals = new Float64Array(k * (dims + 2));
    this.#before = new Float32Array(k * dims);
    this.#helpful = k > 1 && n >= pointsPerPair * k * k;
    this.#squares = new Float64Array(this.#helpful ? k * k : 0);
    this.#momentum = options.momentum === false ? undefined : new Momentum();
    state.centroids.set(begin.subarray(0, k * dims));
    state.reference.set(state.centroids);
    state.rounded.set(state.centroids);
    state.drift.fill(0);
    state.half.fill(0);
  }

  /** Labels every row by the centroids as they are. */
  assign(): { changed: number; measured: number; inertia: number } {
    this.#team.run(this.#begun ? 'update' : 'begin');
    this.#begun = true;
    this.#combine();
    this.#last = { changed: sum(this.#state.changed), inertia: this.#inertia() };
    return { ...this.#last, measured: sum(this.#state.measured) };
  }

  /**
   * To the means of the labels and, but for the last time, on as far as momentum carries.
   * @returns the sum over centroids of their squared shift, without momentum
   */
  move(isLast: boolean): number {
    const { k, dims, centroids } = this.#state;
    const from = centroids.slice();
    const hasEmpty = this.#moveToMeans(from);
    let shift = 0;
    for (let i = 0; i < k * dims; i++) shift += (centroids[i]! - from[i]!) ** 2;
    this.#shiftMax ??= this.#shiftLimit();
    const isStill = shift <= this.#shiftMax || (this.#last.changed === 0 && !hasEmpty);
    this.#hasConverged = isStill && this.#momentum?.isAhead !== true;
    const mayCarry = !isLast && !isStill && !hasEmpty;
    this.#momentum?.carry(centroids, { inertia: this.#last.inertia, shift }, mayCarry);
    if (this.#momentum?.isAhead === true) this.#toSphere(from);
    this.#round();
    return shift;
  }

  /** @param from where they are. @returns whether a cluster had no points in the last assignment */
  #moveToMeans(from: Float64Array): boolean {
    const { k, dims, centroids, reference } = this.#state;
    const totals = this.#totals;
    const chosen: number[] = [];
    for (let j = 0; j < k; j++) {
      const weight = totals[j]!;
      const farthest = weight > 0 ? -1 : this.#farthest(chosen);
      for (let i = j * dims; i < (j + 1) * dims; i++) {
        const to =
          farthest < 0
            ? reference[i]! + totals[k + i]! / weight
            : this.#options.values[(farthest - j) * dims + i]!;
        centroids[i] = to;
      }
    }
    this.#toSphere(from);
    return chosen.length > 0;
  }

  #toSphere(from: Float64Array): void {
    const { k, dims, centroids } = this.#state;
    if (this.#options.metric === 'cosine') normaliseCentroids(centroids, k, dims, from);
  }

  /** Whether the last step was Lloyd's own and within tolerance, or no label had changed before it. */
  get hasConverged(): boolean {
    return this.#hasConverged;
  }

  /** Labels and statistics of the centroids as they are. */
  finish() {
    const { k, dims, labels, centroids, histograms, parts } = this.#state;
    if (!this.#begun) this.assign();
    this.#team.run('finish');
    this.#state.dirty.fill(1);
    this.#combine();
    const distanceHistogram = new Float64Array(k * distanceBins);
    const length = distanceHistogram.length;
    for (let part = 0; part < parts; part++) {
      for (let i = 0; i < length; i++) distanceHistogram[i]! += histograms[part * length + i]!;
    }
    const sumSquares = this.#totals.slice(k + k * dims);
    return {
      centroids: centroids.slice(),
      labels: labels.slice(),
      inertia: sum(sumSquares),
      weights: this.#totals.slice(0, k),
      sumSquares,
      distanceHistogram,
    };
  }

  /** Adds up the parts' sums, in the order of parts, of the clusters that some part has changed. */
  #combine(): void {
    const { k, dims, parts, sums, dirty } = this.#state;
    const totals = this.#totals;
    const length = totals.length;
    for (let j = 0; j < k; j++) {
      let changed = false;
      for (let part = 0; part < parts; part++) changed ||= dirty[part * k + j] === 1;
      if (!changed) continue;
      const from = k + j * dims;
      const square = k + k * dims + j;
      totals[j] = totals[square] = 0;
      totals.fill(0, from, from + dims);
      for (let part = 0; part < parts; part++) {
        const base = part * length;
        totals[j]! += sums[base + j]!;
        totals[square]! += sums[base + square]!;
        for (let i = from; i < from + dims; i++) totals[i]! += sums[base + i]!;
      }
    }
  }

  /** Σw·‖x − c‖² from the sums about r: Q − 2(c − r)·S + w‖c − r‖². */
  #inertia(): number {
    const { k, dims, centroids, reference } = this.#state;
    const totals = this.#totals;
    let inertia = 0;
    for (let j = 0; j < k; j++) {
      let square = totals[k + k * dims + j]!;
      for (let i = j * dims; i < (j + 1) * dims; i++) {
        const moved = centroids[i]! - reference[i]!;
        square += moved * (totals[j]! * moved - 2 * totals[k + i]!);
      }
      inertia += Math.max(0, square);
    }
    return inertia;
  }

  #shiftLimit(): number {
    const { tolerance = 1e-4, absoluteTolerance = 0 } = this.#options;
    return Math.max(absoluteTolerance, tolerance * this.#meanVariance());
  }

  /** Of a feature, over all points, from the sums of the first pass. */
  #meanVariance(): number {
    const { k, dims, reference } = this.#state;
    const totals = this.#totals;
    const mean = new Float64Array(dims);
    const weight = sum(totals.subarray(0, k));
    for (let i = 0; i < k * dims; i++) {
      mean[i % dims]! += (totals[k + i]! + totals[Math.floor(i / dims)]! * reference[i]!) / weight;
    }
    let squares = 0;
    for (let j = 0; j < k; j++) {
      squares += totals[k + k * dims + j]!;
      for (let d = 0; d < dims; d++) {
        const apart = mean[d]! - reference[j * dims + d]!;
        squares += apart * (totals[j]! * apart - 2 * totals[k + j * dims + d]!);
      }
    }
    return Math.max(0, squares / weight / dims);
  }

  /** What the next pass measures to, and what the bounds need to know about it. */
  #round(): void {
    const { k, dims, rounded, centroids, drift, half } = this.#state;
    const { kernels, pruning = true } = this.#options;
    this.#before.set(rounded);
    rounded.set(centroids);
    if (!pruning) {
      drift.fill(Infinity);
      half.fill(0);
      return;
    }
    measureDrift(this.#before, rounded, dims, drift);
    if (!this.#helpful) return;
    kernels.pairwise(rounded, k, rounded, k, dims, this.#squares);
    halfDistances(this.#squares, k, half);
  }

  /** The row with the largest weighted squared distance to its centroid that equals none already chosen; adds it. */
  #farthest(chosen: number[]): number {
    const { values, weights } = this.#options;
    const { n, dims, labels, rounded, upper } = this.#state;
    let farthest = 0;
    let most = -1;
    for (let row = 0; row < n; row++) {
      const weight = weights === undefined ? 1 : weights[row]!;
      if (upper[row]! * upper[row]! * weight <= most) continue;
      const base = labels[row]! * dims;
      const share = squaredDistance(values, row * dims, rounded, base, dims) * weight;
      if (share <= most || chosen.some((other) => sameRow(values, row, other, dims))) continue;
      most = share;
      farthest = row;
    }
    chosen.push(farthest);
    return farthest;
  }
}

function sameRow(values: Float32Array, a: number, b: number, dims: number): boolean {
  for (let d = 0; d < dims; d++) {
    if (values[a * dims + d] !== values[b * dims + d]) return false;
  }
  return true;
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
