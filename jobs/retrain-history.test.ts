// A retrain of what the log no longer has: from the coreset of an earlier one, and what is newer.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EmbeddedBroker } from '../broker/embedded/index.ts';
import { chooseKernels, fitFullBatch, rangeFitSteps } from '../clustering/index.ts';
import { modelOf } from '../gateway/testing/gateway-fixture.ts';
import {
  bytesOf,
  decodeModel,
  encodeColumnMessage,
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
import { ArtifactStore, FolderBlobs } from '../state-stores/index.ts';
import { Random, silentLogger, systemClock } from '../support/index.ts';
import { openLog } from '../test/support/embedded-log.ts';
import {
  fitHere,
  forgetCoresets,
  pointsOf,
  type RetrainOptions,
  RetrainWorker,
  readCoreset,
  runRetrain,
  type TeamOptions,
} from './index.ts';

const dims = 6;
const groups = 12;
const application = 'history';
const partitions = 2;
const all = 240_000;
const rowsPerBatch = 1_000;

let folder: string;
let broker: EmbeddedBroker;
let artifacts: ArtifactStore;
let values: Float32Array;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meanstream-history-'));
  broker = await openLog(folder);
  artifacts = new ArtifactStore(new FolderBlobs(join(folder, 'artifacts')));
});

afterEach(async () => {
  await broker.close();
  await rm(folder, { recursive: true, force: true });
});

/** The last three groups come late, the first three have gone by then, and one is small. */
function drifting(): Float32Array {
  const random = new Random(17);
  const centres = Float64Array.from({ length: groups * dims }, () => 30 * random.float());
  const points = new Float32Array(all * dims);
  for (let row = 0; row < all; row++) {
    const isLate = row > 0.8 * all;
    let group = random.below(groups - 3) + (isLate ? 3 : 0);
    if (random.float() < 0.002) group = groups - 4;
    for (let d = 0; d < dims; d++) {
      points[row * dims + d] = centres[group * dims + d]! + random.normal();
    }
  }
  return points;
}

/** Points from ≤ row < to, in turn to the partitions. */
async function produce(from: number, to: number): Promise<void> {
  const writer = await broker.openWriter();
  const header = [
    { key: 'content-type', value: Buffer.from('application/vnd.meanstream.float32') },
  ];
  for (let at = from; at < to; at += rowsPerBatch) {
    const records = new RecordBatchBuilder();
    for (let row = at; row < at + rowsPerBatch; row++) {
      const value = bytesOf(values.subarray(row * dims, (row + 1) * dims));
      records.append(systemClock.nowMs(), null, value, header);
    }
    const partition = (at / rowsPerBatch) % partitions;
    await writer.append([{ topic: topics.points, partition, records }]);
  }
  await writer.close();
}

async function setUp(retentionBytes: number, middle = 0): Promise<void> {
  const specs = topicSpecs({ partitions, replicationFactor: 1, pointsRetentionMs: -1 });
  await broker.createTopics(
    specs.map((spec) =>
      spec.name === topics.points
        ? { ...spec, configs: { ...spec.configs, 'retention.bytes': String(retentionBytes) } }
        : spec,
    ),
  );
  const parent = modelOf(
    Array.from({ length: groups }, (_, i) => new Array(dims).fill(middle + i)),
  );
  const records = new RecordBatchBuilder();
  for (const version of [parent.version, 'current']) {
    records.append(systemClock.nowMs(), modelKey(version), encodeModel(parent));
  }
  const writer = await broker.openWriter();
  await writer.append([{ topic: topics.models, partition: 0, records }]);
  await writer.close();
}

function options(more: Partial<RetrainOptions> = {}): RetrainOptions {
  const decoder = new PointDecoder({ format: 'json', bytesMax: 10_000, timestampSkewMsMax: 1_000 });
  return {
    ...{ broker, group: application, seed: 5, scaling: true, promote: false, artifacts },
    ...{ requestedBy: 'test', reason: 'to see', codeVersion: 'test' },
    decode: (batch, shape) => decoder.decode(batch, shape).points,
    ...{ clock: systemClock, logger: silentLogger },
    fit: async (input, onProgress) => fitHere(input, onProgress),
    ...more,
  };
}

async function published(version: string): Promise<Model> {
  const [{ end } = { end: 0 }] = await broker.listOffsets(topics.models);
  const reader = broker.openReader({ topic: topics.models, partition: 0 }, 0);
  let found: Model | undefined;
  while (reader.position < end) {
    const batch = await reader.read({ rowsMax: 100, waitMsMax: 0 });
    for (let row = 0; row < batch.n; row++) {
      const name = new TextDecoder().decode(recordKey(batch, row)!);
      if (name === `default/${version}/0`) found = decodeModel(recordValue(batch, row)!);
    }
  }
  await reader.close();
  return found!;
}

/** Σ squared distance of all points there ever were, in one scale. */
function inertiaOn({ centroids, k }: Model): number {
  const { kernels } = chooseKernels();
  const panels = kernels.prepare(Float32Array.from(centroids), k, dims);
  const squares = new Float32Array(all);
  kernels.nearest(values, all, panels, new Int32Array(all), squares);
  return squares.reduce((sum, square) => sum + square, 0);
}

it('is within 2 % of a fit on everything when the log has lost its first 80 %', async () => {
  values = drifting();
  await setUp(2_350_000);
  await produce(0, 0.85 * all);
  const first = await runRetrain(options());
  expect(first.history).toMatchObject({ exactPoints: 0.85 * all, summaryPoints: 0, exactShare: 1 });
  const kept = (await readCoreset(artifacts, application))!;
  expect(kept.artifact).toBe(first.history.coreset);
  expect(kept.coreset.points).toBe(0.85 * all);
  expect(kept.coreset.n).toBeLessThan(0.1 * all);

  await produce(0.85 * all, all);
  await broker.maintain();
  const offsets = await broker.listOffsets(topics.points);
  const left = offsets.reduce((sum, { logStart, end }) => sum + end - logStart, 0);
  expect(left / all).toBeGreaterThan(0.15);
  expect(left / all).toBeLessThan(0.21);

  const second = await runRetrain(options());
  expect(second.points).toBe(all);
  expect(second.history).toMatchObject({
    ...{ exactPoints: 0.15 * all, summaryPoints: 0.85 * all, summaryRows: kept.coreset.n },
    exactShare: 0.15,
  });
  const found = inertiaOn(await published(second.version));
  const { kernels } = chooseKernels();
  const whole = fitFullBatch({ values, n: all, dims, k: groups, seed: 1, kernels, nInit: 5 });
  expect(found / whole.inertia).toBeLessThan(1.02);

  const forgetful = await runRetrain(options({ fromCoreset: false }));
  expect(forgetful.points).toBe(left);
  const without = inertiaOn(await published(forgetful.version));
  expect(without / whole.inertia).toBeGreaterThan(1.5);
}, 120_000);

it('gives the same bits by workers as in memory, with a coreset to begin with too', async () => {
  values = drifting();
  await setUp(-1);
  await produce(0, 60_000);
  const stop = new AbortController();
  const workers = ['w1', 'w2'].map((workerId) =>
    new RetrainWorker({
      ...{ broker, application, workerId, folder: join(folder, 'segments') },
      ...{ diskBytesMax: 1e9, memoryBytesMax: 1e9, encrypted: false, heartbeatMs: 100 },
      async *openRange({ shape }, range) {
        const { decode } = options();
        for await (const { points, n, records } of pointsOf(range, { broker, shape, decode })) {
          yield { values: points.values, weights: points.weights, n, records };
        }
      },
      ...{ clock: systemClock, logger: silentLogger },
    }).run(stop.signal),
  );
  const team: TeamOptions = {
    ...{ workers: 2, workerTimeoutMs: 5_000, workersWaitMsMax: 5_000 },
    openSteps: (problem, onIteration) =>
      rangeFitSteps(problem, { kernels: chooseKernels().kernels, onIteration }),
  };
  const found: Buffer[][] = [];
  for (const more of [{ team }, {}]) {
    artifacts = new ArtifactStore(new FolderBlobs(join(folder, `artifacts-${found.length}`)));
    await commit(20_000);
    const one = await runRetrain(options(more));
    expect(one.history).toMatchObject({ exactPoints: 40_000, summaryPoints: 0 });
    await commit(30_000);
    const two = await runRetrain(options(more));
    expect(two.history).toMatchObject({ exactPoints: 20_000, summaryPoints: 40_000 });
    const three = await runRetrain(options(more));
    expect(three.history).toMatchObject({ exactPoints: 0, summaryPoints: 60_000 });
    const bytes = [one, two, three].map(async ({ version }) =>
      withoutName(await published(version)),
    );
    found.push(await Promise.all(bytes));
  }
  stop.abort();
  await Promise.all(workers);
  expect(found[0]!.map((bytes, i) => bytes.equals(found[1]![i]!))).toEqual([true, true, true]);
}, 120_000);

/** The bytes of a version, but for its number and its time. */
function withoutName(model: Model): Buffer {
  return Buffer.from(encodeModel({ ...model, version: '1.1.0', createdAtMs: 0 }));
}

it('begins with no coreset of other models, though they have its names and the log its offsets', async () => {
  values = drifting();
  await setUp(-1);
  await produce(0, 20_000);
  await runRetrain(options());
  const same = await runRetrain(options());
  expect(same.history).toMatchObject({ exactPoints: 0, summaryPoints: 20_000 });

  const kept = await readCoreset(artifacts, application);
  await broker.deleteTopics([topics.points, topics.models]);
  await setUp(-1, 7);
  await produce(0, 30_000);
  const anew = await runRetrain(options());
  expect(anew.history).toMatchObject({ exactPoints: 30_000, summaryPoints: 0 });
  expect(anew.history.coreset).not.toBe(kept!.artifact);

  await forgetCoresets(artifacts, application);
  expect(await readCoreset(artifacts, application)).toBeUndefined();
}, 60_000);

it('leaves a coreset of a release that wrote no lineage, says so, and leaves one of its own', async () => {
  values = drifting();
  await setUp(-1);
  await produce(0, 20_000);
  await runRetrain(options());
  const { lineage: _, artifact: __, ...old } = (await readCoreset(artifacts, application))!;
  const stored = await artifacts.put(encodeColumnMessage({ type: 'coreset', ...old }));
  const ref = `coresets/${application}`;
  await artifacts.swapRef(ref, stored, (await artifacts.readRef(ref))?.tag);

  const warned: [object, string][] = [];
  const logger = { ...silentLogger, warn: (...said: [object, string]) => warned.push(said) };
  const after = await runRetrain(options({ logger }));
  expect(after.history).toMatchObject({ exactPoints: 20_000, summaryPoints: 0 });
  expect(warned).toContainEqual([
    { artifact: stored, lineage: undefined },
    expect.stringMatching(/not used: it does not say beside which models/),
  ]);
  const kept = await readCoreset(artifacts, application);
  expect(kept).toMatchObject({ artifact: after.history.coreset, lineage: { generation: '1.0' } });
}, 60_000);

async function commit(offset: number): Promise<void> {
  const writer = await broker.openTransactionalWriter('test');
  const offsets = Array.from({ length: partitions }, (_, partition) => {
    return { topic: topics.points, partition, offset, metadata: '' };
  });
  await writer.commit({ appends: [], group: application, offsets });
  await writer.close();
}
