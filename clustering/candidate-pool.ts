// Points that might deserve a centroid of their own, gathered from deltas and forgotten like everything else. When the
// pool is full, the candidate that explains least error goes, so sums over the pool never overstate what is to be gained.

import type { DeltaStatistics } from './mini-batch.ts';

export const poolCandidatesMax = 64;

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
    return this.#candidates.length > poolCandidatesMax;
  }

  /** Keeps the candidates of most worth, in the order they came. @param worth of candidate i, as now seen */
  trim(worth: (candidate: Candidate) => number): void {
    const ranked = this.#candidates
      .map((candidate, order) => ({ candidate, order, worth: worth(candidate) }))
      .filter((entry) => entry.worth > 0)
      .sort((a, b) => b.worth - a.worth || b.order - a.order)
      .slice(0, poolCandidatesMax)
      .sort((a, b) => a.order - b.order);
    this.#candidates = ranked.map((entry) => entry.candidate);
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
