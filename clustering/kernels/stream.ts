// What the stream asks of every batch besides the nearest centroids: answers from squared distances, and the sums that deltas
// and drift are made of. The plain versions; the native set has its own (stream.h), which gives the same bits.

import { distanceBin, distanceBins, shareBelow } from '../distance-histogram.ts';
import { cosineDistance } from '../spherical.ts';
import type { AnswerColumns, Kernels, StreamKernels } from './kernels.ts';

export function streamKernelsOf({ stream }: Kernels): StreamKernels {
  return stream ?? plain;
}

function answer(
  n: number,
  k: number,
  cosine: boolean,
  totals: Float64Array,
  { labels, euclidean, second, distances, margins, outlierScores }: AnswerColumns,
): void {
  for (let row = 0; row < n; row++) {
    const square = euclidean[row]!;
    const length = Math.sqrt(square);
    const first = cosine ? cosineDistance(square) : length;
    const runnerUp = cosine ? cosineDistance(second[row]!) : Math.sqrt(second[row]!);
    euclidean[row] = length;
    distances[row] = first;
    margins[row] = k === 1 ? 1 : runnerUp > 0 ? (runnerUp - first) / runnerUp : 0;
    outlierScores[row] = shareBelow(totals, labels[row]!, length);
  }
}

function addFeatures(
  points: Float32Array,
  n: number,
  dims: number,
  sums: Float64Array,
  squares: Float64Array,
): void {
  for (let row = 0, i = 0; row < n; row++) {
    for (let d = 0; d < dims; d++, i++) {
      const value = points[i]!;
      sums[d]! += value;
      squares[d]! += value * value;
    }
  }
}

function gatherEvery(
  points: Float32Array,
  offsets: Float64Array,
  n: number,
  dims: number,
  every: number,
  out: Float32Array,
): number {
  let rows = 0;
  for (let row = 0; row < n; row++) {
    if (offsets[row]! % every !== 0) continue;
    for (let d = 0; d < dims; d++) out[rows * dims + d] = points[row * dims + d]!;
    rows += 1;
  }
  return rows;
}

function tally(
  weights: Float32Array,
  labels: Int32Array,
  distances: Float32Array,
  offsets: Float64Array,
  from: number,
  n: number,
  salt: number,
  rank: number,
  histogram: Float64Array,
): number {
  for (let row = from; row < n; row++) {
    const weight = weights[row]!;
    const distance = distances[row]!;
    histogram[labels[row]! * distanceBins + distanceBin(distance)]! += weight;
    const mass = weight * distance * distance;
    if (mass > 0 && 1 - uniform(offsets[row]!, salt) < rank * mass) return row;
  }
  return n;
}

/** A number in (0, 1) that depends on the record alone. */
export function uniform(offset: number, salt: number): number {
  let z = (Math.imul(offset % 4_294_967_296, 0x21f0aaad) ^ (offset / 4_294_967_296) ^ salt) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (((z ^ (z >>> 15)) >>> 0) + 0.5) / 4_294_967_296;
}

const plain: StreamKernels = { answer, addFeatures, gatherEvery, tally };
