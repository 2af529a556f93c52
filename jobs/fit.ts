// The fit of a retrain (clustering/model-fit.ts) over points in memory. Runs in a worker thread, so that the
// process goes on serving, and starts more where there are cores and work for them; the points are shared, not copied.

import { Worker } from 'node:worker_threads';
import {
  chooseKernels,
  type ModelFit,
  modelFitSteps,
  type SpaceFitOptions,
} from '../clustering/index.ts';

export interface FitInput extends SpaceFitOptions {
  readonly weights: Float32Array;
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

export type FitOutput = ModelFit;

export type Fit = (
  input: FitInput,
  onProgress: (progress: FitProgress) => void,
) => Promise<FitOutput>;

/** In the calling thread. The same input gives the same bits wherever it runs. */
export function fitHere(input: FitInput, onProgress: (progress: FitProgress) => void): FitOutput {
  const { runs, ...options } = input;
  const { kernels } = chooseKernels();
  const steps = modelFitSteps({ ...options, nInit: runs, kernels });
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    onProgress(step.value);
  }
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
