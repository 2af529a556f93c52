// Lloyd's k-means over all points at once.
//
// 1. Seed by greedy k-means++ (seeding.ts).
// 2. Assign every point to its nearest centroid; add up Σw·(x − c) and Σw·‖x − c‖² per cluster, in row order, float64.
// 3. Move each centroid by its mean residual. An empty cluster takes the point that is farthest from its own centroid.
// 4. Again, until the centroids' squared shift is at most tolerance · mean feature variance, or no label changes.
//
// The best of `nInit` runs wins. Same rows, order, seed and parameters: same bits. O(n · k · dims) an iteration.

import { assert, Random } from '../support/index.ts';
import { distanceBin, distanceBins } from './distance-histogram.ts';
import {
  type CentroidPanels,
  type ClusterSums,
  clusterSums,
  type Kernels,
} from './kernels/kernels.ts';
import { fitScaler } from './scaler.ts';
import { seedCentroids } from './seeding.ts';

export interface FullBatchOptions {
  /** n × dims, scaled. */
  readonly values: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  readonly weights?: Float32Array | undefined;
  readonly seed: number;
  readonly kernels: Kernels;
  readonly iterationsMax?: number;
  /** Relative to the mean variance of a feature, as in scikit-learn. */
  readonly tolerance?: number;
  readonly nInit?: number;
  /** k × dims, in the space of the values: one more run, the first, begins here; so the result is no worse than these. With nInit 0, the only one. */
  readonly initial?: Float64Array | undefined;
  readonly onIteration?: (report: IterationReport) => void;
}

export interface IterationReport {
  /** 0 begins at `initial`, 1 … nInit at k-means++ seeds. */
  readonly run: number;
  readonly iteration: number;
  /** Of the labels just given, before the centroids move. */
  readonly inertia: number;
  readonly shift: number;
}

export interface FullBatchFit {
  /** k × dims, in the space of the values. */
  readonly centroids: Float64Array;
  /** Nearest of `centroids`, per row. */
  readonly labels: Int32Array;
  readonly inertia: number;
  readonly iterations: number;
  /** k each: Σ weight, and Σ weight · squared distance to the centroid. */
  readonly weights: Float64Array;
  readonly sumSquares: Float64Array;
  /** k × bins. */
  readonly distanceHistogram: Float64Array;
}

export function fitFullBatch(options: FullBatchOptions): FullBatchFit {
  const steps = fullBatchSteps(options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    options.onIteration?.(step.value);
  }
}

/** The same, an iteration at a time, for a caller that has other things to do in between. */
export function* fullBatchSteps(
  options: FullBatchOptions,
): Generator<IterationReport, FullBatchFit> {
  const { nInit = 5, seed, initial, values, n, dims, k, weights } = options;
  assert(nInit >= 1 || initial !== undefined, 'a fit has somewhere to begin');
  const random = new Random(seed);
  let best: FullBatchFit | undefined;
  for (let run = initial === undefined ? 1 : 0; run <= nInit; run++) {
    const begin =
      run === 0 ? initial!.slice() : seedCentroids({ values, n, dims, k, weights, random });
    const fit = yield* lloyd(options, run, begin);
    if (best === undefined || fit.inertia < best.inertia) best = fit;
  }
  return best!;
}

function* lloyd(
  options: FullBatchOptions,
  run: number,
  centroids: Float64Array,
): Generator<IterationReport, FullBatchFit> {
  const { values, n, dims, weights, iterationsMax = 300, tolerance = 1e-4 } = options;
  const pass = new AssignmentPass(options);
  const shiftMax = tolerance * meanVariance(values, n, dims, weights);
  let iterations = 0;
  while (iterations < iterationsMax) {
    const changed = pass.assign(centroids);
    const inertia = pass.inertia();
    const shift = pass.move(centroids);
    iterations += 1;
    yield { run, iteration: iterations, inertia, shift };
    if (shift <= shiftMax || (!changed && !pass.hasEmpty())) break;
  }
  pass.assign(centroids);
  return { ...pass.statistics(), centroids, inertia: pass.inertia(), iterations };
}

function meanVariance(
  values: Float32Array,
  n: number,
  dims: number,
  weights: Float32Array | undefined,
): number {
  let sum = 0;
  for (const scale of fitScaler(values, n, dims, weights).scale) sum += scale * scale;
  return sum / dims;
}

/** The buffers of one run. */
class AssignmentPass {
  readonly #options: FullBatchOptions;
  readonly #rounded: Float32Array;
  readonly #labels: Int32Array;
  readonly #before: Int32Array;
  readonly #nearest: Float32Array;
  readonly #sums: ClusterSums;
  #panels: CentroidPanels | undefined;

  constructor(options: FullBatchOptions) {
    const { n, dims, k } = options;
    this.#options = options;
    this.#rounded = new Float32Array(k * dims);
    this.#labels = new Int32Array(n).fill(-1);
    this.#before = new Int32Array(n);
    this.#nearest = new Float32Array(n);
    this.#sums = clusterSums(k, dims);
  }

  /** Labels all points and adds them up about the centroids. @returns whether any label changed */
  assign(centroids: Float64Array): boolean {
    const { values, n, dims, k, kernels, weights } = this.#options;
    const labels = this.#labels;
    this.#rounded.set(centroids);
    this.#before.set(labels);
    this.#sums.column.fill(0);
    this.#panels = kernels.prepare(this.#rounded, k, dims);
    kernels.assignAccumulate(values, weights, n, this.#panels, centroids, labels, this.#sums);
    return labels.some((label, row) => label !== this.#before[row]);
  }

  inertia(): number {
    let inertia = 0;
    for (const square of this.#sums.squares) inertia += square;
    return inertia;
  }

  /** @returns the sum over centroids of their squared shift */
  move(centroids: Float64Array): number {
    const { dims, k } = this.#options;
    let shift = 0;
    if (this.hasEmpty()) this.#measure();
    for (let j = 0; j < k; j++) {
      const weight = this.#sums.weights[j]!;
      if (weight === 0) shift += this.#reseed(centroids, j);
      else
        for (let d = 0; d < dims; d++) {
          const step = this.#sums.residuals[j * dims + d]! / weight;
          centroids[j * dims + d]! += step;
          shift += step * step;
        }
    }
    return shift;
  }

  hasEmpty(): boolean {
    return this.#sums.weights.includes(0);
  }

  statistics() {
    const { n, k, weights } = this.#options;
    const distanceHistogram = new Float64Array(k * distanceBins);
    this.#measure();
    for (let row = 0; row < n; row++) {
      const bin = distanceBin(Math.sqrt(this.#nearest[row]!));
      const weight = weights === undefined ? 1 : weights[row]!;
      distanceHistogram[this.#labels[row]! * distanceBins + bin]! += weight;
    }
    return {
      labels: this.#labels.slice(),
      weights: this.#sums.weights.slice(),
      sumSquares: this.#sums.squares.slice(),
      distanceHistogram,
    };
  }

  /** Distances to the centroids that the labels are of. */
  #measure(): void {
    const { values, n, kernels } = this.#options;
    kernels.nearest(values, n, this.#panels!, this.#labels, this.#nearest);
  }

  /** Puts cluster j on the farthest point, and takes that point's distance out so that the next one goes elsewhere. */
  #reseed(centroids: Float64Array, j: number): number {
    const { values, n, dims, weights } = this.#options;
    let farthest = 0;
    let most = -1;
    for (let row = 0; row < n; row++) {
      const share = this.#nearest[row]! * (weights === undefined ? 1 : weights[row]!);
      if (share > most) {
        most = share;
        farthest = row;
      }
    }
    this.#nearest[farthest] = 0;
    let shift = 0;
    for (let d = 0; d < dims; d++) {
      const step = values[farthest * dims + d]! - centroids[j * dims + d]!;
      centroids[j * dims + d]! += step;
      shift += step * step;
    }
    return shift;
  }
}
