// The worker thread of bootstrap-thread.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { bootstrapModel } from './bootstrap.ts';
import type { BootstrapProblem } from './bootstrap-thread.ts';
import { chooseKernels } from './kernels/choose-kernels.ts';

const { kernels } = chooseKernels();
parentPort?.postMessage(bootstrapModel({ ...(workerData as BootstrapProblem), kernels }));
