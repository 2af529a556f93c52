// The centroids of a step as the kernels want them, made once for all ranges of a worker; and how far they have moved since
// the step that a range's bounds are about.

import type { CentroidPanels, Kernels, Moves } from '../kernels/kernels.ts';
import { halfDistances, measureDrift, movesOf } from '../pruning.ts';

export interface CentroidView {
  readonly rounded: Float32Array;
  readonly panels: CentroidPanels;
  readonly half: Float64Array;
  /** Where fewer labels of a chunk are proven, the others of the range are measured without trying (fit-pass.ts). */
  readonly provenShareMin: number;
}

/** Half distances between centroids cost k² and help all rows: below so many rows per k² they are left out. */
const rowsPerPair = 4;

export class CentroidViews {
  readonly #kernels: Kernels;
  readonly #dims: number;
  readonly #rows: () => number;
  #centroids: Float64Array | undefined;
  #view: CentroidView | undefined;
  #moves = new WeakMap<CentroidView, Moves>();

  /** @param rows how many rows this worker has */
  constructor(kernels: Kernels, dims: number, rows: () => number) {
    this.#kernels = kernels;
    this.#dims = dims;
    this.#rows = rows;
  }

  /** @param centroids the very array, or one of the same numbers, keeps its view until another comes */
  of(centroids: Float64Array): CentroidView {
    if (this.#view !== undefined && sameNumbers(this.#centroids!, centroids)) return this.#view;
    const k = centroids.length / this.#dims;
    const rounded = Float32Array.from(centroids);
    const panels = this.#kernels.prepare(rounded, k, this.#dims);
    const half = this.#halfOf(rounded, k);
    this.#centroids = centroids;
    this.#moves = new WeakMap();
    this.#view = { rounded, panels, half, provenShareMin: 20 / (k + 28) };
    return this.#view;
  }

  /** Undefined when they are not the same centroids moved. */
  moves(before: CentroidView, now: CentroidView): Moves | undefined {
    if (before.rounded.length !== now.rounded.length) return undefined;
    const known = this.#moves.get(before);
    if (known !== undefined) return known;
    const drift = new Float64Array(now.rounded.length / this.#dims);
    measureDrift(before.rounded, now.rounded, this.#dims, drift);
    const moves = movesOf(drift, now.half);
    this.#moves.set(before, moves);
    return moves;
  }

  #halfOf(rounded: Float32Array, k: number): Float64Array {
    const half = new Float64Array(k);
    if (k === 1 || this.#rows() < rowsPerPair * k * k) return half;
    const squares = new Float64Array(k * k);
    this.#kernels.pairwise(rounded, k, rounded, k, this.#dims, squares);
    halfDistances(squares, k, half);
    return half;
  }
}

function sameNumbers(a: Float64Array, b: Float64Array): boolean {
  return a === b || (a.length === b.length && a.every((value, i) => Object.is(value, b[i])));
}
