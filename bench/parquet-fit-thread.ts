// A thread of parquet-fit.ts: packs its row groups into segments, then answers for them.

import { parentPort, workerData } from 'node:worker_threads';
import { chooseKernels, type Step } from '../clustering/index.ts';
import { RangeHolder, type ReplayedRows } from '../jobs/index.ts';
import { openParquet } from '../sources/index.ts';
import type { ParquetFitReply, ParquetFitThread } from './parquet-fit.ts';

const { path, folder, seed, ranges } = workerData as ParquetFitThread;
const file = await openParquet(path);
const holder = new RangeHolder({
  ...{ folder, dims: file.features.length, seed, kernels: chooseKernels().kernels },
  ...{ diskBytesMax: 1e12, memoryBytesMax: 1e12, encrypted: false },
});
let block: Float32Array = new Float32Array(0);
for (const range of ranges) await holder.pack(range, rowsOf(range));
block = new Float32Array(0);

parentPort!.on('message', (step: Step) =>
  say(ranges.map((range) => holder.work(range)!.answerAtOnce(step))),
);
say('packed');

async function* rowsOf(range: number): AsyncGenerator<ReplayedRows> {
  const n = file.groupRows[range]!;
  const values = await file.read(range, block);
  if (values.length > block.length) block = values;
  yield { values, weights: undefined, n, records: n };
}

function say(reply: ParquetFitReply): void {
  parentPort!.postMessage(reply);
}
