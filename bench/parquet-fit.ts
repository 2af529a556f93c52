// Ours in `retrain-spark`, as a process of its own: Parquet → segments → fit over ranges, a thread for each core. What a retrain does
// with workers on several machines, with threads in their place and messages between them instead of topics.
//
// parquet-fit.js FILE K ITERATIONS SEED THREADS SEGMENTS_FOLDER CENTROIDS_OUT. A row group is a range. Prints one line of JSON.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  AnswerCombiner,
  chooseKernels,
  type RangeFit,
  rangeFitSteps,
  type Step,
  type StepAnswer,
} from '../clustering/index.ts';
import { openParquet } from '../sources/index.ts';

/** What a thread is started with. */
export interface ParquetFitThread {
  readonly path: string;
  /** Of its own; made and deleted by it. */
  readonly folder: string;
  readonly seed: number;
  readonly ranges: readonly number[];
}

/** What a thread says: first that its ranges are packed, then its answers to each step, in the order of its ranges. */
export type ParquetFitReply = 'packed' | readonly StepAnswer[];

const [path, folder, out] = [process.argv[2]!, process.argv[7]!, process.argv[8]!];
const [k, iterations, seed, threads] = process.argv.slice(3, 7).map(Number) as [
  ...[number, number, number, number],
];

const startedMs = performance.now();
const { features, groupRows } = await openParquet(path);
const team = Array.from({ length: threads }, (_, i) => {
  const ranges = [...groupRows.keys()].filter((range) => range % threads === i);
  const workerData: ParquetFitThread = { path, folder: join(folder, `${i}`), seed, ranges };
  return new Worker(join(import.meta.dirname, 'parquet-fit-thread.js'), { workerData });
});
await Promise.all(team.map(reply));
const packedMs = performance.now();
let lloydMs = 0;
const fit = await run();
const endedMs = performance.now();
writeFileSync(out, fit.centroids);
await Promise.all(team.map((thread) => thread.terminate()));
const seconds = {
  seconds: (endedMs - startedMs) / 1_000,
  packing: (packedMs - startedMs) / 1_000,
  lloyd: lloydMs / 1_000,
};
process.stdout.write(`${JSON.stringify({ ...seconds, iterations: fit.iterations })}\n`);

async function run(): Promise<RangeFit> {
  const dims = features.length;
  const { kernels } = chooseKernels();
  const problem = {
    ...({ dims, k, seed, metric: 'euclidean', missing: 'reject', scaling: false } as const),
    ...{ iterationsMax: iterations, tolerance: 0 },
  };
  const steps = rangeFitSteps(problem, { kernels });
  let next = steps.next();
  while (!next.done) {
    const step = next.value;
    const before = performance.now();
    const answer = await askAll(step, dims);
    if (step.kind === 'lloyd') lloydMs += performance.now() - before;
    next = steps.next(answer);
  }
  return next.value;
}

/** The answers are added in the order of ranges, whichever thread has them. */
async function askAll(step: Step, dims: number): Promise<StepAnswer> {
  for (const thread of team) thread.postMessage(step);
  const answers = (await Promise.all(team.map(reply))) as StepAnswer[][];
  const combiner = new AnswerCombiner(step, dims);
  for (const range of groupRows.keys()) {
    combiner.add(answers[range % threads]![Math.floor(range / threads)]!);
  }
  return combiner.result();
}

async function reply(thread: Worker): Promise<ParquetFitReply> {
  const [message] = await once(thread, 'message');
  return message as ParquetFitReply;
}
