// Lloyd's k-means over all points at once, by several threads.
//
// 1. Seed by greedy k-means++ (seeding.ts).
// 2. Assign every point to its nearest centroid, but for those whose label the triangle inequality proves (pruning.ts).
// 3. Keep Σw, Σw·(x − r) and Σw·‖x − r‖² per cluster, float64, about the centroids r of the run's beginning: from a change
//    of label to the next only the points that changed are added and taken out (fit-pass.ts).
// 4. Move each centroid to r + Σw·(x − r) / Σw, and with cosine on to its direction (spherical.ts). An empty cluster takes the
//    point that is farthest from its own centroid. Where such steps have become small, momentum carries them on (momentum.ts).
// 5. Again, until the centroids' squared shift is within tolerance, or no label changes, after a step without momentum.
//
// The best of `nInit` runs is then tried with one centroid elsewhere (centroid-swaps.ts), again and again: a few iterations
// show whether that leads to less, and if so they go on to the end and it is the new best. At most as many iterations as the
// runs made, but for the last one's, and it stops after 3 + k / 2 vain trials in a row. Never worse.
//
// Same rows, order, seed and parameters: same bits, whatever the number of threads, the
// chunks and the kernels, and with or without pruning. At most O(n · k · dims) an iteration, near O(n) at the end.

import { availableParallelism } from 'node:os';
import { assert, Random } from '../support/index.ts';
import { CentroidSwaps } from './centroid-swaps.ts';
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
  /** Runs from k-means++ seeds. May be 0 when there is `initial`: then there is a run from there and no swap. */
  readonly nInit?: number;
  /** k × dims, in the space of the values: one more run, the first, begins here; so the result is no worse than these. */
  readonly initial?: Float64Array | undefined;
  /** The calling one included; default: as many as this process may use, where there is work enough. */
  readonly threads?: number;
  /** False measures every point to every centroid. */
  readonly pruning?: boolean;
  /** False makes every iteration Lloyd's own. */
  readonly momentum?: boolean;
  /** Rows of one kernel call. */
  readonly chunkRows?: number;
  readonly onIteration?: (report: IterationReport) => void;
}

export interface IterationReport {
  /** 0 begins at `initial`, 1 … nInit at k-means++ seeds, each further one at the best so far with a centroid swapped. */
  readonly run: number;
  readonly iteration: number;
  /** Of the labels just given, before the centroids move. Where it has risen, momentum went too far: that is taken back. */
  readonly inertia: number;
  /** The sum over centroids of how far their labels' means are, squared. */
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
const nInitDefault = 5;
const iterationsMaxDefault = 300;
/** Iterations that show whether a swap pays. Of 3, 5 and 8, fewer miss some, and more cost what further swaps could use. */
const foresight = 5;
/** A fall by less is what more iterations of the same run give. */
const swapGainMin = 1e-5;

function vainSwapsMax(k: number): number {
  return 3 + Math.floor(k / 2);
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
  const { nInit = nInitDefault, seed, initial, values, n, dims, k, weights, kernels } = options;
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
    let iterations = 0;
    for (let run = initial === undefined ? 1 : 0; run <= nInit; run++) {
      const points = { values, n, dims, k, weights, random, kernels };
      const begin = run === 0 ? initial! : seedCentroids(points);
      const fit = (yield* lloyd(options, run, new LloydRun(state, team, options, begin)))!;
      iterations += fit.iterations;
      if (best === undefined || fit.inertia < best.inertia) best = fit;
    }
    if (nInit === 0) return best!;
    const search = { options, state, team, random, iterationsMax: iterations };
    return yield* improveBySwaps(best!, search);
  } finally {
    team.stop();
  }
}

interface SwapSearch {
  readonly options: FullBatchOptions;
  readonly state: FitState;
  readonly team: ThreadTeam;
  readonly random: Random;
  /** After so many no further swap is tried. */
  readonly iterationsMax: number;
}

/** A fit that was cut short is left as it is: its way down is Lloyd's. */
function* improveBySwaps(
  fit: FullBatchFit,
  { options, state, team, random, iterationsMax }: SwapSearch,
): Generator<IterationReport, FullBatchFit> {
  const { k, nInit = nInitDefault } = options;
  if (k === 1 || fit.iterations >= (options.iterationsMax ?? iterationsMaxDefault)) return fit;
  const swaps = new CentroidSwaps(options);
  let best = fit;
  let vain = 0;
  swaps.begin(best.centroids);
  for (let run = nInit + 1, made = 0; vain < vainSwapsMax(k) && made < iterationsMax; run++) {
    if (!(best.inertia > 0)) break;
    const steps = new LloydRun(state, team, options, swaps.propose(random));
    const toBeat = best.inertia * (1 - swapGainMin);
    const swapped = yield* lloyd(options, run, steps, toBeat);
    made += swapped?.iterations ?? foresight;
    vain += 1;
    if (swapped === undefined || swapped.inertia >= toBeat) continue;
    best = swapped;
    vain = 0;
    swaps.begin(best.centroids);
  }
  return best;
}

/** @returns undefined when it is not below `toBeat` after a few iterations */
function* lloyd(
  { iterationsMax = iterationsMaxDefault }: FullBatchOptions,
  run: number,
  steps: LloydRun,
  toBeat = Infinity,
): Generator<IterationReport, FullBatchFit | undefined> {
  let iteration = 0;
  while (iteration < iterationsMax) {
    const { measured, inertia } = steps.assign();
    iteration += 1;
    const shift = steps.move(iteration === iterationsMax);
    yield { run, iteration, inertia, shift, measured };
    if (iteration === foresight && inertia >= toBeat) return undefined;
    if (steps.hasConverged) break;
  }
  return { ...steps.finish(), iterations: iteration };
}

function threadsFor({ threads, n, dims, k }: FullBatchOptions, { parts }: FitState): number {
  const enough = n * dims * k >= threadedWorkMin && parts > 1;
  const wanted = threads ?? (enough ? availableParallelism() : 1);
  assert(wanted >= 1, 'a fit has at least one thread');
  return wanted > 1 && threadsAvailable() ? Math.min(wanted, parts) : 1;
}
