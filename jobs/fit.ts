// The fit of a retrain: scaler, then full-batch k-means, over points in memory. Runs in a worker thread, so that the
// process goes on serving, and starts more where there are cores and work for them; the points are shared, not copied.

import { Worker } from 'node:worker_threads';
import {
  chooseKernels,
  fitScaler,
  fullBatchSteps,
  identityScaler,
  type Scaler,
  scalePoints,
  unscalePoints,
} from '../clustering/index.ts';

export interface FitInput {
  /** n × dims, input units. */
  readonly values: Float32Array;
  readonly weights: Float32Array;
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  readonly seed: number;
  readonly scaling: boolean;
  readonly runs: number;
  /** k × dims, input units: where one more run begins. */
  readonly initial?: Float64Array | undefined;
}

export interface FitProgress {
  readonly run: number;
  readonly iteration: number;
  readonly inertia: number;
}

export interface FitOutput {
  readonly mean: Float64Array;
  readonly scale: Float64Array;
  /** k × dims, input units. */
  readonly centroids: Float64Array;
  readonly weights: Float64Array;
  readonly sumSquares: Float64Array;
  readonly distanceHistogram: Float64Array;
  /** n */
  readonly labels: Int32Array;
  readonly inertia: number;
  readonly iterations: number;
}

export type Fit = (
  input: FitInput,
  onProgress: (progress: FitProgress) => void,
) => Promise<FitOutput>;

/** In the calling thread. The same input gives the same bits wherever it runs. */
export function fitHere(input: FitInput, onProgress: (progress: FitProgress) => void): FitOutput {
  const { values, weights, n, dims, k, seed, scaling, runs, initial } = input;
  const scaler = scaling ? fitScaler(values, n, dims, weights) : identityScaler(dims);
  const scaled = new Float32Array(new SharedArrayBuffer(n * dims * 4));
  scalePoints(values, n, dims, scaler.mean, scaler.scale, scaled);
  const { kernels } = chooseKernels();
  const steps = fullBatchSteps({
    ...{ values: scaled, n, dims, k, weights, seed, kernels },
    nInit: runs,
    initial: initial && scaledCentroids(initial, k, dims, scaler),
  });
  for (;;) {
    const step = steps.next();
    if (!step.done) {
      onProgress(step.value);
      continue;
    }
    const { centroids, ...fit } = step.value;
    return { ...fit, ...scaler, centroids: unscalePoints(centroids, k, dims, scaler) };
  }
}

function scaledCentroids(
  centroids: Float64Array,
  k: number,
  dims: number,
  { mean, scale }: Scaler,
): Float64Array {
  return Float64Array.from(centroids.subarray(0, k * dims), (value, i) => {
    return (value - mean[i % dims]!) / scale[i % dims]!;
  });
}

export type FitMessage =
  | { readonly type: 'progress'; readonly progress: FitProgress }
  | { readonly type: 'done'; readonly output: FitOutput };

/** In a worker thread of its own. */
export const fitInWorker: Fit = (input, onProgress) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./fit-worker.js', import.meta.url), { workerData: input });
    worker.on('message', (message: FitMessage) => {
      if (message.type === 'progress') onProgress(message.progress);
      else resolve(message.output);
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`The fit's worker thread ended with ${code}.`)));
  });
