// The fit of a retrain (clustering/ranges/range-fit.ts) over points in memory: what coordinator and workers do, without them, to the
// same bits. Runs in a worker thread, so that the process goes on serving; the points are shared, not copied.
//
// With `model.missing: partial` it is another one (clustering/model-fit.ts): there a point with gaps is at no place of its own.

import { Worker } from 'node:worker_threads';
import {
  Assigner,
  chooseKernels,
  fitRanges,
  MemoryRows,
  type MissingPolicy,
  type ModelFit,
  modelFitSteps,
  type RangeFit,
  type RangeFitProblem,
} from '../clustering/index.ts';
import { stoppedError } from './require-going.ts';

export interface FitInput extends Omit<RangeFitProblem, 'missing'> {
  readonly missing: MissingPolicy;
  /** n × dims, input units; scaled in place. */
  readonly values: Float32Array;
  readonly weights: Float32Array;
  /** The rows of each piece of the plan. */
  readonly pieceRows: readonly number[];
}

export interface FitProgress {
  readonly run: number;
  readonly iteration: number;
  readonly inertia: number;
}

export type FitOutput = Omit<RangeFit, 'missing'> & { readonly missing: MissingPolicy };

export type Fit = (
  input: FitInput,
  onProgress: (progress: FitProgress) => void,
  signal?: AbortSignal,
) => Promise<FitOutput>;

/** In the calling thread. The same input gives the same bits wherever it runs. */
export function fitHere(input: FitInput, onProgress: (progress: FitProgress) => void): FitOutput {
  const { values, weights, pieceRows, missing, ...problem } = input;
  const { kernels } = chooseKernels();
  if (missing === 'partial') return fitPartial(input, onProgress);
  const { dims } = problem;
  let row = 0;
  const ranges = pieceRows.map((rows) => {
    const [from, to] = [row, row + rows];
    row = to;
    const own = values.subarray(from * dims, to * dims);
    return new MemoryRows(own, weights.subarray(from, to), dims, kernels);
  });
  return fitRanges(ranges, { ...problem, missing, kernels, onIteration: onProgress });
}

const partialRuns = 2;

function fitPartial(input: FitInput, onProgress: (progress: FitProgress) => void): FitOutput {
  const { values, weights, dims, k, initial } = input;
  const n = weights.length;
  const { kernels } = chooseKernels();
  const begin = initial?.length === k * dims ? initial : undefined;
  const steps = modelFitSteps({ ...input, n, nInit: partialRuns, initial: begin, kernels });
  let step = steps.next();
  for (; !step.done; step = steps.next()) onProgress(step.value);
  const fit = step.value;
  const sample = { n, values, weights, isExact: true };
  return {
    ...fit,
    // Both by the same arithmetic: rounding must not decide which is better.
    inertia: partialInertia(input, fit, fit.centroids),
    initialInertia: initial && partialInertia(input, fit, initial),
    rows: n,
    weight: weights.reduce((sum, weight) => sum + weight, 0),
    sample,
  };
}

const rowsPerBlock = 8_192;

/** Σ squared distance to the nearest of some centroids, in the space of a fit. */
function partialInertia(
  { values, weights, dims }: FitInput,
  fit: ModelFit,
  centroids: Float64Array,
): number {
  const k = centroids.length / dims;
  const none = { weights: new Float64Array(k), sumSquares: new Float64Array(k) };
  const distanceHistogram = new Float64Array(
    k * (fit.distanceHistogram.length / fit.weights.length),
  );
  const model = { ...fit, k, dims, centroids, ...none, distanceHistogram };
  const assigner = new Assigner(model, chooseKernels().kernels);
  let inertia = 0;
  for (let from = 0; from < weights.length; from += rowsPerBlock) {
    const rows = Math.min(rowsPerBlock, weights.length - from);
    assigner.assign(values.subarray(from * dims, (from + rows) * dims), rows);
    for (let row = 0; row < rows; row++) {
      inertia += weights[from + row]! * assigner.euclidean[row]! ** 2;
    }
  }
  return inertia;
}

export type FitMessage =
  | { readonly type: 'progress'; readonly progress: FitProgress }
  | { readonly type: 'done'; readonly output: FitOutput };

/** In a worker thread of its own. */
export const fitInWorker: Fit = (input, onProgress, signal) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./fit-worker.js', import.meta.url), { workerData: input });
    worker.on('message', (message: FitMessage) => {
      if (message.type === 'progress') onProgress(message.progress);
      else resolve(message.output);
    });
    worker.on('error', reject);
    const stop = () => void worker.terminate();
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    worker.on('exit', (code) => {
      signal?.removeEventListener('abort', stop);
      reject(
        signal?.aborted ? stoppedError() : new Error(`The fit's worker thread ended with ${code}.`),
      );
    });
  });
