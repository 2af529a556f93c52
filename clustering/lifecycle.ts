// When K is fixed, a centroid that is of little use is worth more elsewhere. At intervals counted in points:
//
// 1. Gain of a new centroid at candidate x: the error it would take away, Σ weight·max(0, d² − ‖y − x‖²) over candidates y,
//    each standing for its share of the points; x itself counts with no more than its own weight.
// 2. Cost of losing centroid j: what merging it with its cheapest neighbour b adds, w_j·w_b/(w_j + w_b)·‖c_j − c_b‖² (exact).
// 3. If gain > 2 · cost: j's points go to b, and j's slot stands for a new cluster. Where x comes from a cluster that holds two
//    groups (twins.ts), that cluster splits: both twins stand where their group is at once, and the lighter is the new one. Else
//    it is born at x, and takes from their clusters the candidates it captures, at their own weight. What is subtracted in one
//    place is added in another: weights are conserved.
//
// One act is two events. What goes has died when its share was below 1/(50·k) for a whole half-life (it recovers only above
// twice that), or is half of what the longer memory says, or it never had points; else it is merged. What comes is split from
// another or born.
//
// Where centroids are is a slower question than where exactly each one is, so gain and cost are weighed with a longer memory
// (cluster-state.ts): else the far point just seen looks more frequent than it is, and the cluster of a few far points is
// given up between two of them. A cluster of many points is known to be dead sooner: `lastingWeights`.
//
// What a look finds out is remembered for the next one, and only saves work: candidates stay where they are, and centroids hardly
// move. A candidate that was so much farther from all centroids but its nearest as none has moved since keeps its nearest
// (G. Hamerly, "Making k-means even faster", 2010).
//
// Bounded and slow to change its mind: one act a look, and a newborn or a twin rests for a half-life. Where there are many
// clusters a look that acted is soon followed by another (online-model.ts), and never by one on the same delta: a look compares
// all pairs of centroids, and whoever folds has other things to do between two.

import { Random } from '../support/index.ts';
import type { Candidate, CandidatePool } from './candidate-pool.ts';
import {
  type ClusterState,
  longDecay,
  type OnlineBasis,
  recentre,
  squaredDistance,
  squaredDistanceBelow,
  sumSquaresAboutCentroid,
} from './cluster-state.ts';
import { binsPerOctave, distanceBin, distanceBins } from './distance-histogram.ts';
import { type Twins, twinsIn } from './twins.ts';

/**
 * `died`, `merged`: the cluster in `slot` gave its points to `other`. `born`, `split`: `slot` holds a new one, out of
 * `other`'s points.
 */
export interface LifecycleEvent {
  readonly type: 'died' | 'merged' | 'born' | 'split' | 'moved';
  readonly slot: number;
  readonly other: number;
  /** Weight that changed hands; of a moved cluster, all it has. */
  readonly weight: number;
  /** Error the relocation takes away, by estimate, and the error it adds; of a moved cluster, distance and radius. */
  readonly gain: number;
  readonly cost: number;
  /** Of a split: the variance within the twins over that of both, along their axis. */
  readonly within?: number;
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
  readonly standsForNow: number;
  readonly longWeight: number;
  /** Long-remembered, as gain and cost are. */
  readonly standsFor: number;
}

const gainOverCostMin = 2;
/** Of an even share: below it a cluster is dying, above twice as much it is not any more. */
const dyingShare = 1 / 50;
/** Of a cluster's error, the most that its twins take away: something is left within them. */
const explainedMax = 0.9;
/** So many points say more than the longer memory about how much of a cluster there is now. */
const tellingPoints = 5;

/** What is rounded on the way is less: of two numbers so far apart, the same one is larger without any rounding. */
const notBelow = 1 + 1e-9;

/** One act, if one is worth it. @returns its events, none when nothing is to be done */
export function relocate(state: LifecycleState): LifecycleEvent[] {
  const seen = sightings(state);
  const birth = bestBirth(state, seen);
  if (birth === undefined) return [];
  const costMax = birth.gain / gainOverCostMin;
  const death = cheapestDeath(state, seen[birth.index]!.nearest, costMax);
  return death === undefined ? [] : swap(state, seen, birth, death);
}

/** Notes which clusters have next to no points any more. */
export function watchShares(state: LifecycleState): void {
  const { basis, clusters, clock, decaySince } = state;
  const weights = Float64Array.from(clusters, (c) => c.weight * decaySince(c.foldedAt));
  const even = sum(weights) / basis.k;
  if (!(even > 0)) return;
  for (const [j, cluster] of clusters.entries()) {
    const isLow = cluster.lowSince >= 0;
    const share = weights[j]! / even;
    if (isLow ? share <= 2 * dyingShare : share >= dyingShare) continue;
    state.touch(j);
    cluster.lowSince = isLow ? -1 : clock;
  }
}

/** It has next to no points for long, or hardly any come while it had them: its share has halved against the longer memory. */
function isDead(state: LifecycleState, j: number): boolean {
  const { clusters, clock, restPoints, decaySince } = state;
  const { lowSince, weight, longWeight } = clusters[j]!;
  if (!(weight > 0) || (lowSince >= 0 && clock - lowSince >= restPoints)) return true;
  let [now, long] = [0, 0];
  for (const cluster of clusters) {
    const decay = decaySince(cluster.foldedAt);
    now += cluster.weight * decay;
    long += cluster.longWeight * longDecay(decay);
  }
  return 2 * weight * long < longWeight * now;
}

/** Looks at all candidates anew, and first drops some when there are too many. */
function sightings(state: LifecycleState): readonly Sighting[] {
  thinPool(state);
  return boundedByError(state, sightAll(state));
}

/**
 * A candidate drawn close to a centroid stands for many; when that centroid goes, it would seem that all of them are far. So
 * the candidates of a cluster stand for no more error than the cluster is known to have.
 */
function boundedByError(
  { basis, clusters }: LifecycleState,
  seen: readonly Sighting[],
): readonly Sighting[] {
  const estimates = new Float64Array(basis.k);
  for (const { nearest, standsFor, square } of seen) estimates[nearest]! += standsFor * square;
  const factors = estimates.map((estimate, j) => {
    const cluster = clusters[j]!;
    if (!(cluster.weight > 0)) return 1;
    const error = sumSquaresAboutCentroid(cluster, basis, j) / cluster.weight;
    return Math.min(1, (error * cluster.longWeight) / Math.max(estimate, Number.MIN_VALUE));
  });
  // Field by field, as `sight` does it: a spread copy has another shape, and what is compiled for one is thrown away by the other.
  return seen.map(({ candidate, nearest, square, weight, standsForNow, longWeight, standsFor }) => {
    const factor = factors[nearest]!;
    return {
      candidate,
      nearest,
      square,
      weight,
      standsForNow: standsForNow * factor,
      longWeight,
      standsFor: standsFor * factor,
    };
  });
}

export function thinPool(state: LifecycleState): void {
  if (!state.pool.overfull) return;
  const worths = sightAll(state).map(({ standsFor, square }) => standsFor * square);
  state.pool.thin(worths, new Random(state.patch));
}

function sightAll(state: LifecycleState): Sighting[] {
  const moved = movedSinceSeen(state);
  return state.pool.candidates.map((candidate) => sight(state, candidate, moved));
}

/** How far a centroid has gone at most since candidates were last looked at, which is now. */
function movedSinceSeen({ basis, clusters }: LifecycleState): number {
  let square = 0;
  for (const { centroid, seen } of clusters) {
    square = Math.max(square, squaredDistance(centroid, seen, basis.scale));
    seen.set(centroid);
  }
  return Math.sqrt(square);
}

function sight(state: LifecycleState, candidate: Candidate, moved: number): Sighting {
  const { basis, clusters, decaySince } = state;
  candidate.othersMin -= moved * notBelow;
  const { centroid } = clusters[candidate.nearest]!;
  let square = squaredDistance(candidate.point, centroid, basis.scale);
  if (!(Math.sqrt(square) < candidate.othersMin)) square = findNearest(state, candidate);
  const { nearest } = candidate;
  const decay = decaySince(candidate.at);
  const slow = longDecay(decay);
  return {
    candidate,
    nearest,
    square,
    weight: candidate.weight * decay,
    standsForNow: candidate.standsFor * decay,
    longWeight: candidate.weight * slow,
    standsFor: candidate.standsFor * slow,
  };
}

/** @returns the squared distance of the nearest, the first of equals */
function findNearest({ basis, clusters }: LifecycleState, candidate: Candidate): number {
  candidate.nearest = 0;
  let square = Infinity;
  let second = Infinity;
  for (let j = 0; j < clusters.length; j++) {
    const { centroid } = clusters[j]!;
    const other = squaredDistanceBelow(candidate.point, centroid, basis.scale, second);
    if (other < square) {
      second = square;
      square = other;
      candidate.nearest = j;
    } else if (other < second) {
      second = other;
    }
  }
  candidate.othersMin = Math.sqrt(second) / notBelow;
  return square;
}

interface Birth {
  readonly index: number;
  readonly gain: number;
}

/** Each pair is looked at once; what a candidate gains still adds up in the order of the others. */
function bestBirth({ basis }: LifecycleState, sightings: readonly Sighting[]): Birth | undefined {
  const gains = Float64Array.from(sightings, ({ longWeight, square }) => longWeight * square);
  for (let b = 1; b < sightings.length; b++) {
    const two = sightings[b]!;
    const { point, squares } = two.candidate;
    for (let a = squares.length; a < b; a++) {
      squares.push(squaredDistance(sightings[a]!.candidate.point, point, basis.scale));
    }
    for (let a = 0; a < b; a++) {
      const one = sightings[a]!;
      const apart = squares[a]!;
      if (apart < one.square) gains[b]! += one.standsFor * (one.square - apart);
      if (apart < two.square) gains[a]! += two.standsFor * (two.square - apart);
    }
  }
  let best: Birth | undefined;
  for (let index = 0; index < gains.length; index++) {
    const gain = gains[index]!;
    if (gain > (best?.gain ?? 0)) best = { index, gain };
  }
  return best;
}

interface Death {
  readonly slot: number;
  readonly heir: number;
  readonly cost: number;
}

/** Of those that cost less than `costMax`. */
function cheapestDeath(state: LifecycleState, donor: number, costMax: number): Death | undefined {
  const { basis, clusters, clock } = state;
  const weights = lastingWeights(state);
  let best: Death | undefined;
  let below = costMax;
  for (let slot = 0; slot < clusters.length; slot++) {
    const { centroid, restsUntil } = clusters[slot]!;
    if (slot === donor || restsUntil > clock) continue;
    for (let heir = 0; heir < clusters.length; heir++) {
      if (heir === slot) continue;
      const a = weights[slot]!;
      const b = weights[heir]!;
      // Of two that become one, the heavier keeps its name.
      if (a > b) continue;
      const shared = a + b > 0 ? (a * b) / (a + b) : 0;
      const limit = (below / shared) * notBelow;
      const other = clusters[heir]!.centroid;
      const cost = shared * squaredDistanceBelow(centroid, other, basis.scale, limit);
      if (!(cost < below)) continue;
      best = { slot, heir, cost };
      below = cost;
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
  const twins = twinsOf(state, sightings, index);
  state.touch(slot);
  state.touch(heir);
  const cluster = clusters[slot]!;
  const type = isDead(state, slot) ? 'died' : 'merged';
  const end: LifecycleEvent = { type, slot, other: heir, weight: cluster.weight, gain, cost };
  bequeath(state, slot, heir);
  const restsUntil = clock + restPoints;
  Object.assign(cluster, { bornPatch: patch, heir, restsUntil, lowSince: -1 });
  if (twins !== undefined) {
    split(state, nearest, slot, twins);
    clusters[nearest]!.restsUntil = restsUntil;
    const { within } = twins;
    return [
      end,
      { type: 'split', slot, other: nearest, weight: cluster.weight, gain, cost, within },
    ];
  }
  cluster.centroid.set(candidate.point);
  for (const sighting of sightings) {
    if (sighting.nearest === slot) continue;
    const to = squaredDistance(sighting.candidate.point, candidate.point, basis.scale);
    if (to < sighting.square) capture(state, slot, sighting, Math.sqrt(to));
  }
  recentre(cluster, basis, slot);
  cluster.anchor.set(cluster.centroid);
  const { weight } = cluster;
  return [end, { type: 'born', slot, other: nearest, weight, gain, cost }];
}

/** Of the cluster a new one would come from, unless it rests. */
function twinsOf(
  { basis, clusters, clock }: LifecycleState,
  sightings: readonly Sighting[],
  index: number,
): Twins | undefined {
  const { nearest, candidate } = sightings[index]!;
  const donor = clusters[nearest]!;
  if (donor.restsUntil > clock || !(donor.weight > 0)) return undefined;
  if (!(sumSquaresAboutCentroid(donor, basis, nearest) > 0)) return undefined;
  const points = sightings
    .filter((sighting) => sighting.nearest === nearest)
    .map(({ candidate: { point }, standsForNow }) => ({ point, weight: standsForNow }));
  return twinsIn(points, candidate.point, basis.scale);
}

/** The lighter twin of the cluster in `from` into the empty slot `to`; `from` keeps the rest. */
function split(state: LifecycleState, from: number, to: number, twins: Twins): void {
  const { basis, clusters } = state;
  const { dims, reference, scale } = basis;
  const { share, axis } = twins;
  state.touch(from);
  const [donor, twin] = [clusters[from]!, clusters[to]!];
  const error = sumSquaresAboutCentroid(donor, basis, from);
  const spread = donor.weight * share * (1 - share);
  const gap = Math.min(twins.gap, Math.sqrt((explainedMax * error) / spread));
  const left = error - spread * gap ** 2;
  const weight = donor.weight * share;
  let [square, donorSquare] = [share * left, share * left];
  for (let d = 0; d < dims; d++) {
    const place = donor.centroid[d]! + (1 - share) * gap * axis[d]! * scale[d]!;
    const residual = place - reference[to * dims + d]!;
    const donorResidual = place - reference[from * dims + d]!;
    twin.sums[d] = weight * residual;
    donor.sums[d]! -= weight * donorResidual;
    square += weight * (residual / scale[d]!) ** 2;
    donorSquare += weight * (donorResidual / scale[d]!) ** 2;
  }
  twin.sumSquares = square;
  donor.sumSquares = Math.max(0, donor.sumSquares - donorSquare);
  twin.weight = weight;
  donor.weight -= weight;
  twin.longWeight = donor.longWeight * share;
  donor.longWeight -= twin.longWeight;
  splitHistogram(donor.histogram, twin.histogram, share, Math.sqrt(left / error));
  for (const j of [from, to]) {
    recentre(clusters[j]!, basis, j);
    clusters[j]!.anchor.set(clusters[j]!.centroid);
  }
}

/** Distances are shorter now, all by as much as the error says. */
function splitHistogram(
  donor: Float64Array,
  twin: Float64Array,
  share: number,
  shrinkage: number,
): void {
  const before = donor.slice();
  const bins = Math.round(Math.log2(shrinkage) * binsPerOctave);
  donor.fill(0);
  for (const [bin, weight] of before.entries()) {
    const at = Math.max(0, bin + bins);
    donor[at]! += weight * (1 - share);
    twin[at]! += weight * share;
  }
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
