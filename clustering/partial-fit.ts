// Lloyd's k-means over points that lack values, by partial distance (missing-values.ts). From given centroids:
//
// 1. Give each point its nearest centroid: complete ones by the kernels, the others one by one.
// 2. Move each centroid, feature by feature, to the mean of the values that are there. A feature that none of its points has stays;
//    an empty cluster takes the point that is farthest from its own centroid, filled by that.
// 3. Again, while Σw·distance² falls. The best centroids seen win, those at the beginning included.
//
// One thread, O(n · k · dims) an iteration.

import { distanceBin, distanceBins } from './distance-histogram.ts';
import type { FullBatchFit, IterationReport } from './full-batch.ts';
import type { Kernels } from './kernels/kernels.ts';
import { nearestTwoPartial, PartialRows } from './missing-values.ts';

export interface PartialFitOptions {
  /** n × dims, scaled; NaN where a value is missing. */
  readonly values: Float32Array;
  /** The same, complete: what stands in the gaps does not matter. */
  readonly filled: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  readonly weights?: Float32Array | undefined;
  readonly kernels: Kernels;
  readonly iterationsMax?: number;
  /** k × dims each: one run begins at each of these; the best wins, the first of equals. */
  readonly starts: readonly Float64Array[];
}

/** Below this share an iteration's gain is not worth another. */
const gainMin = 1e-6;

export function* partialFitSteps(
  options: PartialFitOptions,
): Generator<IterationReport, FullBatchFit> {
  const run = new PartialRun(options);
  let best = { centroids: options.starts[0]!, inertia: Infinity };
  let iterations = 0;
  for (const [number, start] of options.starts.entries()) {
    run.begin(start);
    let last = Infinity;
    for (let iteration = 1; iteration <= (options.iterationsMax ?? 300); iteration++) {
      const inertia = run.assign();
      if (inertia < best.inertia) best = { centroids: run.centroids.slice(), inertia };
      iterations += 1;
      yield { run: number, iteration, inertia, shift: 0, measured: options.n };
      if (!(inertia < last * (1 - gainMin)) && !run.hasEmpty) break;
      last = inertia;
      run.move();
    }
  }
  run.begin(best.centroids);
  run.assign();
  return { ...run.statistics(), iterations };
}

class PartialRun {
  readonly centroids: Float64Array;
  hasEmpty = false;
  readonly #options: PartialFitOptions;
  readonly #partial = new PartialRows();
  readonly #labels: Int32Array;
  readonly #squares: Float32Array;
  readonly #second: Float32Array;
  readonly #rounded: Float32Array;

  constructor(options: PartialFitOptions) {
    const { values, n, dims, k } = options;
    this.#options = options;
    this.centroids = new Float64Array(k * dims);
    this.#partial.find(values, n, dims);
    this.#labels = new Int32Array(n);
    this.#squares = new Float32Array(n);
    this.#second = new Float32Array(n);
    this.#rounded = new Float32Array(k * dims);
  }

  begin(centroids: Float64Array): void {
    this.centroids.set(centroids);
  }

  /** @returns Σw·distance² */
  assign(): number {
    const { values, filled, n, dims, k, kernels } = this.#options;
    const [labels, squares, second] = [this.#labels, this.#squares, this.#second];
    this.#rounded.set(this.centroids);
    kernels.nearest(filled, n, kernels.prepare(this.#rounded, k, dims), labels, squares);
    nearestTwoPartial(values, this.#partial, dims, this.#rounded, k, labels, squares, second);
    let inertia = 0;
    for (let row = 0; row < n; row++) inertia += this.#weight(row) * squares[row]!;
    return inertia;
  }

  move(): void {
    const { values, n, dims, k } = this.#options;
    const { centroids } = this;
    const totals = new Float64Array(k);
    const present = new Float64Array(k * dims);
    const sums = new Float64Array(k * dims);
    for (let row = 0; row < n; row++) {
      const weight = this.#weight(row);
      const label = this.#labels[row]!;
      totals[label]! += weight;
      for (let d = 0, i = label * dims; d < dims; d++, i++) {
        const value = values[row * dims + d]!;
        if (Number.isNaN(value)) continue;
        present[i]! += weight;
        sums[i]! += weight * (value - centroids[i]!);
      }
    }
    const far = this.#farthestFilled(totals);
    for (let i = 0; i < k * dims; i++) if (present[i]! > 0) centroids[i]! += sums[i]! / present[i]!;
    for (const [j, point] of far) centroids.set(point, j * dims);
    this.hasEmpty = far.size > 0;
  }

  /** What a fit tells about the last assignment. */
  statistics(): Omit<FullBatchFit, 'iterations'> {
    const { n, k } = this.#options;
    const weights = new Float64Array(k);
    const sumSquares = new Float64Array(k);
    const distanceHistogram = new Float64Array(k * distanceBins);
    for (let row = 0; row < n; row++) {
      const label = this.#labels[row]!;
      const square = this.#squares[row]!;
      const weight = this.#weight(row);
      weights[label]! += weight;
      sumSquares[label]! += weight * square;
      distanceHistogram[label * distanceBins + distanceBin(Math.sqrt(square))]! += weight;
    }
    const inertia = sumSquares.reduce((total, square) => total + square, 0);
    const labels = this.#labels.slice();
    return { centroids: this.centroids, labels, inertia, weights, sumSquares, distanceHistogram };
  }

  /** For each cluster without points another one, the farthest from its own centroid first. */
  #farthestFilled(totals: Float64Array): Map<number, Float64Array> {
    const { values, n, dims } = this.#options;
    const empty = [...totals.keys()].filter((j) => !(totals[j]! > 0));
    const points = new Map<number, Float64Array>();
    if (empty.length === 0) return points;
    const share = (row: number) => this.#weight(row) * this.#squares[row]!;
    const rows = Array.from({ length: n }, (_, row) => row).sort((a, b) => share(b) - share(a));
    for (const row of rows) {
      if (points.size === empty.length || !(share(row) > 0)) break;
      const base = this.#labels[row]! * dims;
      const point = Float64Array.from({ length: dims }, (_, d) => {
        const value = values[row * dims + d]!;
        return Number.isNaN(value) ? this.centroids[base + d]! : value;
      });
      const isNew = [...points.values()].every((other) => other.some((x, d) => x !== point[d]));
      if (isNew) points.set(empty[points.size]!, point);
    }
    return points;
  }

  #weight(row: number): number {
    return this.#options.weights === undefined ? 1 : this.#options.weights[row]!;
  }
}
