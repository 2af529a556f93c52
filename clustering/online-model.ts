// Online k-means with a half-life: the owner's state, folded delta by delta.
//
// A delta of m points is one step. Everything older is multiplied by D = 2^(−m/halfLife), then
//
//     w ← D·w + n      S ← D·S + S′      Q ← D·Q + Q′      c = r + S/w
//
// which is mini-batch k-means with the learning rate n/w. r is the generation's reference, fixed. The sum of squares about
// the centroid itself is Q − w·‖(c − r)/scale‖². Decay is lazy: a cluster remembers the clock (points folded so far) of its
// last fold, so that one without new points keeps its centroid bit for bit while its weight fades.
//
// The state is a function of the start and the sequence of deltas, nothing else: same log, same bits, and `records` →
// `restore` in between changes none. Where a centroid is of no use, lifecycle.ts puts it where the error is.

import { assert } from '../support/index.ts';
import { CandidatePool } from './candidate-pool.ts';
import {
  basisFromRecord,
  basisToRecord,
  type ClusterState,
  clusterFrom,
  clusterFromRecord,
  clusterToRecord,
  decayCluster,
  longMemory,
  type OnlineBasis,
  type OnlineStart,
  recentre,
  sumSquaresAboutCentroid,
} from './cluster-state.ts';
import { distanceBins } from './distance-histogram.ts';
import {
  type LifecycleEvent,
  type LifecycleState,
  relocate,
  reportMoves,
  thinPool,
} from './lifecycle.ts';
import type { DeltaStatistics } from './mini-batch.ts';

export interface OnlineOptions {
  /** Points (by weight) after which a point counts half. Infinity: nothing is forgotten. Default 1000·k. */
  readonly halfLife?: number | undefined;
  /** False: centroids are never relocated. Default true. */
  readonly lifecycle?: boolean;
}

/** The model as it stands: arrays for a Model, fresh, decayed to now. */
export interface OnlineSnapshot {
  readonly centroids: Float64Array;
  readonly weights: Float64Array;
  readonly sumSquares: Float64Array;
  readonly distanceHistogram: Float64Array;
}

/** The state as flat numbers: `basis` never changes, `header` does with every fold, a cluster when it is touched. */
export interface OnlineRecords {
  readonly basis: Float64Array;
  readonly header: Float64Array;
  readonly clusters: readonly Float64Array[];
}

/** Share of a half-life between two looks at the lifecycle. */
const checkEvery = 1 / 20;

export class OnlineModel {
  readonly basis: OnlineBasis;
  readonly halfLife: number;
  readonly #lifecycle: boolean;
  readonly #clusters: ClusterState[];
  readonly #changed = new Set<number>();
  #pool: CandidatePool;
  #clock = 0;
  #patch = 0;
  #checkedAt = 0;

  private constructor(basis: OnlineBasis, options: OnlineOptions, clusters: ClusterState[]) {
    this.basis = basis;
    this.halfLife = options.halfLife ?? defaultHalfLife(basis.k);
    assert(this.halfLife > 0, 'a half-life is positive');
    this.#lifecycle = options.lifecycle ?? true;
    this.#clusters = clusters;
    this.#pool = new CandidatePool(basis.dims);
  }

  /** Patch 0 of a generation. Weights beyond what the half-life can remember are scaled down to it. */
  static begin(start: OnlineStart, options: OnlineOptions = {}): OnlineModel {
    const { k, dims, mean, scale, reference, metric } = start;
    const basis = { k, dims, mean, scale, reference, metric };
    const halfLife = options.halfLife ?? defaultHalfLife(k);
    const total = start.weights.reduce((sum, weight) => sum + weight, 0);
    const memory = halfLife / Math.LN2;
    const factor = total > 0 ? Math.min(1, memory / total) : 1;
    const longFactor = total > 0 ? Math.min(1, (memory * longMemory) / total) : 1;
    const clusters = Array.from({ length: k }, (_, j) => clusterFrom(start, j, factor, longFactor));
    const model = new OnlineModel(basis, options, clusters);
    for (let j = 0; j < k; j++) model.#changed.add(j);
    return model;
  }

  /** Goes on exactly where `records` were taken. */
  static restore(records: OnlineRecords, options: OnlineOptions = {}): OnlineModel {
    const basis = basisFromRecord(records.basis);
    const clusters = records.clusters.map((record) => clusterFromRecord(record, basis.dims));
    const model = new OnlineModel(basis, options, clusters);
    const [clock, patch, checkedAt] = records.header;
    model.#clock = clock!;
    model.#patch = patch!;
    model.#checkedAt = checkedAt!;
    model.#pool = CandidatePool.fromRecord(records.header.subarray(3), basis.dims);
    return model;
  }

  /** Deltas folded in this generation. */
  get patch(): number {
    return this.#patch;
  }

  /** Points, by weight, folded in this generation. */
  get clock(): number {
    return this.#clock;
  }

  /**
   * Folds one delta. @param madeAtPatch the patch of the model version it was made against: points given to a cluster that
   * has been relocated since go to its heir. @returns what happened to clusters, in order
   */
  fold(delta: DeltaStatistics, madeAtPatch: number = this.#patch): LifecycleEvent[] {
    let points = 0;
    for (const weight of delta.weights) points += weight;
    this.#clock += points;
    this.#patch += 1;
    for (let i = 0; i < delta.clusters.length; i++) this.#absorb(delta, i, madeAtPatch);
    if (!this.#lifecycle) return [];
    this.#pool.add(delta, this.#clock);
    return this.#runLifecycle();
  }

  snapshot(): OnlineSnapshot {
    const { k, dims } = this.basis;
    const snapshot = {
      centroids: new Float64Array(k * dims),
      weights: new Float64Array(k),
      sumSquares: new Float64Array(k),
      distanceHistogram: new Float64Array(k * distanceBins),
    };
    for (const [j, cluster] of this.#clusters.entries()) {
      const decay = this.#decaySince(cluster.foldedAt);
      snapshot.centroids.set(cluster.centroid, j * dims);
      snapshot.weights[j] = cluster.weight * decay;
      snapshot.sumSquares[j] = sumSquaresAboutCentroid(cluster, this.basis, j) * decay;
      for (let bin = 0; bin < distanceBins; bin++) {
        snapshot.distanceHistogram[j * distanceBins + bin] = cluster.histogram[bin]! * decay;
      }
    }
    return snapshot;
  }

  /** Clusters whose record differs from when this was last called. */
  takeChanged(): number[] {
    const changed = [...this.#changed].sort((a, b) => a - b);
    this.#changed.clear();
    return changed;
  }

  basisRecord(): Float64Array {
    return basisToRecord(this.basis);
  }

  headerRecord(): Float64Array {
    const head = [this.#clock, this.#patch, this.#checkedAt];
    return Float64Array.from(head.concat(this.#pool.toRecord()));
  }

  clusterRecord(j: number): Float64Array {
    return clusterToRecord(this.#clusters[j]!);
  }

  records(): OnlineRecords {
    return {
      basis: this.basisRecord(),
      header: this.headerRecord(),
      clusters: this.#clusters.map((_, j) => this.clusterRecord(j)),
    };
  }

  #absorb(delta: DeltaStatistics, i: number, madeAtPatch: number): void {
    if (!(delta.weights[i]! > 0)) return;
    const { dims, reference, scale } = this.basis;
    const from = delta.clusters[i]!;
    const j = this.#occupant(from, madeAtPatch);
    const cluster = this.#clusters[j]!;
    this.#bringUpToDate(cluster);
    let { weight, sumSquares } = { weight: delta.weights[i]!, sumSquares: delta.sumSquares[i]! };
    for (let d = 0; d < dims; d++) {
      const sum = delta.sums[i * dims + d]!;
      const move = j === from ? 0 : reference[from * dims + d]! - reference[j * dims + d]!;
      cluster.sums[d]! += sum + weight * move;
      if (move !== 0) sumSquares += ((2 * sum + weight * move) * move) / scale[d]! ** 2;
    }
    cluster.weight += weight;
    cluster.longWeight += weight;
    cluster.sumSquares += sumSquares;
    for (let bin = 0; bin < distanceBins; bin++) {
      cluster.histogram[bin]! += delta.distanceHistogram[i * distanceBins + bin]!;
    }
    recentre(cluster, this.basis, j);
    this.#changed.add(j);
  }

  /** Who answers now for what stood in slot j at a patch. Patches only rise along the way, so it ends. */
  #occupant(slot: number, patch: number): number {
    let j = slot;
    let at = patch;
    while (this.#clusters[j]!.bornPatch > at) {
      at = this.#clusters[j]!.bornPatch;
      j = this.#clusters[j]!.heir;
    }
    return j;
  }

  #runLifecycle(): LifecycleEvent[] {
    const { k } = this.basis;
    const span = Math.min(this.halfLife, defaultHalfLife(k));
    const due = this.#clock - this.#checkedAt >= span * checkEvery;
    const state = this.#lifecycleState(span);
    if (!due) {
      thinPool(state);
      return [];
    }
    this.#checkedAt = this.#clock;
    return [...relocate(state, 1 + Math.floor(k / 100)), ...reportMoves(state)];
  }

  #lifecycleState(restPoints: number): LifecycleState {
    return {
      basis: this.basis,
      clusters: this.#clusters,
      pool: this.#pool,
      clock: this.#clock,
      patch: this.#patch,
      restPoints,
      decaySince: (at) => this.#decaySince(at),
      touch: (j) => {
        this.#bringUpToDate(this.#clusters[j]!);
        this.#changed.add(j);
      },
    };
  }

  #decaySince(at: number): number {
    return at === this.#clock ? 1 : 2 ** ((at - this.#clock) / this.halfLife);
  }

  #bringUpToDate(cluster: ClusterState): void {
    const decay = this.#decaySince(cluster.foldedAt);
    cluster.foldedAt = this.#clock;
    if (decay === 1) return;
    decayCluster(cluster, decay);
  }
}

export function defaultHalfLife(k: number): number {
  return 1000 * k;
}
