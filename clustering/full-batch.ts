// Lloyd's k-means over all points at once, by several threads.
//
// 1. Seed by greedy k-means++ (seeding.ts).
// 2. Assign every point to its nearest centroid, but for those whose label the triangle inequality proves (pruning.ts).
// 3. Keep Σw, Σw·(x − r) and Σw·‖x − r‖² per cluster, float64, about the centroids r of the run's beginning: from a change
//    of label to the next only the points that changed are added and taken out (fit-pass.ts).
// 4. Move each centroid to r + Σw·(x − r) / Σw, and with cosine on to its direction (spherical.ts). An empty cluster takes the
//    point that is farthest from its own centroid.
// 5. Again, until the centroids' squared shift is within tolerance, or no label changes.
//
// The best of `nInit` runs wins. Same rows, order, seed and parameters: same bits, whatever the number of threads, the
// chunks and the kernels, and with or without pruning. At most O(n · k · dims) an iteration, near O(n) at the end.

import { availableParallelism } from 'node:os';
import { assert, Random } from '../support/index.ts';
import { distanceBins } from './distance-histogram.ts';
import { chunkRowsDefault } from './fit-pass.ts';
import { type FitState, fitState } from './fit-state.ts';
import type { Kernels } from './kernels/kernels.ts';
import { LloydRun } from './lloyd-run.ts';
import type { Metric } from './metric.ts';
import { type PointSource, sharedSource } from './point-blocks.ts';
import { seedCentroids } from './seeding.ts';
import { ThreadTeam, threadsAvailable } from './thread-team.ts';

export interface FullBatchOptions {
  /** n × dims, scaled. Copied once for the threads unless it is on a SharedArrayBuffer. */
  readonly values: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  readonly weights?: Float32Array | undefined;
  readonly seed: number;
  readonly kernels: Kernels;
  /** Default: Euclidean. With cosine the values are unit vectors, and so are the centroids. */
  readonly metric?: Metric;
  readonly iterationsMax?: number;
  /** Relative to the mean variance of a feature, as in scikit-learn: of the centroids' squared shift. */
  readonly tolerance?: number;
  /** The same in the values' own units, squared; the larger one counts. */
  readonly absoluteTolerance?: number;
  /** Runs from k-means++ seeds; may be 0 when there is `initial`. */
  readonly nInit?: number;
  /** k × dims, in the space of the values: one more run, the first, begins here; so the result is no worse than these. */
  readonly initial?: Float64Array | undefined;
  /** The calling one included; default: as many as this process may use, where there is work enough. */
  readonly threads?: number;
  /** False measures every point to every centroid. */
  readonly pruning?: boolean;
  /** Rows of one kernel call. */
  readonly chunkRows?: number;
  readonly onIteration?: (report: IterationReport) => void;
}

export interface IterationReport {
  /** 0 begins at `initial`, 1 … nInit at k-means++ seeds. */
  readonly run: number;
  readonly iteration: number;
  /** Of the labels just given, before the centroids move. */
  readonly inertia: number;
  readonly shift: number;
  /** Points that were measured to all centroids: the others' labels were proven. */
  readonly measured: number;
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

/** Squared differences of one pass below which another thread takes longer to start than it saves. */
const threadedWorkMin = 5e6;

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
  const { nInit = 5, seed, initial, values, n, dims, k, weights, kernels } = options;
  assert(nInit >= 1 || initial !== undefined, 'a fit has somewhere to begin');
  const state = fitState({ n, dims, k }, distanceBins);
  const threads = threadsFor(options, state);
  const given: PointSource = { type: 'memory', n, dims, values, weights };
  const source = threads > 1 ? sharedSource(given) : given;
  const chunkRows = options.chunkRows ?? chunkRowsDefault;
  const team = new ThreadTeam(state, source, kernels, { threads, chunkRows });
  try {
    const random = new Random(seed);
    let best: FullBatchFit | undefined;
    for (let run = initial === undefined ? 1 : 0; run <= nInit; run++) {
      const begin = run === 0 ? initial! : seedCentroids({ values, n, dims, k, weights, random });
      const fit = yield* lloyd(options, run, new LloydRun(state, team, options, begin));
      if (best === undefined || fit.inertia < best.inertia) best = fit;
    }
    return best!;
  } finally {
    team.stop();
  }
}

function* lloyd(
  { iterationsMax = 300 }: FullBatchOptions,
  run: number,
  steps: LloydRun,
): Generator<IterationReport, FullBatchFit> {
  let iteration = 0;
  while (iteration < iterationsMax) {
    const { changed, measured, inertia } = steps.assign();
    const shift = steps.move();
    iteration += 1;
    yield { run, iteration, inertia, shift, measured };
    if (shift <= steps.shiftMax || (changed === 0 && !steps.hasEmpty)) break;
  }
  return { ...steps.finish(), iterations: iteration };
}

function threadsFor({ threads, n, dims, k }: FullBatchOptions, { parts }: FitState): number {
  const enough = n * dims * k >= threadedWorkMin && parts > 1;
  const wanted = threads ?? (enough ? availableParallelism() : 1);
  assert(wanted >= 1, 'a fit has at least one thread');
  return wanted > 1 && threadsAvailable() ? Math.min(wanted, parts) : 1;
}
