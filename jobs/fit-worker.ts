// The worker thread of fit.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { type FitInput, type FitMessage, fitHere } from './fit.ts';

const send = (message: FitMessage): void => parentPort?.postMessage(message);
const output = fitHere(workerData as FitInput, (progress) => send({ type: 'progress', progress }));
send({ type: 'done', output });
