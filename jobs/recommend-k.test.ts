import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EmbeddedBroker } from '../broker/embedded/index.ts';
import type { Broker } from '../broker/index.ts';
import { modelOf } from '../gateway/testing/gateway-fixture.ts';
import {
  encodeModel,
  modelKey,
  PointDecoder,
  RecordBatchBuilder,
  topicSpecs,
  topics,
} from '../schemas/index.ts';
import { Random, silentLogger, systemClock } from '../support/index.ts';
import {
  type RecommendKOptions,
  type RecommendKProgress,
  runRecommendK,
  scoreHere,
} from './index.ts';

const application = 'counted';
const middles = [
  [0, 0],
  [100, 0],
  [0, 100],
  [100, 100],
  [50, 220],
] as const;

let dataDir: string;
let broker: Broker;
let random: Random;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'meanstream-recommend-'));
  const log = { clock: systemClock, logger: silentLogger };
  broker = new EmbeddedBroker({ dataDir, ...log });
  await broker.connect();
  await broker.createTopics(
    topicSpecs({ partitions: 2, replicationFactor: 1, pointsRetentionMs: -1 }),
  );
  random = new Random(5);
});

afterEach(async () => {
  await broker.close();
  await rm(dataDir, { recursive: true, force: true });
});

async function append(topic: string, partition: number, rows: [string | null, Uint8Array][]) {
  const records = new RecordBatchBuilder();
  const encoder = new TextEncoder();
  for (const [key, value] of rows) {
    records.append(systemClock.nowMs(), key === null ? null : encoder.encode(key), value);
  }
  const writer = await broker.openWriter();
  await writer.append([{ topic, partition, records }]);
  await writer.close();
}

function producePoints(partition: number, count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, i) => {
    const [x, y] = middles[i % middles.length]!;
    const vector = [x + 4 * random.normal(), y + 4 * random.normal()];
    return [null, new TextEncoder().encode(JSON.stringify(vector))] as [null, Uint8Array];
  });
  return append(topics.points, partition, rows);
}

async function publishModel(): Promise<void> {
  const model = modelOf([
    [0, 0],
    [100, 100],
  ]);
  const key = new TextDecoder().decode(modelKey('current'));
  await append(topics.models, 0, [[key, encodeModel(model)]]);
}

function options(more: Partial<RecommendKOptions> = {}): RecommendKOptions {
  const decoder = new PointDecoder({ format: 'json', bytesMax: 10_000, timestampSkewMsMax: 1_000 });
  return {
    ...{ broker, group: application, kMax: 8, seed: 1, clock: systemClock },
    decode: (batch, shape) => decoder.decode(batch, shape).points,
    score: async (input) => scoreHere(input),
    ...more,
  };
}

it('recommends the number of groups in the log, from all partitions, with the curve of every K', async () => {
  await publishModel();
  await producePoints(0, 6_000);
  await append(topics.points, 0, [[null, new TextEncoder().encode('no point')]]);
  await producePoints(1, 4_000);
  const seen: RecommendKProgress[] = [];
  const report = await runRecommendK(options({ onProgress: (progress) => seen.push(progress) }));
  expect(report).toMatchObject({ k: 5, currentK: 2, modelVersion: '1.0.0', points: 10_000 });
  expect(report.coresetPoints).toBeLessThanOrEqual(4_100);
  expect(report.curve.map(({ k }) => k)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(report.ranges).toMatchObject([
    { partition: 0, from: 0, to: 6_001 },
    { partition: 1, from: 0, to: 4_000 },
  ]);
  expect(seen.at(-1)).toEqual({ records: 10_001, of: 10_001 });
});

it('gives the same answer for the same range and seed', async () => {
  await publishModel();
  await producePoints(0, 9_000);
  const { durationMs: _, ...first } = await runRecommendK(options());
  const { durationMs: __, ...second } = await runRecommendK(options());
  expect(second).toEqual(first);
});

it('refuses without a model, and without points', async () => {
  const refused = expect.objectContaining({ code: 'MEANSTREAM_INVALID_SETTING' });
  await expect(runRecommendK(options())).rejects.toEqual(refused);
  await publishModel();
  await expect(runRecommendK(options())).rejects.toEqual(refused);
});

it('scores in a worker thread to the same bits', async () => {
  // A worker thread runs the built file.
  const built = new URL('../dist/jobs/recommend-k.js', import.meta.url).href;
  const { runRecommendK: runBuilt } = (await import(built)) as {
    runRecommendK: typeof runRecommendK;
  };
  await publishModel();
  await producePoints(0, 2_000);
  const { score: _, ...withWorker } = options();
  const { durationMs: __, ...expected } = await runRecommendK(options());
  const { durationMs: ___, ...found } = await runBuilt(withWorker);
  expect(found).toEqual(expected);
});
