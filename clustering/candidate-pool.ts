// Points that might deserve a centroid of their own, gathered from deltas and forgotten like everything else: a weighted
// sample of bounded size. When it is too large it is thinned by systematic sampling: with worth v = what a candidate stands
// for, times its squared distance, it stays with chance p = min(1, v/τ), τ such that the chances add up to the size wanted,
// and then stands for 1/p as much. So sums over the pool still estimate sums over all points, and a far point is never lost.

import type { Random } from '../support/index.ts';
import type { DeltaStatistics } from './mini-batch.ts';
import { systematicSample } from './sampling.ts';

const candidatesMax = 128;
const candidatesKept = 64;

export interface Candidate {
  /** Input units. */
  readonly point: Float64Array;
  /** Its own weight, and the weight of the points it stands for, when it came. */
  readonly weight: number;
  standsFor: number;
  /** The model's clock when it came. */
  readonly at: number;
  /** What the last look has found (lifecycle.ts), no part of the record: its centroid, and how far all others are at least. */
  nearest: number;
  othersMin: number;
  /** Squared distances from the first so many candidates of the pool, as far as they have been asked for. */
  squares: number[];
}

export class CandidatePool {
  readonly #dims: number;
  #candidates: Candidate[] = [];

  constructor(dims: number) {
    this.#dims = dims;
  }

  get candidates(): readonly Candidate[] {
    return this.#candidates;
  }

  add(delta: DeltaStatistics, at: number): void {
    const dims = this.#dims;
    for (let i = 0; i * dims < delta.candidates.length; i++) {
      const point = Float64Array.from(delta.candidates.subarray(i * dims, (i + 1) * dims));
      const weight = delta.candidateWeights[2 * i]!;
      this.#candidates.push(newCandidate(point, weight, delta.candidateWeights[2 * i + 1]!, at));
    }
  }

  get overfull(): boolean {
    return this.#candidates.length > candidatesMax;
  }

  /** @param worths of the candidates, in their order; one of no worth is dropped. */
  thin(worths: readonly number[], random: Random): void {
    const chances = systematicSample(worths, candidatesKept, random);
    for (const [i, candidate] of this.#candidates.entries()) {
      candidate.standsFor /= chances[i]!;
      candidate.squares = candidate.squares.filter((_, other) => chances[other]! > 0);
    }
    this.#candidates = this.#candidates.filter((_, i) => chances[i]! > 0);
  }

  toRecord(): Float64Array {
    const width = this.#dims + 3;
    const record = new Float64Array(this.#candidates.length * width);
    for (const [i, { weight, standsFor, at, point }] of this.#candidates.entries()) {
      record[i * width] = weight;
      record[i * width + 1] = standsFor;
      record[i * width + 2] = at;
      record.set(point, i * width + 3);
    }
    return record;
  }

  static fromRecord(numbers: Float64Array, dims: number): CandidatePool {
    const pool = new CandidatePool(dims);
    for (let i = 0; i < numbers.length; i += dims + 3) {
      const [weight, standsFor, at] = numbers.subarray(i, i + 3);
      const point = numbers.slice(i + 3, i + 3 + dims);
      pool.#candidates.push(newCandidate(point, weight!, standsFor!, at!));
    }
    return pool;
  }
}

function newCandidate(
  point: Float64Array,
  weight: number,
  standsFor: number,
  at: number,
): Candidate {
  return { point, weight, standsFor, at, nearest: 0, othersMin: 0, squares: [] };
}
