// The worker thread of fit-thread.ts.

import { parentPort, workerData } from 'node:worker_threads';
import {
  chooseKernels,
  type RangeFitProblem,
  rangeFitSteps,
  type StepAnswer,
} from '../../clustering/index.ts';
import { MeanstreamError } from '../../support/index.ts';
import type { FitThreadMessage } from './fit-thread.ts';

const send = (message: FitThreadMessage): void => parentPort?.postMessage(message);
const steps = rangeFitSteps(workerData as RangeFitProblem, {
  kernels: chooseKernels().kernels,
  onIteration: (report) => send({ type: 'iteration', report }),
});

parentPort?.on('message', (answer: StepAnswer) => {
  try {
    send({ type: 'next', next: steps.next(answer) });
  } catch (error) {
    if (!(error instanceof MeanstreamError)) throw error;
    send({ type: 'failed', code: error.code, message: error.message });
  }
});
