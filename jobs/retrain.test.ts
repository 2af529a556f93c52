import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EmbeddedBroker } from '../broker/embedded/index.ts';
import type { AppendedAt, Broker } from '../broker/index.ts';
import { bootstrapModel, chooseKernels } from '../clustering/index.ts';
import { StreamRuntime } from '../runtime/index.ts';
import {
  decodeModel,
  encodeModel,
  type Model,
  modelKey,
  PointDecoder,
  RecordBatchBuilder,
  recordKey,
  recordValue,
  topicSpecs,
  topics,
} from '../schemas/index.ts';
import { type Logger, Random, silentLogger, systemClock } from '../support/index.ts';
import { until } from '../test/support/until.ts';
import { clusteringTopology } from '../topology/index.ts';
import {
  type Fit,
  type FitInput,
  fitHere,
  type RetrainOptions,
  type RetrainProgress,
  runRetrain,
} from './index.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const application = 'retrained';
const middles = [
  [0, 0],
  [10, 0],
  [0, 10],
] as const;

let dataDir: string;
let broker: Broker;
let random: Random;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'meanstream-retrain-'));
  broker = new EmbeddedBroker({
    dataDir: join(dataDir, 'log'),
    clock: systemClock,
    logger: silentLogger,
  });
  await broker.connect();
  await broker.createTopics(
    topicSpecs({ partitions: 2, replicationFactor: 1, pointsRetentionMs: -1 }),
  );
  random = new Random(11);
});

afterEach(async () => {
  await broker.close();
  await rm(dataDir, { recursive: true, force: true });
});

const blobPoint = (): number[] => {
  const [x, y] = middles[random.below(3)]!;
  return [x + random.normal(), y + random.normal()];
};

async function append(topic: string, partition: number, rows: [Uint8Array | null, Uint8Array][]) {
  const records = new RecordBatchBuilder();
  for (const [key, value] of rows) records.append(systemClock.nowMs(), key, value);
  const writer = await broker.openWriter();
  const [at] = await writer.append([{ topic, partition, records }]);
  await writer.close();
  return at as AppendedAt;
}

function producePoints(partition: number, count: number): Promise<AppendedAt> {
  const points = Array.from({ length: count }, () => text(JSON.stringify(blobPoint())));
  return append(
    topics.points,
    partition,
    points.map((value) => [null, value]),
  );
}

async function commitPositions(positions: readonly number[]): Promise<void> {
  const writer = await broker.openTransactionalWriter('test');
  const offsets = positions.map((offset, partition) => {
    return { topic: topics.points, partition, offset, metadata: '' };
  });
  await writer.commit({ appends: [], group: application, offsets });
  await writer.close();
}

/** A model of a few points, as a bootstrap leaves it. */
async function publishParent(): Promise<Model> {
  const n = 30;
  const values = new Float32Array(n * 2);
  for (let row = 0; row < n; row++) values.set(blobPoint(), row * 2);
  const { kernels } = chooseKernels();
  const start = bootstrapModel({
    values,
    n,
    dims: 2,
    k: 3,
    seed: 1,
    scaling: true,
    kernels,
  });
  const model: Model = {
    ...start,
    version: '1.0.0',
    parent: null,
    createdAtMs: systemClock.nowMs(),
    origin: 'bootstrap',
    metric: 'euclidean',
    missing: 'reject',
    featureMeans: new Float64Array(0),
    seed: 1,
    features: [],
    clusterIds: ['c1', 'c2', 'c3'],
    nextClusterNumber: 4,
    offsets: {},
    deltaOffset: 1,
    quality: { meanSquaredDistance: 1, imbalance: 1 },
    halfLife: { unit: 'points', value: 1000 },
    landmarkMs: -1,
    codeVersion: 'test',
  };
  for (const version of ['1.0.0', 'current']) {
    await append(topics.models, 0, [[modelKey(version), encodeModel(model)]]);
  }
  return model;
}

const inProcess: Fit = async (input, onProgress) => fitHere(input, onProgress);

function options(more: Partial<RetrainOptions> = {}): RetrainOptions {
  const decoder = new PointDecoder({
    format: 'json',
    bytesMax: 10_000,
    timestampSkewMsMax: 1000,
  });
  return {
    broker,
    group: application,
    seed: 5,
    scaling: true,
    promote: false,
    requestedBy: 'test',
    reason: 'to see',
    codeVersion: 'test',
    decode: (batch, shape) => decoder.decode(batch, shape).points,
    clock: systemClock,
    logger: silentLogger,
    fit: inProcess,
    ...more,
  };
}

async function publishedModel(version: string): Promise<Model | undefined> {
  const [{ end } = { end: 0 }] = await broker.listOffsets(topics.models);
  const reader = broker.openReader({ topic: topics.models, partition: 0 }, 0);
  let found: Model | undefined;
  while (reader.position < end) {
    const batch = await reader.read({ rowsMax: 100, waitMsMax: 0 });
    for (let row = 0; row < batch.n; row++) {
      if (new TextDecoder().decode(recordKey(batch, row)!) !== `default/${version}/0`) continue;
      found = decodeModel(recordValue(batch, row)!);
    }
  }
  await reader.close();
  return found;
}

const endOf = async (topic: string): Promise<number> =>
  (await broker.listOffsets(topic)).reduce((sum, { end }) => sum + end, 0);

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'none',
    (error) => error.code,
  );
}

it('fits what the group has processed, no more, and publishes it as the next minor version', async () => {
  const parent = await publishParent();
  await producePoints(0, 600);
  await producePoints(1, 400);
  await append(topics.points, 1, [[null, text('no point')]]);
  await producePoints(1, 300);
  await commitPositions([600, 501]);
  const seen: RetrainProgress[] = [];
  const report = await runRetrain(options({ onProgress: (progress) => seen.push(progress) }));

  expect(report).toMatchObject({
    version: '1.1.0',
    parent: '1.0.0',
    points: 1100,
    promoted: false,
    idsKept: 3,
    ranges: [
      { partition: 0, from: 0, to: 600, committed: true },
      { partition: 1, from: 0, to: 501, committed: true },
    ],
  });
  expect(report.inertia).toBeLessThanOrEqual(report.parentInertia);
  expect(report.iterations).toBeGreaterThan(0);

  const model = (await publishedModel('1.1.0'))!;
  expect(model).toMatchObject({ origin: 'retrain', parent: '1.0.0', k: 3, deltaOffset: -1 });
  expect(model.offsets).toEqual({ 0: { from: 0, to: 600 }, 1: { from: 0, to: 501 } });
  expect(model.reference).toEqual(model.centroids);
  expect(model.weights.reduce((sum, weight) => sum + weight, 0)).toBe(1100);
  for (const [row, id] of model.clusterIds.entries()) {
    const old = parent.clusterIds.indexOf(id);
    const [x, y] = model.centroids.subarray(row * 2, row * 2 + 2);
    const [oldX, oldY] = parent.centroids.subarray(old * 2, old * 2 + 2);
    expect(Math.hypot(x! - oldX!, y! - oldY!)).toBeLessThan(2);
  }
  expect(await publishedModel('current')).toMatchObject({ version: '1.0.0' });
  expect(await endOf(topics.modelCommands)).toBe(0);

  const replayed = seen.filter((progress) => progress.phase === 'replay');
  expect(replayed.at(-1)).toMatchObject({ records: 1101, of: 1101 });
  expect(seen.filter((progress) => progress.phase === 'fit').length).toBeGreaterThan(0);
});

it('gives the same bits for the same range, seed and k, under a version of its own', async () => {
  await publishParent();
  await producePoints(0, 500);
  await commitPositions([500, 0]);
  const first = await runRetrain(options());
  await producePoints(0, 100);
  const second = await runRetrain(options());
  expect([first.version, second.version]).toEqual(['1.1.0', '1.2.0']);
  const { version: _, createdAtMs: __, ...before } = (await publishedModel('1.1.0'))!;
  const { version: ___, createdAtMs: ____, ...after } = (await publishedModel('1.2.0'))!;
  expect(after).toEqual(before);
});

it('replays to the end of the log where nothing was committed, and says so', async () => {
  await publishParent();
  await producePoints(0, 50);
  await producePoints(1, 60);
  const warnings: object[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => warnings.push(fields) };
  const report = await runRetrain(options({ logger }));
  expect(report.points).toBe(110);
  expect(warnings).toEqual([{ group: application, partitions: [0, 1] }]);
});

it('begins a new major version when k changes', async () => {
  await publishParent();
  await producePoints(0, 300);
  const report = await runRetrain(options({ k: 5 }));
  expect(report.version).toBe('2.0.0');
  const model = (await publishedModel('2.0.0'))!;
  expect(new Set(model.clusterIds).size).toBe(5);
  expect(model.clusterIds.every((id) => /^c[1-6]$/.test(id))).toBe(true);
});

it('publishes a worse candidate, but does not promote it', async () => {
  await publishParent();
  await producePoints(0, 300);
  const worse: Fit = async (input, onProgress) => {
    const output = fitHere(input, onProgress);
    const centroids = output.centroids.map((x) => x + 3);
    return { ...output, centroids, inertia: 2 * output.initialInertia! };
  };
  const report = await runRetrain(options({ fit: worse, promote: true }));
  expect(report.promoted).toBe(false);
  expect(report.inertia).toBeGreaterThan(report.parentInertia);
  expect(await publishedModel('1.1.0')).toBeDefined();
  expect(await endOf(topics.modelCommands)).toBe(0);
});

it('says that nobody promoted when no processor runs, and leaves the command', async () => {
  await publishParent();
  await producePoints(0, 300);
  const retrain = runRetrain(options({ promote: true, promotionWaitMsMax: 300 }));
  expect(await codeOf(retrain)).toBe('MEANSTREAM_FATAL');
  expect(await endOf(topics.modelCommands)).toBe(1);
});

it('refuses to retrain without a model or without points', async () => {
  expect(await codeOf(runRetrain(options()))).toBe('MEANSTREAM_INVALID_SETTING');
  await publishParent();
  expect(await codeOf(runRetrain(options()))).toBe('MEANSTREAM_INVALID_SETTING');
});

it('fits in a worker thread to the same bits', async () => {
  // A worker thread runs the built file.
  const built = new URL('../dist/jobs/fit.js', import.meta.url).href;
  const { fitInWorker } = (await import(built)) as { fitInWorker: Fit };
  const n = 500;
  const values = new Float32Array(new SharedArrayBuffer(n * 2 * 4));
  for (let row = 0; row < n; row++) values.set(blobPoint(), row * 2);
  const weights = new Float32Array(new SharedArrayBuffer(n * 4)).fill(1);
  const problem = { dims: 2, k: 3, seed: 9, scaling: true, metric: 'euclidean' } as const;
  // Points are scaled in place: each fit has its own.
  const input = (): FitInput => ({
    ...{ ...problem, missing: 'reject', weights, pieceRows: [200, 300] },
    values: new Float32Array(values),
  });
  const reports: number[] = [];
  const output = await fitInWorker(input(), ({ inertia }) => reports.push(inertia));
  const expected: number[] = [];
  expect(output).toEqual(fitHere(input(), ({ inertia }) => expected.push(inertia)));
  expect(reports).toEqual(expected);
});

it('is promoted and swapped in while points flow, and each point is assigned once', async () => {
  const runtime = new StreamRuntime({
    topology: clusteringTopology({
      model: { k: 3, seed: 1 },
      bootstrap: { rows: 300, waitMs: 2000 },
      points: { format: 'json', bytesMax: 10_000 },
      codeVersion: 'test',
    }),
    broker,
    applicationId: application,
    instanceId: 'test',
    stateDir: join(dataDir, 'state'),
    storeEngine: 'memory',
    commitIntervalMs: 20,
    clock: systemClock,
  });
  let produced = 0;
  const produce = async () => {
    await Promise.all([producePoints(0, 50), producePoints(1, 50)]);
    produced += 100;
  };
  const assigned = (count: number) => async () => (await endOf(topics.assignments)) >= count;
  for (let i = 0; i < 10; i++) await produce();
  await runtime.start();
  await until('all is assigned', assigned(produced));
  let flowing = true;
  const flow = (async () => {
    while (flowing) {
      await produce();
      await systemClock.sleep(5);
    }
  })();
  const report = await runRetrain(options({ promote: true }));
  expect(report).toMatchObject({ version: '1.1.0', promoted: true });
  expect(report.points).toBeGreaterThanOrEqual(1000);
  const after = produced + 500;
  await until('points come after the retrain', async () => produced >= after);
  flowing = false;
  await flow;
  await until('all is assigned', assigned(produced));
  await runtime.stop();
  expect(await endOf(topics.assignments)).toBe(produced);
  const { version } = (await publishedModel('current'))!;
  expect(version).toMatch(/^1\.1\./);
  expect(await versionsAssigned()).toContain('1.1');
}, 60_000);

/** Generations that assignments were made with; fails when a point was assigned twice. */
async function versionsAssigned(): Promise<string[]> {
  const generations = new Set<string>();
  const sources = new Set<string>();
  for (const { partition, end } of await broker.listOffsets(topics.assignments)) {
    const reader = broker.openReader({ topic: topics.assignments, partition }, 0);
    while (reader.position < end) {
      const batch = await reader.read({ rowsMax: 1000, waitMsMax: 0 });
      for (let row = 0; row < batch.n; row++) {
        const answer = JSON.parse(new TextDecoder().decode(recordValue(batch, row)!));
        generations.add(answer.modelVersion.split('.').slice(0, 2).join('.'));
        const source = `${answer.partition}/${answer.offset}`;
        if (sources.has(source)) expect.fail(`${source} was assigned twice`);
        sources.add(source);
      }
    }
    await reader.close();
  }
  return [...generations];
}
