// A retrain over more data than its workers hold in memory, on a Kafka of its own, which carries all that coordinator and workers say
// to each other; points come from a generator. The centroids must have the same bytes in every row of a size, or the bench fails.
//
// - `N workers`: threads of this process, as in `meanstream retrain --workers N`. `ours` is an iteration of Lloyd's (all answers of a
//   step, from its request to the next), `theirs` the same threads reading all their segments once, with checksums, and doing nothing
//   else. `rssShare` is the largest resident memory of the process, coordinator and all, over the data.
// - `one … of 4 workers`: four processes on what cores there are, the last of them held up by SIGSTOP. `ours` is the whole job, `theirs`
//   the same job undisturbed. Other workers then take its ranges over, and have to make (elsewhere: replay) them first.

import { join } from 'node:path';
import type { Broker } from '../broker/index.ts';
import { KafkaBroker } from '../broker/kafka/index.ts';
import { chooseKernels, type RangeFit, rangeFitSteps } from '../clustering/index.ts';
import { Coordinator, JobLog } from '../jobs/index.ts';
import { type JobRange, type RetrainJob, topicSpecs } from '../schemas/index.ts';
import { silentLogger, systemClock } from '../support/index.ts';
import type { Bench, BenchOptions, BenchRow } from './bench.ts';
import { withOwnKafka } from './kafka.ts';
import { withTemporaryFolder } from './paths.ts';
import { Fleet, type FleetOptions } from './retrain-fleet.ts';
import { median, rounded } from './timing.ts';

const dims = 32;
const k = 64;
const nDefault = 20_000_000;
/** Of the row with the most data, in multiples of the others'. */
const large = 5;
const rangeRows = 500_000;
const iterationsOfRow = { small: 10, large: 4, straggler: 20 };
const log = { clock: systemClock, logger: silentLogger };

export const retrainBench: Bench = {
  name: 'retrain',
  question:
    'How much memory does a retrain take against its data, an iteration against only reading it, and a job with a straggler?',
  run: (options) =>
    withOwnKafka(async (bootstrapServers) => {
      const broker = new KafkaBroker({ bootstrapServers, clientId: 'bench', ...log });
      await broker.connect();
      try {
        await broker.createTopics(
          topicSpecs({ partitions: 1, replicationFactor: 1, pointsRetentionMs: -1 }),
        );
        const arena = { broker, bootstrapServers, smoke: options.smoke };
        return [...(await bySize(arena, options)), ...(await byStraggler(arena, options))];
      } finally {
        await broker.close();
      }
    }),
};

interface Arena {
  readonly broker: Broker;
  readonly bootstrapServers: string;
  readonly smoke: boolean;
}

function sizeOf({ n, smoke }: BenchOptions): number {
  return n ?? (smoke ? 40_000 : nDefault);
}

async function bySize(arena: Arena, options: BenchOptions): Promise<BenchRow[]> {
  const n = sizeOf(options);
  const { small, large: few } = iterationsOfRow;
  const courses: Course[] = [1, 2, 4].map((workers) => ({ n, workers, iterations: small }));
  courses.push({ n: large * n, workers: 2, iterations: few });
  const rows: BenchRow[] = [];
  const fits: RangeFit[] = [];
  for (const course of courses) {
    options.say(`${course.n} points, ${course.workers} workers`);
    const job = await runJob(arena, { ...course, as: 'threads' });
    if (course.n === n) fits.push(job.fit);
    requireSame(fits);
    const [ours, theirs] = [rounded(median(job.iterationSeconds)), rounded(job.readSeconds)];
    const rssShare = rounded(job.rssMax / (course.n * dims * 4));
    options.say(`  iteration ${ours} s, reading ${theirs} s, RSS ${rssShare} of the data`);
    rows.push({
      ...{ case: `${course.workers} workers`, n: course.n, d: dims, k },
      ...{ peer: 'reading the segments', ours, theirs, unit: 's', ratio: rounded(theirs / ours) },
      ...{ rssShare, seconds: rounded(job.seconds), iterations: course.iterations },
    });
  }
  return rows;
}

const stopMs = 400;
const goMs = 100;

async function byStraggler(arena: Arena, options: BenchOptions): Promise<BenchRow[]> {
  const n = sizeOf(options);
  const { straggler: iterations } = iterationsOfRow;
  const run = (disturb?: Disturbance) =>
    runJob(arena, { n, workers: 4, iterations, as: 'processes', ...(disturb && { disturb }) });
  options.say(`${n} points, 4 processes`);
  const undisturbed = await run();
  options.say(`  ${rounded(undisturbed.seconds)} s`);
  const rows: BenchRow[] = [];
  for (const [name, disturb] of Object.entries(disturbances)) {
    const { seconds, fit } = await run(disturb);
    requireSame([undisturbed.fit, fit]);
    options.say(`${name}: ${rounded(seconds)} s`);
    rows.push({
      ...{ case: `one ${name} of 4 workers`, n, d: dims, k, peer: 'undisturbed', unit: 's' },
      ...{ ours: rounded(seconds), theirs: rounded(undisturbed.seconds) },
      ...{ ratio: rounded(undisturbed.seconds / seconds), iterations },
    });
  }
  return rows;
}

/** Begins with the job; is told of iterations; ends it when the function that it returns is called. */
type Disturbance = (fleet: Fleet) => {
  readonly onIteration: (iteration: number, seconds: number) => void;
  readonly end: () => void;
};

const disturbances: Readonly<Record<string, Disturbance>> = {
  'stopped in iteration 3, for good,': (fleet) => ({
    onIteration(iteration, seconds) {
      if (iteration === 2) setTimeout(() => fleet.signal('SIGSTOP'), 500 * seconds);
    },
    end: () => fleet.signal('SIGCONT'),
  }),
  [`stopped ${stopMs} of ${stopMs + goMs} ms`]: (fleet) => {
    let go: NodeJS.Timeout | undefined;
    const stop = setInterval(() => {
      fleet.signal('SIGSTOP');
      go = setTimeout(() => fleet.signal('SIGCONT'), stopMs);
    }, stopMs + goMs);
    const end = () => {
      clearInterval(stop);
      clearTimeout(go);
      fleet.signal('SIGCONT');
    };
    return { onIteration() {}, end };
  },
};

interface Course extends Pick<FleetOptions, 'workers'> {
  readonly n: number;
  readonly iterations: number;
}

interface JobOptions extends Course, Pick<FleetOptions, 'as'> {
  readonly disturb?: Disturbance;
}

interface JobResult {
  readonly fit: RangeFit;
  readonly seconds: number;
  readonly iterationSeconds: readonly number[];
  readonly readSeconds: number;
  readonly rssMax: number;
}

let jobs = 0;

function runJob(arena: Arena, options: JobOptions): Promise<JobResult> {
  const application = `bench-${++jobs}`;
  return withTemporaryFolder(async (folder) => {
    const jobLog = await JobLog.open({ broker: arena.broker, application, clock: systemClock });
    const job = jobOf(options.n, arena.smoke ? 10_000 : rangeRows, application);
    await jobLog.begin(job, []);
    const { workers, as } = options;
    const { bootstrapServers } = arena;
    const segments = join(folder, 'segments');
    const fleet = await Fleet.start({
      ...{ bootstrapServers, application, folder: segments, centres: k, workers, as },
    });
    try {
      const coordinator = new Coordinator({
        ...{ broker: arena.broker, log: jobLog, job, workers, ...log },
        ...{ workerTimeoutMs: 10_000, workersWaitMsMax: 60_000 },
      });
      return await measured(coordinator, fleet, options);
    } finally {
      await fleet.stop();
      await jobLog.close();
    }
  });
}

function jobOf(n: number, size: number, name: string): RetrainJob {
  const ranges: JobRange[] = Array.from({ length: Math.ceil(n / size) }, (_, i) => {
    return { partition: 0, from: i * size, to: Math.min(n, (i + 1) * size) };
  });
  return {
    ...{ type: 'job', job: name, request: null, ranges, shape: { dims, features: [] } },
    ...{ metric: 'euclidean', missing: 'reject', seed: 1, plan: null },
  };
}

async function measured(
  coordinator: Coordinator,
  fleet: Fleet,
  { iterations, as, disturb }: JobOptions,
): Promise<JobResult> {
  const problem = {
    ...({ dims, k, seed: 1, metric: 'euclidean', missing: 'reject', scaling: true } as const),
    ...{ iterationsMax: iterations, tolerance: 0 },
  };
  let rssMax = 0;
  const stopWatching = systemClock.every(100, () => {
    rssMax = Math.max(rssMax, process.memoryUsage.rss());
  });
  const iterationSeconds: number[] = [];
  const disturbance = disturb?.(fleet);
  const startedMs = performance.now();
  let lastMs: number | undefined;
  const onIteration = ({ iteration }: { readonly iteration: number }) => {
    const nowMs = performance.now();
    // The first one's request is not seen from here.
    if (lastMs !== undefined) iterationSeconds.push((nowMs - lastMs) / 1_000);
    lastMs = nowMs;
    disturbance?.onIteration(iteration, iterationSeconds.at(-1) ?? 0);
  };
  try {
    const { kernels } = chooseKernels();
    const fit = await coordinator.run(rangeFitSteps(problem, { kernels, onIteration }));
    const seconds = (performance.now() - startedMs) / 1_000;
    const readSeconds = as === 'threads' ? await fleet.read() : 0;
    return { fit, seconds, iterationSeconds, readSeconds, rssMax };
  } finally {
    disturbance?.end();
    stopWatching();
  }
}

function requireSame([first, ...others]: readonly RangeFit[]): void {
  for (const { centroids } of others) {
    if (centroids.every((value, i) => Object.is(value, first!.centroids[i]))) continue;
    throw new Error('The same points gave other centroids.');
  }
}
