// Where a clustering starts: greedy k-means++ (D. Arthur and S. Vassilvitskii, 2007; greedy as in scikit-learn).
//
// 1. The first centre is a point drawn by weight.
// 2. Each next one: draw 2 + ⌊ln k⌋ points with probability ∝ weight · squared distance to the nearest centre so far;
//    keep the one that lowers the total most.
//
// O(n · k · dims · trials). Draws come from the generator passed in and run over rows in order: same rows and seed, same seeds.

import { MeanstreamError, type Random } from '../support/index.ts';

export interface SeedingOptions {
  /** n × dims, scaled. */
  readonly values: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  readonly weights?: Float32Array | undefined;
  readonly random: Random;
}

/** Rows of the k chosen points. @throws MEANSTREAM_TOO_FEW_DISTINCT_POINTS */
export function seedCentroids(options: SeedingOptions): Float64Array {
  const { values, n, dims, k, weights } = options;
  requireDistinct(values, n, dims, k, weights);
  const rows = chooseRows(options);
  const centroids = new Float64Array(k * dims);
  for (let j = 0; j < k; j++) {
    for (let d = 0; d < dims; d++) centroids[j * dims + d] = values[rows[j]! * dims + d]!;
  }
  return centroids;
}

function chooseRows({ values, n, dims, k, weights, random }: SeedingOptions): Int32Array {
  const rows = new Int32Array(k);
  const potential = new Float64Array(n).fill(Infinity);
  const trial = new Float64Array(n);
  const best = new Float64Array(n);
  const mass = weights === undefined ? new Float64Array(n).fill(1) : Float64Array.from(weights);
  rows[0] = drawRow(mass, n, random);
  let total = lower(values, n, dims, rows[0]!, weights, potential, best);
  potential.set(best);
  const trials = 2 + Math.floor(Math.log(k));
  for (let j = 1; j < k; j++) {
    const before = weighted(potential, weights, mass);
    total = Infinity;
    for (let t = 0; t < trials; t++) {
      const row = drawRow(before, n, random);
      const sum = lower(values, n, dims, row, weights, potential, trial);
      if (sum >= total) continue;
      total = sum;
      rows[j] = row;
      best.set(trial);
    }
    potential.set(best);
  }
  return rows;
}

function weighted(
  potential: Float64Array,
  weights: Float32Array | undefined,
  out: Float64Array,
): Float64Array {
  for (let row = 0; row < out.length; row++) {
    out[row] = potential[row]! * (weights === undefined ? 1 : weights[row]!);
  }
  return out;
}

/** A row drawn with probability ∝ mass. Never one of mass 0 while any has more. */
export function drawRow(mass: Float64Array, n: number, random: Random): number {
  let total = 0;
  for (let row = 0; row < n; row++) total += mass[row]!;
  const target = random.float() * total;
  let sum = 0;
  let last = 0;
  for (let row = 0; row < n; row++) {
    if (mass[row]! <= 0) continue;
    sum += mass[row]!;
    last = row;
    if (sum > target) break;
  }
  return last;
}

/** Squared distances if `centre` were added to the centres, into `out`; returns their weighted total. */
function lower(
  values: Float32Array,
  n: number,
  dims: number,
  centre: number,
  weights: Float32Array | undefined,
  potential: Float64Array,
  out: Float64Array,
): number {
  let total = 0;
  for (let row = 0; row < n; row++) {
    const bound = potential[row]!;
    let sum = 0;
    for (let d = 0; d < dims && sum < bound; d++) {
      const difference = values[row * dims + d]! - values[centre * dims + d]!;
      sum += difference * difference;
    }
    out[row] = Math.min(sum, bound);
    total += out[row]! * (weights === undefined ? 1 : weights[row]!);
  }
  return total;
}

function requireDistinct(
  values: Float32Array,
  n: number,
  dims: number,
  k: number,
  weights: Float32Array | undefined,
): void {
  const distinct = countDistinct(values, n, dims, k, weights);
  if (distinct >= k) return;
  throw new MeanstreamError(
    'MEANSTREAM_TOO_FEW_DISTINCT_POINTS',
    `${k} clusters need at least ${k} distinct points but there are ${distinct} among ${n}; send more points or lower model.k.`,
    { k, distinct, n },
  );
}

/** Distinct rows (of positive weight, when weights are given), counted up to `limit`. 0 and −0 are one value. */
export function countDistinct(
  values: Float32Array,
  n: number,
  dims: number,
  limit: number,
  weights?: Float32Array,
): number {
  const bits = new Uint32Array(values.buffer, values.byteOffset, n * dims);
  const seen = new Map<number, number[]>();
  let distinct = 0;
  for (let row = 0; row < n && distinct < limit; row++) {
    if (weights !== undefined && weights[row]! <= 0) continue;
    const hash = hashRow(bits, row, dims);
    const bucket = seen.get(hash);
    if (bucket?.some((other) => sameRow(values, row, other, dims))) continue;
    if (bucket === undefined) seen.set(hash, [row]);
    else bucket.push(row);
    distinct += 1;
  }
  return distinct;
}

function hashRow(bits: Uint32Array, row: number, dims: number): number {
  let hash = 17;
  for (let d = 0; d < dims; d++) {
    const word = bits[row * dims + d]!;
    hash = Math.imul(hash ^ (word === negativeZero ? 0 : word), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}

const negativeZero = 0x80000000;

function sameRow(values: Float32Array, a: number, b: number, dims: number): boolean {
  for (let d = 0; d < dims; d++) {
    if (values[a * dims + d] !== values[b * dims + d]) return false;
  }
  return true;
}
