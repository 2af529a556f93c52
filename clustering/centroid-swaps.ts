// A way out of a poor local optimum of Lloyd's k-means: one centroid is taken away and put elsewhere (S. Lattanzi and
// C. Sohler, 2019). Where Lloyd goes from there is foreseen by a few of its iterations, in full-batch.ts.
//
// 1. Measure each point to its nearest centroid, d₁², and to its second-nearest, d₂².
// 2. Draw 2 + ⌊ln k⌋ points with probability ∝ w·d₁², as seeding does. With q² the squared distance to the one drawn, putting a
//    centroid there and taking j away costs exactly
//
//        Σ w·min(d₁², q²) + Σ over the points of j of w·(min(d₂², q²) − min(d₁², q²))
//
// 3. Propose the pair that costs least of all that were drawn and all j.
//
// O(n · k · dims) for each set of centroids, O(n · dims) for each draw. The rows are taken in order by the calling thread.

import type { Random } from '../support/index.ts';
import type { Kernels } from './kernels/kernels.ts';
import { drawRow } from './seeding.ts';

export interface SwapPoints {
  /** n × dims, scaled. */
  readonly values: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  readonly weights?: Float32Array | undefined;
  readonly kernels: Kernels;
}

interface Swap {
  readonly removed: number;
  readonly row: number;
  readonly cost: number;
}

/** Rows of one kernel call. */
const chunkRows = 512;

export class CentroidSwaps {
  readonly #points: SwapPoints;
  readonly #labels: Int32Array;
  readonly #nearest: Float32Array;
  readonly #second: Float32Array;
  /** w·d₁². */
  readonly #mass: Float64Array;
  readonly #squares = new Float64Array(chunkRows);
  readonly #losses: Float64Array;
  #centroids: Float64Array = new Float64Array(0);

  constructor(points: SwapPoints) {
    const { n, k } = points;
    this.#points = points;
    this.#labels = new Int32Array(n);
    this.#nearest = new Float32Array(n);
    this.#second = new Float32Array(n);
    this.#mass = new Float64Array(n);
    this.#losses = new Float64Array(k);
  }

  /** @param centroids k × dims, of which one is swapped from now on. */
  begin(centroids: Float64Array): void {
    const { values, n, dims, k, weights, kernels } = this.#points;
    this.#centroids = centroids;
    const panels = kernels.prepare(Float32Array.from(centroids), k, dims);
    kernels.nearestTwo(values, n, panels, this.#labels, this.#nearest, this.#second);
    for (let row = 0; row < n; row++) {
      this.#mass[row] = this.#nearest[row]! * (weights === undefined ? 1 : weights[row]!);
    }
  }

  /** k × dims: the centroids, but for one. */
  propose(random: Random): Float64Array {
    const { values, n, dims, k } = this.#points;
    const draws = 2 + Math.floor(Math.log(k));
    let best: Swap = { removed: 0, row: 0, cost: Infinity };
    for (let i = 0; i < draws; i++) {
      const swap = this.#cheapest(drawRow(this.#mass, n, random));
      if (swap.cost < best.cost) best = swap;
    }
    const centroids = this.#centroids.slice();
    const from = best.row * dims;
    centroids.set(values.subarray(from, from + dims), best.removed * dims);
    return centroids;
  }

  /** For a centroid at `row`. */
  #cheapest(row: number): Swap {
    const { n, k } = this.#points;
    const losses = this.#losses.fill(0);
    let rest = 0;
    for (let from = 0; from < n; from += chunkRows) {
      rest += this.#addLosses(row, from, Math.min(from + chunkRows, n));
    }
    let removed = 0;
    for (let j = 1; j < k; j++) if (losses[j]! < losses[removed]!) removed = j;
    return { removed, row, cost: rest + losses[removed]! };
  }

  /** Adds what each cluster loses with its centroid. @returns Σ w·min(d₁², q²) */
  #addLosses(row: number, from: number, to: number): number {
    const { values, dims, weights, kernels } = this.#points;
    const points = values.subarray(from * dims, to * dims);
    const added = values.subarray(row * dims, (row + 1) * dims);
    kernels.pairwise(points, to - from, added, 1, dims, this.#squares);
    let rest = 0;
    for (let i = from; i < to; i++) {
      const weight = weights === undefined ? 1 : weights[i]!;
      const square = this.#squares[i - from]!;
      const kept = Math.min(this.#nearest[i]!, square);
      rest += weight * kept;
      this.#losses[this.#labels[i]!]! += weight * (Math.min(this.#second[i]!, square) - kept);
    }
    return rest;
  }
}
