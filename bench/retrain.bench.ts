// A retrain over more data than its workers hold in memory: how much memory it takes against the data, and how long an iteration
// takes against only reading the segments. Coordinator and workers on one thread of one process, over an embedded log; points come
// from a generator. With 1, 2 and 4 workers the result must have the same bytes, or the bench fails.
//
// `ours` is an iteration of Lloyd's (all answers of a step, from its request to the next), `theirs` reading every segment once, with
// its checksums: what no iteration over segments can be faster than. `rssShare` is the largest resident memory over the data.

import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { EmbeddedBroker } from '../broker/embedded/index.ts';
import { chooseKernels, type RangeFit, rangeFitSteps } from '../clustering/index.ts';
import { Coordinator, JobLog, RetrainWorker } from '../jobs/index.ts';
import { type JobRange, type RetrainJob, topicSpecs } from '../schemas/index.ts';
import { Random, silentLogger, systemClock } from '../support/index.ts';
import type { Bench, BenchOptions, BenchRow } from './bench.ts';
import { withTemporaryFolder } from './paths.ts';
import { median, rounded } from './timing.ts';

const dims = 32;
const k = 64;
const nDefault = 20_000_000;
const rangeRows = 500_000;
const batchRows = 8_192;
const iterations = 10;

export const retrainBench: Bench = {
  name: 'retrain',
  question:
    'How much memory does a retrain take against its data, and an iteration against only reading it?',
  async run(options) {
    const n = options.n ?? (options.smoke ? 40_000 : nDefault);
    const rows: BenchRow[] = [];
    let first: RangeFit | undefined;
    for (const workers of [1, 2, 4]) {
      options.say(`${n} points, ${workers} workers`);
      const { row, fit } = await withTemporaryFolder((folder) =>
        measure(folder, n, workers, options),
      );
      first ??= fit;
      if (!sameNumbers(fit.centroids, first.centroids)) {
        throw new Error(`${workers} workers gave other centroids than one.`);
      }
      options.say(
        `  iteration ${row.ours} s, reading ${row.theirs} s, RSS ${row.rssShare} of the data`,
      );
      rows.push(row);
    }
    return rows;
  },
};

async function measure(
  folder: string,
  n: number,
  workers: number,
  { smoke }: BenchOptions,
): Promise<{ row: BenchRow; fit: RangeFit }> {
  const log = { clock: systemClock, logger: silentLogger };
  const broker = new EmbeddedBroker({ dataDir: join(folder, 'log'), ...log });
  await broker.connect();
  await broker.createTopics(
    topicSpecs({ partitions: 1, replicationFactor: 1, pointsRetentionMs: -1 }),
  );
  const size = smoke ? 10_000 : rangeRows;
  const ranges: JobRange[] = Array.from({ length: Math.ceil(n / size) }, (_, i) => {
    return { partition: 0, from: i * size, to: Math.min(n, (i + 1) * size) };
  });
  const segments = join(folder, 'segments');
  const stop = new AbortController();
  const running = Array.from({ length: workers }, (_, i) =>
    new RetrainWorker({
      ...{ broker, application: 'bench', workerId: `w${i}`, folder: segments, ...log },
      ...{ diskBytesMax: 1e12, memoryBytesMax: 1e12, encrypted: false, heartbeatMs: 500 },
      openRange: (_job, range) => generated(range),
    }).run(stop.signal),
  );
  const job: RetrainJob = {
    ...{ type: 'job', job: 'bench', ranges, shape: { dims, features: [] } },
    ...{ metric: 'euclidean', missing: 'reject', seed: 1, plan: null },
  };
  let rssMax = 0;
  const stopWatching = systemClock.every(100, () => {
    rssMax = Math.max(rssMax, process.memoryUsage.rss());
  });
  const jobLog = await JobLog.open({ broker, application: 'bench', clock: systemClock });
  await jobLog.begin(job, []);
  const coordinator = new Coordinator({
    ...{ broker, log: jobLog, job, workers, ...log },
    ...{ workerTimeoutMs: 600_000, workersWaitMsMax: 60_000 },
  });
  const startedMs = performance.now();
  const at: number[] = [];
  let readSeconds = 0;
  const { kernels } = chooseKernels();
  const problem = {
    ...({ dims, k, seed: 1, metric: 'euclidean', missing: 'reject', scaling: true } as const),
    ...{ iterationsMax: iterations, tolerance: 0 },
  };
  const onIteration = () => {
    at.push(performance.now());
    if (at.length !== iterations) return;
    // While they are there: read once more, and nothing else done.
    const before = performance.now();
    readSegments(segments);
    readSeconds = (performance.now() - before) / 1_000;
  };
  const fit = await coordinator.run(rangeFitSteps(problem, { kernels, onIteration }));
  const seconds = (performance.now() - startedMs) / 1_000;
  stop.abort();
  await Promise.all(running);
  stopWatching();
  await jobLog.close();
  await broker.close();
  const ours = rounded(median(at.slice(1).map((ms, i) => ms - at[i]!)) / 1_000);
  const theirs = rounded(readSeconds);
  const row: BenchRow = {
    ...{ case: `${workers} workers on one thread`, n, d: dims, k, peer: 'reading the segments' },
    ...{ ours, theirs, unit: 's', ratio: theirs > 0 ? rounded(theirs / ours) : 0 },
    ...{ rssShare: rounded(rssMax / (n * dims * 4)), seconds: rounded(seconds), iterations },
  };
  return { row, fit };
}

/** Points about 64 centres; each range has a seed of its own. */
async function* generated({ from, to }: JobRange) {
  const random = new Random(1);
  const centres = Float32Array.from({ length: k * dims }, () => 2 * random.float() - 1);
  const own = new Random(from + 7);
  const values = new Float32Array(batchRows * dims);
  for (let at = from; at < to; at += batchRows) {
    const n = Math.min(batchRows, to - at);
    for (let row = 0; row < n; row++) {
      const centre = own.below(k) * dims;
      // Two uniform numbers: fast, and as good as normal ones here.
      for (let d = 0; d < dims; d++) {
        const u = own.uint32();
        const noise = ((u & 0xffff) + (u >>> 16)) / 65_536 - 1;
        values[row * dims + d] = centres[centre + d]! + noise;
      }
    }
    yield { values, weights: undefined, n, records: n };
  }
}

function sameNumbers(a: Float64Array, b: Float64Array): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}

/** Every segment of every worker, a megabyte at a time, with a checksum as a worker makes it. */
function readSegments(folder: string): void {
  const block = Buffer.alloc(1_048_576);
  for (const worker of readdirSync(folder)) {
    for (const name of readdirSync(join(folder, worker))) {
      const file = openSync(join(folder, worker, name), 'r');
      for (;;) {
        const read = readSync(file, block, 0, block.length, null);
        if (read === 0) break;
        crc32c(block.subarray(0, read));
      }
      closeSync(file);
    }
  }
}
