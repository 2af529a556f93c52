// A gateway over an embedded log in a folder of its own, for tests: with helpers that write what processors would.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedBroker } from '../../broker/embedded/index.ts';
import type { Broker } from '../../broker/index.ts';
import { distanceBins } from '../../clustering/index.ts';
import {
  type Assignment,
  encodeModel,
  type Model,
  modelKey,
  RecordBatchBuilder,
  topicSpecs,
  topics,
} from '../../schemas/index.ts';
import { Metrics, silentLogger, systemClock } from '../../support/index.ts';
import { Gateway, type GatewayOptions } from '../server.ts';

export interface GatewayFixture {
  readonly broker: Broker;
  readonly gateway: Gateway;
  readonly metrics: Metrics;
  readonly url: string;
  readonly stateDir: string;
  append(topic: string, partition: number, records: readonly FixtureRecord[]): Promise<number>;
  publishModel(model: Model): Promise<void>;
  /** Stops the gateway and starts another over the same log and state. */
  restart(): Promise<GatewayFixture>;
  stop(): Promise<void>;
}

export interface FixtureRecord {
  readonly key: string | Uint8Array | null;
  readonly value: string | Uint8Array | null;
}

export const fixturePartitions = 2;

export async function startGateway(options: Partial<GatewayOptions> = {}): Promise<GatewayFixture> {
  const dir = mkdtempSync(join(tmpdir(), 'gateway-'));
  const broker = new EmbeddedBroker({
    dataDir: join(dir, 'log'),
    clock: systemClock,
    logger: silentLogger,
  });
  await broker.connect();
  await broker.createTopics(
    topicSpecs({ partitions: fixturePartitions, replicationFactor: 1, pointsRetentionMs: -1 }),
  );
  return over(broker, dir, options);
}

async function over(
  broker: Broker,
  dir: string,
  options: Partial<GatewayOptions>,
): Promise<GatewayFixture> {
  const metrics = new Metrics();
  const stateDir = join(dir, 'state');
  const gateway = new Gateway({
    broker,
    host: '127.0.0.1',
    port: 0,
    applicationId: 'test',
    stateDir,
    points: { format: 'json', bytesMax: 65_536, dims: 0, features: [] },
    clock: systemClock,
    logger: silentLogger,
    metrics,
    ...options,
  });
  const { url } = await gateway.start();
  const writer = await broker.openWriter();

  const append: GatewayFixture['append'] = async (topic, partition, records) => {
    const [appended] = await writer.append([{ topic, partition, records: recordsOf(records) }]);
    return appended!.baseOffset;
  };
  return {
    broker,
    gateway,
    metrics,
    url,
    stateDir,
    append,
    publishModel: async (model) => {
      const value = encodeModel(model);
      const key = modelKey('current');
      await append(topics.models, 0, [
        { key: modelKey(model.version), value },
        { key, value },
      ]);
      const isKnown = () => gateway.status().model?.version === model.version;
      while (!isKnown()) await systemClock.sleep(5);
    },
    restart: async () => {
      await gateway.stop();
      await writer.close();
      return over(broker, dir, options);
    },
    stop: async () => {
      await gateway.stop();
      await writer.close();
      await broker.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function recordsOf(records: readonly FixtureRecord[]): RecordBatchBuilder {
  const builder = new RecordBatchBuilder();
  for (const { key, value } of records) builder.append(1_700_000_000_000, bytes(key), bytes(value));
  return builder;
}

function bytes(text: string | Uint8Array | null): Uint8Array | null {
  return typeof text === 'string' ? new TextEncoder().encode(text) : text;
}

/** A model of these centroids without a scaler. */
export function modelOf(centroids: readonly (readonly number[])[], version = '1.0.0'): Model {
  const k = centroids.length;
  const dims = centroids[0]!.length;
  const flat = Float64Array.from(centroids.flat());
  return {
    ...{ version, parent: null, createdAtMs: 1_700_000_000_000, origin: 'bootstrap' },
    ...{ k, dims, metric: 'euclidean', missing: 'reject', seed: 1, features: [] },
    featureMeans: new Float64Array(0),
    clusterIds: centroids.map((_, i) => `c${i + 1}`),
    nextClusterNumber: k + 1,
    centroids: flat,
    weights: Float64Array.from(centroids, (_, i) => 100 * (i + 1)),
    sumSquares: new Float64Array(k).fill(100),
    distanceHistogram: new Float64Array(k * distanceBins),
    mean: new Float64Array(dims),
    scale: new Float64Array(dims).fill(1),
    reference: flat.slice(),
    offsets: { 0: { from: 0, to: 10 } },
    deltaOffset: 0,
    quality: { meanSquaredDistance: 1, imbalance: 1 },
    halfLife: { unit: 'points', value: 1000 },
    landmarkMs: -1,
    codeVersion: 'test',
  };
}

export function assignmentRecord(given: Partial<Assignment> & { offset: number }): FixtureRecord {
  const assignment: Assignment = {
    key: null,
    clusterId: 'c1',
    distance: 0.5,
    margin: 0.25,
    outlierScore: 0.1,
    modelVersion: '1.0.0',
    partition: 0,
    timestamp: 1_700_000_000_000,
    ...given,
  };
  const { key, partition, offset } = assignment;
  return { key: key ?? `${partition}-${offset}`, value: JSON.stringify(assignment) };
}
