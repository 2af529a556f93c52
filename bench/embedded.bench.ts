// The whole pipeline on the embedded log, exactly once: points wait in the log, then the tasks drain them: decode, assign,
// learn, encode, one transaction a task every 100 ms. From the start of the runtime to the last committed offset.
//
// A further run under the sampling profiler says where the time goes; it is not one of those that are timed.

import { join } from 'node:path';
import { EmbeddedBroker } from '../broker/embedded/index.ts';
import type { Broker } from '../broker/index.ts';
import { StreamRuntime } from '../runtime/index.ts';
import { changelogTopic, RecordBatchBuilder, topicSpecs, topics } from '../schemas/index.ts';
import { silentLogger, systemClock } from '../support/index.ts';
import { clusteringTopology, type Topology } from '../topology/index.ts';
import type { Bench, BenchOptions, BenchRow } from './bench.ts';
import { withTemporaryFolder } from './paths.ts';
import { type PointSet, pointSet } from './points.ts';
import { profiled, type Stage, type StageTime } from './profile.ts';
import { measured, medianSample, rounded, type Sample } from './timing.ts';

const dims = 32;
const k = 64;
const partitions = 4;
const nDefault = 500_000;
const bootstrapRows = 2_000;
const application = 'bench';
const rowsPerAppend = 8_192;

export const embeddedBench: Bench = {
  name: 'embedded',
  question: 'How fast does the whole pipeline drain points on the embedded log, exactly once?',
  run: (options) => withTemporaryFolder((folder) => measurePipeline(folder, options)),
};

/** The files through which each stage is entered; `bench/profile.ts` says how they are read. */
const stages: readonly Stage[] = [
  { name: 'read', files: ['embedded/embedded-reader'], keeps: true },
  { name: 'decode', files: ['processors/decode-points'] },
  { name: 'assign', files: ['clustering/assigner'], keeps: true },
  { name: 'accumulate', files: ['clustering/mini-batch'], keeps: true },
  { name: 'quality', files: ['clustering/quality-accumulator'], keeps: true },
  { name: 'encode', files: ['schemas/assignment-encoder'], keeps: true },
  { name: 'commit', files: ['runtime/commit', 'embedded/log-database'], keeps: true },
  { name: 'fold', files: ['processors/fold-centroids'], keeps: true },
];

interface Pipeline {
  readonly broker: Broker;
  readonly topology: Topology;
  readonly points: PointSet;
  readonly folder: string;
}

async function measurePipeline(folder: string, options: BenchOptions): Promise<BenchRow[]> {
  const { smoke, say } = options;
  const n = options.n ?? (smoke ? 50_000 : nDefault);
  const clock = systemClock;
  const logger = silentLogger;
  const broker = new EmbeddedBroker({ dataDir: join(folder, 'log'), clock, logger });
  await broker.connect();
  try {
    const points = pointSet({ n: Math.max(n, bootstrapRows), dims, k, noise: 0.5, seed: 1 });
    const pipeline: Pipeline = { broker, topology: topology(), points, folder };
    await createTopics(pipeline);
    say(`learning the first model from ${bootstrapRows} points`);
    await fill(pipeline, bootstrapRows);
    await drain(pipeline);
    say(`draining ${n} points, four times, then once under the profiler`);
    const samples: Sample[] = [];
    for (let round = 0; round <= (smoke ? 1 : 3); round++) {
      await fill(pipeline, n);
      samples.push(await drain(pipeline));
    }
    await fill(pipeline, n);
    const times = await profiled(stages, () => drain(pipeline));
    await checkOncePerPoint(pipeline);
    return [drainRow(n, medianSample(samples.slice(1))), ...stageRows(n, times)];
  } finally {
    await broker.close();
  }
}

function topology(): Topology {
  return clusteringTopology({
    model: { k, dimensions: dims, seed: 1 },
    bootstrap: { rows: bootstrapRows, waitMs: 5_000 },
    points: { format: 'float32', bytesMax: 1_048_576 },
    codeVersion: 'bench',
  });
}

async function createTopics({ broker, topology: graph }: Pipeline): Promise<void> {
  const replicationFactor = 1;
  const stores = graph.subTopologies().flatMap((piece) => piece.stores);
  await broker.createTopics([
    ...topicSpecs({ partitions, replicationFactor, pointsRetentionMs: -1 }),
    ...stores.map(({ name }) => ({
      ...{ name: changelogTopic(application, name), partitions: 1, replicationFactor },
      configs: { 'cleanup.policy': 'compact' },
    })),
  ]);
}

/** n points with keys, spread over the partitions. */
async function fill({ broker, points }: Pipeline, n: number): Promise<void> {
  const writer = await broker.openWriter();
  const encoder = new TextEncoder();
  const bytes = new Uint8Array(points.values.buffer);
  const width = dims * 4;
  for (let from = 0, partition = 0; from < n; from += rowsPerAppend) {
    const records = new RecordBatchBuilder(rowsPerAppend, rowsPerAppend * (width + 8));
    for (let row = from; row < Math.min(n, from + rowsPerAppend); row++) {
      const value = bytes.subarray(row * width, (row + 1) * width);
      records.append(Date.now(), encoder.encode(`p-${row}`), value);
    }
    await writer.append([{ topic: topics.points, partition, records }]);
    partition = (partition + 1) % partitions;
  }
  await writer.close();
}

/** Until the group has committed all that is in the log. */
async function drain({ broker, topology: graph, folder }: Pipeline): Promise<Sample> {
  const ends = await broker.listOffsets(topics.points);
  let failure: Error | undefined;
  const runtime = new StreamRuntime({
    topology: graph,
    broker,
    applicationId: application,
    instanceId: 'bench-1',
    stateDir: join(folder, 'state'),
    clock: systemClock,
    onFatal: (error) => {
      failure = error;
    },
  });
  const inputs = ends.map(({ partition }) => ({ topic: topics.points, partition }));
  const isDrained = async () => {
    if (failure !== undefined) throw failure;
    const committed = await broker.committedOffsets(application, inputs);
    return ends.every(
      ({ partition, end }) =>
        end === 0 || committed.some((at) => at.partition === partition && at.offset === end),
    );
  };
  const sample = await measured(async () => {
    await runtime.start();
    while (!(await isDrained())) await systemClock.sleep(5);
  });
  await runtime.stop();
  return sample;
}

/** The claim in the name of the case: as many assignments as points, no dead letter. */
async function checkOncePerPoint({ broker }: Pipeline): Promise<void> {
  const [points, assignments, deadLetters] = await Promise.all(
    [topics.points, topics.assignments, topics.deadLetters].map((topic) => countOf(broker, topic)),
  );
  if (assignments === points && deadLetters === 0) return;
  throw new Error(
    `${points} points gave ${assignments} assignments and ${deadLetters} dead letters.`,
  );
}

async function countOf(broker: Broker, topic: string): Promise<number> {
  const offsets = await broker.listOffsets(topic);
  return offsets.reduce((sum, { end }) => sum + end, 0);
}

function drainRow(n: number, { seconds, cpuSeconds }: Sample): BenchRow {
  return {
    ...{ case: `exactly-once d=${dims} K=${k}`, n, d: dims, k, peer: 'none' },
    ...{ ours: rounded(n / seconds), theirs: null, unit: 'points/s', ratio: null },
    cpuSecondsPerMillion: rounded((cpuSeconds / n) * 1e6),
  };
}

/** Under the profiler and beside other programs the seconds are too many; the shares hold. */
function stageRows(n: number, times: readonly StageTime[]): BenchRow[] {
  const total = times.reduce((sum, { seconds }) => sum + seconds, 0);
  return times.map(({ stage, seconds }) => ({
    ...{ case: `where the time goes: ${stage}`, n, d: dims, k, peer: 'none' },
    ...{ ours: rounded((seconds / n) * 1e6), theirs: null, unit: 's/million points', ratio: null },
    share: rounded(seconds / total),
  }));
}
