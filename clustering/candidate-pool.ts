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
  readonly standsFor: number;
  /** The model's clock when it came. */
  readonly at: number;
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
      this.#candidates.push({
        point: Float64Array.from(delta.candidates.subarray(i * dims, (i + 1) * dims)),
        weight: delta.candidateWeights[2 * i]!,
        standsFor: delta.candidateWeights[2 * i + 1]!,
        at,
      });
    }
  }

  get overfull(): boolean {
    return this.#candidates.length > candidatesMax;
  }

  /** @param worths of the candidates, in their order; one of no worth is dropped. */
  thin(worths: readonly number[], random: Random): void {
    const chances = systematicSample(worths, candidatesKept, random);
    this.#candidates = this.#candidates.flatMap((candidate, i) => {
      const chance = chances[i]!;
      if (!(chance > 0)) return [];
      const { point, weight, standsFor, at } = candidate;
      return [{ point, weight, standsFor: standsFor / chance, at }];
    });
  }

  toRecord(): number[] {
    return this.#candidates.flatMap((c) => [c.weight, c.standsFor, c.at, ...c.point]);
  }

  static fromRecord(numbers: Float64Array, dims: number): CandidatePool {
    const pool = new CandidatePool(dims);
    for (let i = 0; i < numbers.length; i += dims + 3) {
      const [weight, standsFor, at] = numbers.subarray(i, i + 3);
      const point = numbers.slice(i + 3, i + 3 + dims);
      pool.#candidates.push({ point, weight: weight!, standsFor: standsFor!, at: at! });
    }
    return pool;
  }
}
