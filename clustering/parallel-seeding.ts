// Seeding of points that lie in several places: k-means|| (B. Bahmani and others, 2012), drawn by ranks.
//
// 1. The first candidate is a point drawn by weight. Then a few rounds: each takes `perRound` points with probability ∝
//    weight · squared distance to the nearest candidate so far.
// 2. A candidate weighs what the points nearest to it weigh. Greedy k-means++ and Lloyd on the candidates give the k seeds.
//
// A draw is by exponential ranks, −ln(u)/mass, the lowest win: no total is needed, the lowest of several parts are the
// lowest of all, and u depends on seed, round, partition and offset alone. So the same points give the same seeds in however
// many parts they come. A round that finds any new point adds one, and rounds go on until there are k: never fewer seeds
// than k where k distinct points exist. O(n · dims · candidates).

import { assert, Random } from '../support/index.ts';
import { fitFullBatch } from './full-batch.ts';
import type { Kernels } from './kernels/kernels.ts';

export interface SeedingPoints {
  /** n × dims, scaled. */
  readonly values: Float32Array;
  readonly n: number;
  readonly weights?: Float32Array | undefined;
  readonly partition: number;
  /** Of the first row; the others follow. Two parts of one partition do not overlap. */
  readonly firstOffset: number;
}

export interface ParallelSeedingOptions {
  readonly parts: readonly SeedingPoints[];
  readonly dims: number;
  readonly k: number;
  readonly seed: number;
  readonly kernels: Kernels;
  readonly rounds?: number;
  readonly perRound?: number;
}

/** k × dims, all different. @throws MEANSTREAM_TOO_FEW_DISTINCT_POINTS */
export function seedInParallel(options: ParallelSeedingOptions): Float64Array {
  const { parts, dims, k, seed, kernels, rounds = 5, perRound = 2 * k } = options;
  assert(rounds >= 1 && perRound >= 1, 'rounds and perRound are at least 1');
  const holders = parts.map((part) => new SeedingPart(part, { dims, seed, kernels }));
  const candidates = new Candidates(dims);
  for (let round = 0; round <= rounds || candidates.count < k; round++) {
    const size = round === 0 ? 1 : perRound;
    const fresh = candidates.add(
      lowest(
        holders.flatMap((part) => part.draw(round, size)),
        size,
      ),
    );
    if (fresh.length === 0) break;
    for (const part of holders) part.lower(fresh);
  }
  if (candidates.count < k) completeCandidates(candidates, holders, options);
  const weights = new Float64Array(candidates.count);
  for (const part of holders) part.weigh(weights);
  return fitFullBatch({
    values: candidates.values(),
    n: candidates.count,
    dims,
    k,
    weights: positive(weights),
    seed,
    kernels,
    nInit: 3,
  }).centroids;
}

/** Where rounding calls different points equal, no draw finds them: take further rows as they come. */
function completeCandidates(
  candidates: Candidates,
  holders: readonly SeedingPart[],
  { parts, k }: ParallelSeedingOptions,
): void {
  for (const part of parts) {
    const fresh = candidates.complete(part, k);
    if (fresh.length > 0) for (const holder of holders) holder.lower(fresh);
  }
}

/** A candidate that rounding takes for another has no points nearest to it, but is a distinct point all the same. */
function positive(weights: Float64Array): Float32Array {
  const least = weights.reduce(
    (low, weight) => (weight > 0 ? Math.min(low, weight) : low),
    Infinity,
  );
  return Float32Array.from(weights, (weight) => (weight > 0 ? weight : least));
}

/** A row that a part would have drawn. */
export interface SeedDraw {
  readonly rank: number;
  readonly partition: number;
  readonly offset: number;
  readonly point: Float32Array;
}

/** The lowest ranks of draws from any number of parts, in an order that does not depend on the parts. */
function lowest(draws: readonly SeedDraw[], size: number): SeedDraw[] {
  return draws
    .toSorted((a, b) => a.rank - b.rank || a.partition - b.partition || a.offset - b.offset)
    .slice(0, size);
}

/** One part of the points, and how far each is from the candidates so far. */
export class SeedingPart {
  readonly #points: SeedingPoints;
  readonly #dims: number;
  readonly #seed: number;
  readonly #kernels: Kernels;
  readonly #potential: Float64Array;
  readonly #candidateOf: Int32Array;
  #candidates = 0;

  constructor(
    points: SeedingPoints,
    { dims, seed, kernels }: { dims: number; seed: number; kernels: Kernels },
  ) {
    this.#points = points;
    this.#dims = dims;
    this.#seed = seed;
    this.#kernels = kernels;
    this.#potential = new Float64Array(points.n).fill(Infinity);
    this.#candidateOf = new Int32Array(points.n);
  }

  /** The rows of the lowest ranks in this part, at most `size`. The first round goes by weight alone. */
  draw(round: number, size: number): SeedDraw[] {
    const { values, n, weights, partition, firstOffset } = this.#points;
    const dims = this.#dims;
    const salt = saltOf(this.#seed, round, partition);
    const best: { rank: number; row: number }[] = [];
    for (let row = 0; row < n; row++) {
      const weight = weights === undefined ? 1 : weights[row]!;
      const mass = this.#candidates === 0 ? weight : weight * this.#potential[row]!;
      if (!(mass > 0)) continue;
      const rank = -Math.log(uniform(firstOffset + row, salt)) / mass;
      if (best.length === size && rank >= best[size - 1]!.rank) continue;
      insertByRank(best, { rank, row }, size);
    }
    return best.map(({ rank, row }) => ({
      rank,
      partition,
      offset: firstOffset + row,
      point: values.slice(row * dims, (row + 1) * dims),
    }));
  }

  /** Takes new candidates, m × dims, into account. */
  lower(fresh: Float32Array): void {
    const { values, n } = this.#points;
    const m = fresh.length / this.#dims;
    const labels = new Int32Array(n);
    const nearest = new Float32Array(n);
    this.#kernels.nearest(values, n, this.#kernels.prepare(fresh, m, this.#dims), labels, nearest);
    for (let row = 0; row < n; row++) {
      if (nearest[row]! >= this.#potential[row]!) continue;
      this.#potential[row] = nearest[row]!;
      this.#candidateOf[row] = this.#candidates + labels[row]!;
    }
    this.#candidates += m;
  }

  /** Adds each point's weight to its nearest candidate's. Sums are exact, so of any parts, up to 2²⁴ equal weights. */
  weigh(weights: Float64Array): void {
    for (let row = 0; row < this.#points.n; row++) {
      weights[this.#candidateOf[row]!]! += this.#points.weights?.[row] ?? 1;
    }
  }
}

/** The candidates, all different. */
class Candidates {
  readonly #dims: number;
  readonly #known = new Set<string>();
  readonly #points: Float32Array[] = [];

  constructor(dims: number) {
    this.#dims = dims;
  }

  get count(): number {
    return this.#points.length;
  }

  /** @returns those that were new, m × dims */
  add(draws: readonly SeedDraw[]): Float32Array {
    return flat(
      draws.map(({ point }) => point).filter((point) => this.#accept(point)),
      this.#dims,
    );
  }

  /** Takes rows of positive weight as they come, until there are k. @returns those that were new */
  complete({ values, n, weights }: SeedingPoints, k: number): Float32Array {
    const dims = this.#dims;
    const from = this.count;
    for (let row = 0; row < n && this.count < k; row++) {
      if (weights !== undefined && !(weights[row]! > 0)) continue;
      this.#accept(values.slice(row * dims, (row + 1) * dims));
    }
    return flat(this.#points.slice(from), dims);
  }

  values(): Float32Array {
    return flat(this.#points, this.#dims);
  }

  #accept(point: Float32Array): boolean {
    const name = point.join();
    if (this.#known.has(name)) return false;
    this.#known.add(name);
    this.#points.push(point);
    return true;
  }
}

function flat(points: readonly Float32Array[], dims: number): Float32Array {
  const values = new Float32Array(points.length * dims);
  for (const [i, point] of points.entries()) values.set(point, i * dims);
  return values;
}

function insertByRank<T extends { rank: number }>(sorted: T[], item: T, size: number): void {
  let at = sorted.length;
  while (at > 0 && sorted[at - 1]!.rank > item.rank) at -= 1;
  sorted.splice(at, 0, item);
  if (sorted.length > size) sorted.pop();
}

function saltOf(seed: number, round: number, partition: number): number {
  return new Random(
    Math.imul(seed, 0x9e3779b1) ^
      Math.imul(round + 1, 0x85ebca6b) ^
      Math.imul(partition + 1, 0xc2b2ae35),
  ).uint32();
}

/** A number in (0, 1) that depends on offset and salt alone. */
function uniform(offset: number, salt: number): number {
  let z = (Math.imul(offset % 4_294_967_296, 0x21f0aaad) ^ (offset / 4_294_967_296) ^ salt) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (((z ^ (z >>> 15)) >>> 0) + 0.5) / 4_294_967_296;
}
