// Where a clustering starts: greedy k-means++ (D. Arthur and S. Vassilvitskii, 2007; greedy as in scikit-learn).
//
// 1. The first centre is a point drawn by weight.
// 2. Each next one: draw 2 + ⌊ln k⌋ points with probability ∝ weight · squared distance to the nearest centre so far;
//    keep the one that lowers the total most.
//
// O(n · k · dims · trials). The same bits for all kernels. Draws come from the generator passed in and run over rows in order: same rows and seed, same seeds.

import { MeanstreamError, type Random } from '../support/index.ts';
import type { Kernels } from './kernels/kernels.ts';
import { referenceKernels } from './kernels/reference.ts';

export interface SeedingOptions {
  /** n × dims, scaled. */
  readonly values: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  readonly weights?: Float32Array | undefined;
  readonly random: Random;
  /** Default: the plain ones, which are enough for a few thousand points. */
  readonly kernels?: Kernels;
}

/** Rows of one kernel call. */
const chunkRows = 512;

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

function chooseRows(options: SeedingOptions): Int32Array {
  const { n, k, weights, random } = options;
  const trials = 2 + Math.floor(Math.log(k));
  const rows = new Int32Array(k);
  const potential = new Float64Array(n).fill(Infinity);
  const mass = weights === undefined ? new Float64Array(n).fill(1) : Float64Array.from(weights);
  rows[0] = drawRow(mass, n, random);
  for (let j = 1; j < k; j++) {
    lower(options, rows[j - 1]!, potential, mass);
    const drawn = Array.from({ length: trials }, () => drawRow(mass, n, random));
    rows[j] = drawn[lowestTotal(options, drawn, potential)]!;
  }
  return rows;
}

/** Adds a centre. @param potential n, in and out: squared distance to the nearest centre. @param mass n, out: weighted. */
function lower(
  options: SeedingOptions,
  centre: number,
  potential: Float64Array,
  mass: Float64Array,
): void {
  const { weights } = options;
  eachSquares(options, [centre], (squares, from, to) => {
    for (let row = from; row < to; row++) {
      const square = squares[row - from]!;
      if (square < potential[row]!) potential[row] = square;
      mass[row] = potential[row]! * (weights === undefined ? 1 : weights[row]!);
    }
  });
}

/** Which of the rows, were it a centre, leaves the least; the first of equals. */
function lowestTotal(
  options: SeedingOptions,
  rows: readonly number[],
  potential: Float64Array,
): number {
  const { weights } = options;
  const trials = rows.length;
  const totals = new Float64Array(trials);
  eachSquares(options, rows, (squares, from, to) => {
    for (let row = from, i = 0; row < to; row++) {
      const bound = potential[row]!;
      const weight = weights === undefined ? 1 : weights[row]!;
      for (let t = 0; t < trials; t++, i++) {
        const square = squares[i]!;
        totals[t]! += weight * (square < bound ? square : bound);
      }
    }
  });
  let lowest = 0;
  for (let t = 1; t < trials; t++) if (totals[t]! < totals[lowest]!) lowest = t;
  return lowest;
}

/** Squared distances of a chunk of rows to those of `centres`, row after row. */
function eachSquares(
  { values, n, dims, kernels = referenceKernels }: SeedingOptions,
  centres: readonly number[],
  visit: (squares: Float64Array, from: number, to: number) => void,
): void {
  const m = centres.length;
  const others = new Float32Array(m * dims);
  for (const [i, row] of centres.entries()) {
    others.set(values.subarray(row * dims, (row + 1) * dims), i * dims);
  }
  const squares = new Float64Array(chunkRows * m);
  for (let from = 0; from < n; from += chunkRows) {
    const to = Math.min(from + chunkRows, n);
    const points = values.subarray(from * dims, to * dims);
    kernels.pairwise(points, to - from, others, m, dims, squares);
    visit(squares, from, to);
  }
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
