// The worker thread of recommend-k.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { type ScoreInput, scoreHere } from './recommend-k.ts';

parentPort?.postMessage(scoreHere(workerData as ScoreInput));
