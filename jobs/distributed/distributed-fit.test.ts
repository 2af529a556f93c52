import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../broker/embedded/index.ts';
import type { Broker } from '../../broker/index.ts';
import {
  chooseKernels,
  fitRanges,
  MemoryRows,
  type RangeFit,
  type RangeFitProblem,
  type RangeIteration,
  rangeFitSteps,
} from '../../clustering/index.ts';
import { type RetrainJob, topicSpecs } from '../../schemas/index.ts';
import { Random, silentLogger, systemClock } from '../../support/index.ts';
import { Coordinator } from './coordinator.ts';
import { JobLog, unfinishedJob } from './job-log.ts';
import { RetrainWorker, type RetrainWorkerOptions } from './retrain-worker.ts';

const dims = 4;
const n = 24_000;
const rangeRows = 3_000;
const application = 'test';
const { kernels } = chooseKernels();
const problem: RangeFitProblem = {
  ...{ dims, k: 8, seed: 3, metric: 'euclidean', missing: 'reject', scaling: true },
  sampleRows: 1_000,
};
const values = (() => {
  const random = new Random(5);
  const centres = Float64Array.from({ length: 10 * dims }, () => 8 * random.float());
  return Float32Array.from({ length: n * dims }, (_, i) => {
    const group = (Math.floor(i / dims) * 7) % 10;
    return centres[group * dims + (i % dims)]! + random.normal();
  });
})();
const ranges = Array.from({ length: n / rangeRows }, (_, i) => {
  return { partition: i % 2, from: i * rangeRows, to: (i + 1) * rangeRows };
});
const expected: RangeFit = fitRanges(
  ranges.map(({ from, to }) => {
    return new MemoryRows(values.slice(from * dims, to * dims), undefined, dims, kernels);
  }),
  { ...problem, kernels },
);

let folder: string;
let broker: Broker;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meanstream-job-'));
  broker = new EmbeddedBroker({
    ...{ dataDir: join(folder, 'log'), clock: systemClock, logger: silentLogger },
  });
  await broker.connect();
  await broker.createTopics(
    topicSpecs({ partitions: 2, replicationFactor: 1, pointsRetentionMs: -1 }),
  );
});

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await broker.close();
  await rm(folder, { recursive: true, force: true });
});

function run(
  workerId: string,
  more: Partial<RetrainWorkerOptions>,
  signal: AbortSignal,
): Promise<void> {
  return new RetrainWorker({
    ...{ broker, application, workerId, folder: join(folder, 'segments') },
    ...{ diskBytesMax: 1e9, memoryBytesMax: 1e9, encrypted: false, heartbeatMs: 50 },
    async *openRange(_job, { from, to }) {
      for (let at = from; at < to; at += 500) {
        const rows = values.slice(at * dims, (at + 500) * dims);
        yield { values: rows, weights: undefined, n: 500, records: 500 };
      }
    },
    ...{ clock: systemClock, logger: silentLogger },
    ...more,
  }).run(signal);
}

/** @returns a function that ends it as a killed one ends: it says no word more */
function startWorker(name: string, more: Partial<RetrainWorkerOptions> = {}): () => Promise<void> {
  const controller = new AbortController();
  const running = run(name, more, controller.signal);
  const stop = async () => {
    controller.abort();
    await running;
  };
  stops.push(stop);
  return stop;
}

const job: RetrainJob = {
  ...{ type: 'job', job: 'job-1', request: null, ranges, shape: { dims, features: [] } },
  ...{ metric: 'euclidean', missing: 'reject', seed: problem.seed, plan: null },
};

interface CoordinatorRun {
  readonly workers?: number;
  readonly signal?: AbortSignal;
  readonly onIteration?: (report: RangeIteration) => void;
  readonly onReplayed?: (records: number) => void;
}

async function coordinate({ workers = 1, signal, onIteration, onReplayed }: CoordinatorRun = {}) {
  const log = await JobLog.open({ broker, application, clock: systemClock });
  try {
    if (log.unfinished === undefined) await log.begin(job, []);
    const coordinator = new Coordinator({
      ...{ broker, log, job, workers, signal, onReplayed },
      ...{ clock: systemClock, logger: silentLogger },
      ...{ workerTimeoutMs: 1_000, workersWaitMsMax: 5_000 },
    });
    const fit = await coordinator.run(rangeFitSteps(problem, { kernels, onIteration }));
    await log.end({ type: 'end', job: job.job, outcome: 'done', reason: '' });
    return fit;
  } finally {
    await log.close();
  }
}

it.each([1, 2, 4])('gives with %i workers what one thread gives without any', async (workers) => {
  for (let i = 0; i < workers; i++) startWorker(`w${i}`);
  let replayed = 0;
  const onReplayed = (records: number) => {
    replayed = records;
  };
  expect(await coordinate({ workers, onReplayed })).toEqual(expected);
  // More where a worker was late, and another replayed its range too.
  expect(replayed).toBeGreaterThanOrEqual(n);
  for (const stop of stops.splice(0)) await stop();
  expect(await readdir(join(folder, 'segments'))).toEqual([]);
});

it('gives the same with encrypted segments', async () => {
  startWorker('w', { encrypted: true });
  expect(await coordinate()).toEqual(expected);
});

it('gives the same when workers leave and come while it runs', async () => {
  const leave = startWorker('w1');
  startWorker('w2');
  let iterations = 0;
  const fit = await coordinate({
    workers: 2,
    onIteration() {
      iterations += 1;
      if (iterations === 1) void leave();
      if (iterations === 2) startWorker('w3');
    },
  });
  expect(fit).toEqual(expected);
});

it('gives the same when the coordinator stops in every step and another goes on', async () => {
  startWorker('w1');
  startWorker('w2');
  let fit: RangeFit | undefined;
  let stopped = 0;
  for (let attempt = 1; fit === undefined; attempt++) {
    const controller = new AbortController();
    let iterations = 0;
    const onIteration = () => {
      iterations += 1;
      if (iterations === attempt) controller.abort();
    };
    fit = await coordinate({ workers: 2, signal: controller.signal, onIteration }).catch(
      (error) => {
        expect(error).toMatchObject({ code: 'MEANSTREAM_JOB_CANCELLED' });
        stopped += 1;
        return undefined;
      },
    );
  }
  expect(fit).toEqual(expected);
  expect(stopped).toBeGreaterThan(0);
});

it('is stopped when another coordinator takes the job over', async () => {
  startWorker('w1');
  let other: Promise<RangeFit> | undefined;
  const first = coordinate({
    onIteration() {
      other ??= coordinate();
    },
  });
  await expect(first).rejects.toMatchObject({ code: 'MEANSTREAM_JOB_CANCELLED' });
  expect(await other).toEqual(expected);
});

it('ends a worker that was to work once, with the job or when none comes', async () => {
  const once = new AbortController();
  startWorker('w');
  const worked = run('once', { onceWithinMs: 20_000 }, once.signal);
  expect(await coordinate({ workers: 2 })).toEqual(expected);
  await worked;
  await run('idle', { onceWithinMs: 100 }, once.signal);
});

it('takes a job for none whose rows are not all there', async () => {
  const log = await JobLog.open({ broker, application, clock: systemClock });
  const summary = { partition: -1, from: 0, to: 2 };
  const cut = { ...job, ranges: [summary, ...ranges] };
  await log.begin(cut, []);
  await log.close();
  const looked = { broker, application };
  expect(await unfinishedJob(looked)).toBeUndefined();
  const next = await JobLog.open({ ...looked, clock: systemClock });
  const rows = { values: new Float32Array(2 * dims), weights: new Float32Array(2) };
  await next.begin(cut, [{ type: 'rows', job: job.job, range: 0, ...rows }]);
  await next.close();
  expect((await unfinishedJob(looked))?.job).toEqual(cut);
});

it('says that there are no workers, and keeps the job', async () => {
  await expect(coordinate()).rejects.toMatchObject({ code: 'MEANSTREAM_DEPENDENCY_DOWN' });
  startWorker('w');
  expect(await coordinate()).toEqual(expected);
});

it('fails with the reason of a worker that cannot go on', async () => {
  startWorker('w', { memoryBytesMax: 100_000 });
  await expect(coordinate()).rejects.toMatchObject({ code: 'MEANSTREAM_INVALID_SETTING' });
});
