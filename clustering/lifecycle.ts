// When K is fixed, a centroid that is of little use is worth more elsewhere. At intervals counted in points:
//
// 1. Gain of a new centroid at candidate x: the error it would take away, Σ weight·max(0, d² − ‖y − x‖²) over candidates y,
//    each standing for its share of the points; x itself counts with no more than its own weight.
// 2. Cost of losing centroid j: what merging it with its cheapest neighbour b adds, w_j·w_b/(w_j + w_b)·‖c_j − c_b‖² (exact).
// 3. If gain > 2 · cost: j's points go to b, j's slot is born anew at x, and takes from their clusters the candidates it
//    captures, at their own weight. What is subtracted in one place is added in another: weights are conserved.
//
// Where centroids are is a slower question than where exactly each one is, so gain and cost are weighed with a longer memory
// (cluster-state.ts): else the far point just seen looks more frequent than it is, and the cluster of a few far points is
// given up between two of them. A cluster of many points is known to be dead sooner: `lastingWeight`.
//
// Bounded and slow to change its mind: at most 1 + k/100 relocations a look, and one just born rests for a half-life.

import { Random } from '../support/index.ts';
import type { Candidate, CandidatePool } from './candidate-pool.ts';
import {
  type ClusterState,
  longDecay,
  type OnlineBasis,
  recentre,
  squaredDistance,
  sumSquaresAboutCentroid,
} from './cluster-state.ts';
import { distanceBin, distanceBins } from './distance-histogram.ts';

/** `died`: the cluster in `slot` gave its points to `other`. `born`: `slot` holds a new one, out of `other`'s points. */
export interface LifecycleEvent {
  readonly type: 'died' | 'born' | 'moved';
  readonly slot: number;
  readonly other: number;
  /** Weight that changed hands; of a moved cluster, all it has. */
  readonly weight: number;
  /** Error the relocation takes away, by estimate, and the error it adds; of a moved cluster, distance and radius. */
  readonly gain: number;
  readonly cost: number;
}

export interface LifecycleState {
  readonly basis: OnlineBasis;
  readonly clusters: readonly ClusterState[];
  readonly pool: CandidatePool;
  /** Points folded in this generation, by weight. */
  readonly clock: number;
  readonly patch: number;
  readonly restPoints: number;
  decaySince(clock: number): number;
  /** Brings a cluster's sums up to date, and notes that they change. */
  touch(j: number): void;
}

/** A candidate as it stands now. */
interface Sighting {
  readonly candidate: Candidate;
  readonly nearest: number;
  readonly square: number;
  readonly weight: number;
  readonly longWeight: number;
  /** Long-remembered, as gain and cost are. */
  readonly standsFor: number;
}

const gainOverCostMin = 2;
/** So many points say more than the longer memory about how much of a cluster there is now. */
const tellingPoints = 5;

export function relocate(state: LifecycleState, actsMax: number): LifecycleEvent[] {
  const events: LifecycleEvent[] = [];
  for (let act = 0; act < actsMax; act++) {
    const seen = sightings(state);
    const birth = bestBirth(state, seen);
    if (birth === undefined) break;
    const death = cheapestDeath(state, seen[birth.index]!.nearest);
    if (death === undefined || !(birth.gain > gainOverCostMin * death.cost)) break;
    events.push(...swap(state, seen, birth, death));
  }
  return events;
}

/** Looks at all candidates anew, and first drops some when there are too many. */
function sightings(state: LifecycleState): Sighting[] {
  thinPool(state);
  return state.pool.candidates.map((candidate) => sight(state, candidate));
}

export function thinPool(state: LifecycleState): void {
  if (!state.pool.overfull) return;
  const worths = state.pool.candidates.map((candidate) => {
    const { standsFor, square } = sight(state, candidate);
    return standsFor * square;
  });
  state.pool.thin(worths, new Random(state.patch));
}

function sight({ basis, clusters, decaySince }: LifecycleState, candidate: Candidate): Sighting {
  let nearest = 0;
  let square = Infinity;
  for (const [j, cluster] of clusters.entries()) {
    const other = squaredDistance(candidate.point, cluster.centroid, basis.scale);
    if (other < square) {
      square = other;
      nearest = j;
    }
  }
  const decay = decaySince(candidate.at);
  const slow = longDecay(decay);
  return {
    candidate,
    nearest,
    square,
    weight: candidate.weight * decay,
    longWeight: candidate.weight * slow,
    standsFor: candidate.standsFor * slow,
  };
}

interface Birth {
  readonly index: number;
  readonly gain: number;
}

function bestBirth({ basis }: LifecycleState, sightings: readonly Sighting[]): Birth | undefined {
  let best: Birth | undefined;
  for (const [index, { candidate, square, longWeight }] of sightings.entries()) {
    let gain = longWeight * square;
    for (const [i, other] of sightings.entries()) {
      if (i === index) continue;
      const to = squaredDistance(other.candidate.point, candidate.point, basis.scale);
      if (to < other.square) gain += other.standsFor * (other.square - to);
    }
    if (gain > (best?.gain ?? 0)) best = { index, gain };
  }
  return best;
}

interface Death {
  readonly slot: number;
  readonly heir: number;
  readonly cost: number;
}

function cheapestDeath(state: LifecycleState, donor: number): Death | undefined {
  const { basis, clusters, clock } = state;
  const weights = lastingWeights(state);
  let best: Death | undefined;
  for (const [slot, cluster] of clusters.entries()) {
    if (slot === donor || cluster.restsUntil > clock) continue;
    for (const [heir, other] of clusters.entries()) {
      if (heir === slot) continue;
      const [a, b] = [weights[slot]!, weights[heir]!];
      // Of two that become one, the heavier keeps its name.
      if (a > b) continue;
      const shared = a + b > 0 ? (a * b) / (a + b) : 0;
      const cost = shared * squaredDistance(cluster.centroid, other.centroid, basis.scale);
      if (best === undefined || cost < best.cost) best = { slot, heir, cost };
    }
  }
  return best;
}

/**
 * How much of each cluster is still to be counted on, in units of the longer memory. The rate of a rare one is what the
 * longer memory says; of one with many points, what the last half-life says: the mean of a gamma posterior whose prior,
 * worth `tellingPoints`, comes from the longer memory.
 */
function lastingWeights({ clusters, decaySince }: LifecycleState): Float64Array {
  const now = Float64Array.from(clusters, (c) => c.weight * decaySince(c.foldedAt));
  const long = Float64Array.from(clusters, (c) => c.longWeight * longDecay(decaySince(c.foldedAt)));
  const ratio = sum(long) / Math.max(sum(now), Number.MIN_VALUE);
  return long.map((weight, j) =>
    weight > 0 ? (ratio * (tellingPoints + now[j]!)) / ((tellingPoints * ratio) / weight + 1) : 0,
  );
}

function sum(numbers: Float64Array): number {
  return numbers.reduce((total, value) => total + value, 0);
}

function swap(
  state: LifecycleState,
  sightings: readonly Sighting[],
  { index, gain }: Birth,
  { slot, heir, cost }: Death,
): LifecycleEvent[] {
  const { basis, clusters, patch, clock, restPoints } = state;
  const { candidate, nearest } = sightings[index]!;
  state.touch(slot);
  state.touch(heir);
  const cluster = clusters[slot]!;
  const died = { type: 'died', slot, other: heir, weight: cluster.weight, gain, cost } as const;
  bequeath(state, slot, heir);
  cluster.centroid.set(candidate.point);
  cluster.anchor.set(candidate.point);
  Object.assign(cluster, { bornPatch: patch, heir, restsUntil: clock + restPoints });
  for (const sighting of sightings) {
    if (sighting.nearest === slot) continue;
    const to = squaredDistance(sighting.candidate.point, candidate.point, basis.scale);
    if (to < sighting.square) capture(state, slot, sighting, Math.sqrt(to));
  }
  recentre(cluster, basis, slot);
  cluster.anchor.set(cluster.centroid);
  const { weight } = cluster;
  return [died, { type: 'born', slot, other: nearest, weight, gain, cost }];
}

/** All of one cluster's statistics to another, about the other's reference; the first is left empty. */
function bequeath({ basis, clusters }: LifecycleState, from: number, to: number): void {
  const { dims, reference, scale } = basis;
  const [source, target] = [clusters[from]!, clusters[to]!];
  let square = source.sumSquares;
  for (let d = 0; d < dims; d++) {
    const move = reference[from * dims + d]! - reference[to * dims + d]!;
    square += ((2 * source.sums[d]! + source.weight * move) * move) / scale[d]! ** 2;
    target.sums[d]! += source.sums[d]! + source.weight * move;
  }
  target.weight += source.weight;
  target.longWeight += source.longWeight;
  target.sumSquares += square;
  for (let bin = 0; bin < distanceBins; bin++) target.histogram[bin]! += source.histogram[bin]!;
  Object.assign(source, { weight: 0, longWeight: 0, sumSquares: 0 });
  source.sums.fill(0);
  source.histogram.fill(0);
  recentre(target, basis, to);
}

/** Moves a candidate, at no more than its own weight, out of the cluster that has it into a new one. */
function capture(state: LifecycleState, to: number, sighting: Sighting, distance: number): void {
  const { basis, clusters } = state;
  const from = sighting.nearest;
  state.touch(from);
  const donor = clusters[from]!;
  const weight = Math.min(sighting.weight, donor.weight / 2);
  if (!(weight > 0)) return;
  addPoint(donor, basis, from, sighting.candidate.point, -weight);
  addPoint(clusters[to]!, basis, to, sighting.candidate.point, weight);
  const longWeight = Math.min(sighting.longWeight, donor.longWeight / 2);
  donor.longWeight -= longWeight;
  clusters[to]!.longWeight += longWeight;
  const bin = distanceBin(Math.sqrt(sighting.square));
  donor.histogram[bin] = Math.max(0, donor.histogram[bin]! - weight);
  clusters[to]!.histogram[distanceBin(distance)]! += weight;
  recentre(donor, basis, from);
}

function addPoint(
  cluster: ClusterState,
  { dims, reference, scale }: OnlineBasis,
  j: number,
  point: Float64Array,
  weight: number,
): void {
  let square = 0;
  for (let d = 0; d < dims; d++) {
    const residual = point[d]! - reference[j * dims + d]!;
    cluster.sums[d]! += weight * residual;
    square += (residual / scale[d]!) ** 2;
  }
  cluster.weight += weight;
  cluster.sumSquares = Math.max(0, cluster.sumSquares + weight * square);
}

/** Clusters that went farther than their radius since they were last reported. */
export function reportMoves(state: LifecycleState): LifecycleEvent[] {
  const { basis, clusters } = state;
  const events: LifecycleEvent[] = [];
  for (const [slot, cluster] of clusters.entries()) {
    if (!(cluster.weight > 0)) continue;
    const square = squaredDistance(cluster.centroid, cluster.anchor, basis.scale);
    const radiusSquare = sumSquaresAboutCentroid(cluster, basis, slot) / cluster.weight;
    if (!(square > radiusSquare)) continue;
    state.touch(slot);
    cluster.anchor.set(cluster.centroid);
    const [gain, cost] = [Math.sqrt(square), Math.sqrt(radiusSquare)];
    events.push({ type: 'moved', slot, other: slot, weight: cluster.weight, gain, cost });
  }
  return events;
}
