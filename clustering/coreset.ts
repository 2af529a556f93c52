// A few weighted points that stand for very many: whatever k centroids are measured on them, the inertia is nearly that on all
// points. Grown by merge and reduce (J. Bentley and J. Saxe, 1980; S. Har-Peled and S. Mazumdar, 2004):
//
// 1. Points are taken in blocks of `size`, each a coreset that is exact.
// 2. Two coresets of one level become one of the next: their union, reduced to `size`. About log₂(n/size) of them are held.
// 3. To reduce, every point gets the worth w/W + w/(k·W_j) + w·d²/Σw·d², d the distance to the nearest of k k-means++ centres
//    and W_j the weight around that centre (D. Feldman and M. Langberg, 2011: the share a point can have in any inertia); a
//    sample by worth stays (sampling.ts), each with its weight divided by its chance. Far points and small clusters stay.
// 4. The weights are brought to the old total, so that the weight of all points is kept.
//
// A coreset knows which offsets it stands for; draws are seeded by these. Same points in the same order: same bits.

import { assert, Random } from '../support/index.ts';
import { systematicSample } from './sampling.ts';
import { countDistinct, seedCentroids } from './seeding.ts';

/** Offsets from ≤ o < to of a partition. Not every one of them need be a point. */
export interface OffsetRange {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

export interface Coreset {
  readonly dims: number;
  readonly n: number;
  /** n × dims: points of the stream, as they were. */
  readonly values: Float32Array;
  readonly weights: Float32Array;
  /** What it stands for: by partition and offset, no two overlap. */
  readonly ranges: readonly OffsetRange[];
  /** Points, and their weight, in these ranges. */
  readonly points: number;
  readonly weight: number;
  /** How often what is in it was reduced, at most: 0 is exact. */
  readonly level: number;
}

/** Points of one partition, rising offsets. */
export interface CoresetBlock {
  /** n × dims, scaled. */
  readonly values: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly weights?: Float32Array | undefined;
  readonly range: OffsetRange;
}

/** The points themselves. */
export function exactCoreset({ values, n, dims, weights, range }: CoresetBlock): Coreset {
  const own = weights === undefined ? new Float32Array(n).fill(1) : weights.slice(0, n);
  const points = values.slice(0, n * dims);
  return {
    dims,
    n,
    values: points,
    weights: own,
    ranges: [range],
    points: n,
    weight: sumOf(own),
    level: 0,
  };
}

/** The union, in the order of what they stand for: whichever is named first, the same bits. */
export function mergeCoresets(one: Coreset, other: Coreset): Coreset {
  assert(one.dims === other.dims, 'coresets of one space merge');
  const [a, b] = comesBefore(one, other) ? [one, other] : [other, one];
  const values = new Float32Array(a.values.length + b.values.length);
  values.set(a.values);
  values.set(b.values, a.values.length);
  const weights = new Float32Array(a.n + b.n);
  weights.set(a.weights);
  weights.set(b.weights, a.n);
  return {
    dims: a.dims,
    n: a.n + b.n,
    values,
    weights,
    ranges: joinRanges([...a.ranges, ...b.ranges]),
    points: a.points + b.points,
    weight: a.weight + b.weight,
    level: Math.max(a.level, b.level),
  };
}

export interface ReduceOptions {
  readonly size: number;
  readonly seed: number;
}

/** At most about `size` points that stand for the same. A smaller coreset is returned as it is. */
export function reduceCoreset(coreset: Coreset, { size, seed }: ReduceOptions): Coreset {
  const { n, dims, values, weights, weight } = coreset;
  if (n <= size) return coreset;
  assert(weight > 0, 'points that stand for others weigh something');
  const random = new Random(seedOf(coreset, seed));
  const chances = systematicSample(worthsOf(coreset, random), size, random);
  const rows = Array.from(chances.keys()).filter((row) => chances[row]! > 0);
  const kept = new Float32Array(rows.length * dims);
  const keptWeights = new Float64Array(rows.length);
  for (const [i, row] of rows.entries()) {
    kept.set(values.subarray(row * dims, (row + 1) * dims), i * dims);
    keptWeights[i] = weights[row]! / chances[row]!;
  }
  const factor = weight / sumOf(keptWeights);
  return {
    ...coreset,
    n: rows.length,
    values: kept,
    weights: Float32Array.from(keptWeights, (value) => value * factor),
    level: coreset.level + 1,
  };
}

/** Grows a coreset of a stream in bounded memory. The blocks do not depend on how the rows come in batches. */
export class CoresetBuilder {
  readonly #dims: number;
  readonly #options: ReduceOptions;
  /** At place l a coreset of level l, or none: the digits of a binary counter. */
  readonly #levels: (Coreset | undefined)[] = [];
  readonly #partition: number;
  readonly #values: Float32Array;
  readonly #weights: Float32Array;
  #rows = 0;
  #from: number;
  #to: number;

  /** @param firstOffset where what it stands for begins */
  constructor(dims: number, options: ReduceOptions & { partition?: number; firstOffset?: number }) {
    const { size, partition = 0, firstOffset = 0 } = options;
    assert(size >= 2, 'a coreset has at least 2 points');
    this.#dims = dims;
    this.#options = options;
    this.#partition = partition;
    this.#values = new Float32Array(size * dims);
    this.#weights = new Float32Array(size);
    this.#from = firstOffset;
    this.#to = firstOffset;
  }

  /** Adds n rows at rising offsets; one of weight 0 changes nothing. @param values n × dims, scaled. @param weights 1 each when left out. */
  add(values: Float32Array, offsets: Float64Array, n: number, weights?: Float32Array): void {
    const dims = this.#dims;
    for (let row = 0; row < n; row++) {
      assert(offsets[row]! >= this.#to, 'offsets rise');
      this.#to = offsets[row]! + 1;
      const weight = weights === undefined ? 1 : weights[row]!;
      if (!(weight > 0)) continue;
      this.#values.set(values.subarray(row * dims, (row + 1) * dims), this.#rows * dims);
      this.#weights[this.#rows] = weight;
      this.#rows += 1;
      if (this.#rows === this.#options.size) this.#carry();
    }
  }

  /** What all rows so far come to; goes on growing afterwards. Undefined without rows. */
  coreset(): Coreset | undefined {
    const held = this.#levels.filter((coreset) => coreset !== undefined);
    if (this.#rows > 0) held.unshift(this.#block());
    if (held.length === 0) return undefined;
    return reduceCoreset(held.reduce(mergeCoresets), this.#options);
  }

  #carry(): void {
    let coreset = this.#block();
    let level = 0;
    for (; this.#levels[level] !== undefined; level++) {
      coreset = reduceCoreset(mergeCoresets(this.#levels[level]!, coreset), this.#options);
      this.#levels[level] = undefined;
    }
    this.#levels[level] = coreset;
    this.#rows = 0;
    this.#from = this.#to;
  }

  #block(): Coreset {
    const range = { partition: this.#partition, from: this.#from, to: this.#to };
    const [values, weights] = [this.#values, this.#weights];
    return exactCoreset({ values, n: this.#rows, dims: this.#dims, weights, range });
  }
}

/** k-means++ centres that distances are measured from: enough that a few clusters do not hide the rest. */
const centresMax = 16;

/** Bounds, but for a factor, the share that a point can have in the inertia about any centroids. */
function worthsOf({ n, dims, values, weights, weight }: Coreset, random: Random): Float64Array {
  const k = countDistinct(values, n, dims, centresMax, weights);
  const centres = seedCentroids({ values, n, dims, k, weights, random });
  const { labels, squares } = nearestCentres(values, n, dims, centres, k);
  const errors = squares.map((square, row) => weights[row]! * square);
  const error = sumOf(errors);
  const around = new Float64Array(k);
  for (let row = 0; row < n; row++) around[labels[row]!]! += weights[row]!;
  return errors.map((e, row) => {
    const ofCluster = weights[row]! / (k * around[labels[row]!]!);
    return weights[row]! / weight + ofCluster + (error > 0 ? e / error : 0);
  });
}

function nearestCentres(
  values: Float32Array,
  n: number,
  dims: number,
  centres: Float64Array,
  k: number,
) {
  const labels = new Int32Array(n);
  const squares = new Float64Array(n).fill(Infinity);
  for (let row = 0; row < n; row++) {
    for (let j = 0; j < k; j++) {
      let square = 0;
      for (let d = 0; d < dims && square < squares[row]!; d++) {
        const difference = values[row * dims + d]! - centres[j * dims + d]!;
        square += difference * difference;
      }
      if (square >= squares[row]!) continue;
      squares[row] = square;
      labels[row] = j;
    }
  }
  return { labels, squares };
}

function comesBefore(a: Coreset, b: Coreset): boolean {
  const [first, second] = [a.ranges[0]!, b.ranges[0]!];
  return first.partition - second.partition < 0
    ? true
    : first.partition === second.partition && first.from <= second.from;
}

/** Sorted, neighbours made one. */
function joinRanges(ranges: readonly OffsetRange[]): OffsetRange[] {
  const joined: OffsetRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.partition - b.partition || a.from - b.from)) {
    const last = joined.at(-1);
    if (last === undefined || last.partition !== range.partition || last.to < range.from) {
      joined.push(range);
      continue;
    }
    assert(last.to === range.from, 'no point is in two coresets that merge');
    joined[joined.length - 1] = { ...last, to: range.to };
  }
  return joined;
}

function seedOf({ ranges, level }: Coreset, seed: number): number {
  let hash = Math.imul(seed, 0x9e3779b1) ^ level;
  for (const { partition, from, to } of ranges) {
    for (const number of [partition, from, to]) {
      hash = Math.imul(hash ^ number ^ Math.floor(number / 4_294_967_296), 0x85ebca6b);
      hash ^= hash >>> 15;
    }
  }
  return hash;
}

function sumOf(numbers: Float32Array | Float64Array): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}
