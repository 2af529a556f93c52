// Online k-means with a half-life: the owner's state, folded delta by delta.
//
// A delta is one step of the clock: of its points by weight, of one batch, or to its event time, as the half-life is said in.
// Everything older is multiplied by D = 2^(−step/halfLife), then
//
//     w ← D·w + n      S ← D·S + S′      Q ← D·Q + Q′      c = r + S/w
//
// which is mini-batch k-means with the learning rate n/w. r is the generation's reference, fixed. The sum of squares about
// the centroid itself is Q − w·‖(c − r)/scale‖². Decay is lazy: a cluster remembers the clock of its
// last fold, so that one without new points keeps its centroid bit for bit while its weight fades.
// In event time the clock is a landmark (half-life.ts): D is a whole power of two, a delta that comes late is faded by one,
// and so order and batches change nothing but the rounding of sums.
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
  joined,
  longMemory,
  type OnlineBasis,
  type OnlineStart,
  recentre,
  sumSquaresAboutCentroid,
} from './cluster-state.ts';
import { distanceBins } from './distance-histogram.ts';
import {
  defaultHalfLife,
  type HalfLife,
  type HalfLifeUnit,
  landmarkAfter,
  memoryOf,
} from './half-life.ts';
import {
  type LifecycleEvent,
  type LifecycleState,
  relocate,
  reportMoves,
  thinPool,
  watchShares,
} from './lifecycle.ts';
import type { DeltaStatistics } from './mini-batch.ts';

export interface OnlineOptions {
  /** Default 1000·k points. Infinitely many: nothing is forgotten. */
  readonly halfLife?: HalfLife | undefined;
  /** False: centroids are never relocated. Default true. */
  readonly lifecycle?: boolean;
}

/** What a generation takes over from the one before, or from the points it was made of. */
export interface OnlineHistory {
  /** Newest event time; -1 when none is known: then the first delta says what time it is. */
  readonly timestampMs?: number;
  /** Most weight to begin with. Default: what a half-life in points remembers; for other units, all there is. */
  readonly weightMax?: number;
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

const units: readonly HalfLifeUnit[] = ['points', 'batches', 'ms'];

/** Share of a half-life between two looks at the lifecycle. */
const checkEvery = 1 / 20;
/** However few points a half-life holds, it is taken to hold so many for each cluster. */
const pointsPerLookMin = 20;

export class OnlineModel {
  readonly basis: OnlineBasis;
  readonly halfLife: HalfLife;
  readonly #lifecycle: boolean;
  readonly #clusters: ClusterState[];
  readonly #changed = new Set<number>();
  #pool: CandidatePool;
  /** In the half-life's unit; in event time a landmark, -1 before any time is known. */
  #clock = 0;
  #newestMs = -1;
  /** By weight, folded in this generation. */
  #points = 0;
  #patch = 0;
  /** The points from which on the interval to the next look counts: those of the last look, or earlier when it acted. */
  #checkedAt = 0;

  private constructor(basis: OnlineBasis, options: OnlineOptions, clusters: ClusterState[]) {
    this.basis = basis;
    this.halfLife = options.halfLife ?? defaultHalfLife(basis.k);
    assert(this.halfLife.value > 0, 'a half-life is positive');
    this.#lifecycle = options.lifecycle ?? true;
    this.#clusters = clusters;
    this.#pool = new CandidatePool(basis.dims);
  }

  /** Patch 0 of a generation. Weights beyond what can be remembered are scaled down to it. */
  static begin(
    start: OnlineStart,
    options: OnlineOptions = {},
    history: OnlineHistory = {},
  ): OnlineModel {
    const { k, dims, mean, scale, reference, metric } = start;
    const basis = { k, dims, mean, scale, reference, metric };
    const halfLife = options.halfLife ?? defaultHalfLife(k);
    const total = start.weights.reduce((sum, weight) => sum + weight, 0);
    const memory =
      halfLife.unit === 'points' ? memoryOf(halfLife) : (history.weightMax ?? Infinity);
    const factor = total > 0 ? Math.min(1, memory / total) : 1;
    const longFactor = total > 0 ? Math.min(1, (memory * longMemory) / total) : 1;
    const clusters = Array.from({ length: k }, (_, j) => clusterFrom(start, j, factor, longFactor));
    const model = new OnlineModel(basis, options, clusters);
    if (halfLife.unit === 'ms') model.#beginTime(history.timestampMs ?? -1);
    for (let j = 0; j < k; j++) model.#changed.add(j);
    return model;
  }

  /** Goes on exactly where `records` were taken. */
  static restore(
    records: OnlineRecords,
    options: Omit<OnlineOptions, 'halfLife'> = {},
  ): OnlineModel {
    const basis = basisFromRecord(records.basis);
    const [unit, value, clock, newestMs, points, patch, checkedAt] = records.header;
    const halfLife = { unit: units[unit!]!, value: value! };
    const clusters = records.clusters.map((record) => clusterFromRecord(record, basis.dims));
    const model = new OnlineModel(basis, { ...options, halfLife }, clusters);
    model.#clock = clock!;
    model.#newestMs = newestMs!;
    model.#points = points!;
    model.#patch = patch!;
    model.#checkedAt = checkedAt!;
    model.#pool = CandidatePool.fromRecord(records.header.subarray(7), basis.dims);
    return model;
  }

  /** Deltas folded in this generation. */
  get patch(): number {
    return this.#patch;
  }

  /** Points, by weight, folded in this generation. */
  get points(): number {
    return this.#points;
  }

  /** What event time the state is as of; -1 when the half-life is no time, or none is known yet. */
  get landmarkMs(): number {
    return this.halfLife.unit === 'ms' ? this.#clock : -1;
  }

  /** What a next generation takes over. */
  history(): OnlineHistory {
    const weightMax = this.snapshot().weights.reduce((sum, weight) => sum + weight, 0);
    return { timestampMs: this.#newestMs, weightMax };
  }

  /**
   * Folds one delta. @param madeAtPatch the patch of the model version it was made against: points given to a cluster that
   * has been relocated since go to its heir. @returns what happened to clusters, in order
   */
  fold(made: DeltaStatistics, madeAtPatch: number = this.#patch): LifecycleEvent[] {
    let points = 0;
    for (const weight of made.weights) points += weight;
    this.#points += points;
    this.#patch += 1;
    const delta = faded(made, this.#advance(made, points));
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
    const ahead = this.#landmarkAhead();
    for (const [j, cluster] of this.#clusters.entries()) {
      const decay = this.#decaySince(cluster.foldedAt) * ahead;
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
    const { unit, value } = this.halfLife;
    const time = [this.#clock, this.#newestMs, this.#points, this.#patch, this.#checkedAt];
    return joined([[units.indexOf(unit), value, ...time], this.#pool.toRecord()]);
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

  /** Sets the clock to what it is with this delta. @returns what the delta has faded by since it was made */
  #advance({ timestampMs, landmarkMs }: DeltaStatistics, points: number): number {
    const { unit, value } = this.halfLife;
    if (unit !== 'ms') {
      this.#clock += unit === 'points' ? points : 1;
      return 1;
    }
    if (landmarkMs < 0) return 1;
    if (this.#clock < 0) this.#beginTime(timestampMs);
    this.#clock = Math.max(this.#clock, landmarkMs);
    this.#newestMs = Math.max(this.#newestMs, timestampMs);
    return 2 ** ((landmarkMs - this.#clock) / value);
  }

  /** What there is counts as of this time. */
  #beginTime(timestampMs: number): void {
    this.#newestMs = timestampMs;
    this.#clock = -1;
    if (timestampMs < 0) return;
    this.#clock = landmarkAfter(timestampMs, this.halfLife.value) * this.halfLife.value;
    const decay = 1 / this.#landmarkAhead();
    for (const [j, cluster] of this.#clusters.entries()) {
      decayCluster(cluster, decay);
      cluster.foldedAt = this.#clock;
      this.#changed.add(j);
    }
  }

  /** Event time's weights are kept as of the landmark and shown as of the newest time: this many times as much. */
  #landmarkAhead(): number {
    if (this.halfLife.unit !== 'ms' || this.#newestMs < 0) return 1;
    return 2 ** ((this.#clock - this.#newestMs) / this.halfLife.value);
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
    const span = Math.min(this.#halfLifePoints(), defaultHalfLife(k).value);
    const interval = span * checkEvery;
    const due = this.#points - this.#checkedAt >= interval;
    const state = this.#lifecycleState(span);
    if (!due) {
      thinPool(state);
      return [];
    }
    watchShares(state);
    const acts = relocate(state);
    // One act in an interval is slow where there are many clusters: then up to 1 + k/100 looks that act share one.
    const early = acts.length > 0 ? interval * (1 - 1 / (1 + Math.floor(k / 100))) : 0;
    this.#checkedAt = this.#points - early;
    return [...acts, ...reportMoves(state)];
  }

  /** So many points come in a half-life: said, or what the weights that are left add up to tells. */
  #halfLifePoints(): number {
    const { unit, value } = this.halfLife;
    if (unit === 'points') return value;
    let weight = 0;
    for (const cluster of this.#clusters)
      weight += cluster.weight * this.#decaySince(cluster.foldedAt);
    return Math.max(weight * Math.LN2, pointsPerLookMin * this.basis.k);
  }

  #lifecycleState(restPoints: number): LifecycleState {
    return {
      basis: this.basis,
      clusters: this.#clusters,
      pool: this.#pool,
      clock: this.#points,
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
    return at === this.#clock ? 1 : 2 ** ((at - this.#clock) / this.halfLife.value);
  }

  #bringUpToDate(cluster: ClusterState): void {
    const decay = this.#decaySince(cluster.foldedAt);
    cluster.foldedAt = this.#clock;
    if (decay === 1) return;
    decayCluster(cluster, decay);
  }
}

/** A delta as it counts now. Powers of two: nothing is rounded. */
function faded(delta: DeltaStatistics, factor: number): DeltaStatistics {
  if (factor === 1) return delta;
  const scaled = (numbers: Float64Array) => numbers.map((value) => value * factor);
  return {
    ...delta,
    weights: scaled(delta.weights),
    sums: scaled(delta.sums),
    sumSquares: scaled(delta.sumSquares),
    distanceHistogram: scaled(delta.distanceHistogram),
    candidateWeights: scaled(delta.candidateWeights),
  };
}
