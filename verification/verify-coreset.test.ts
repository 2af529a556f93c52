// Versions whose beginning the log has lost: made again from range, parent and coreset, as files that are read, changed and deleted.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EmbeddedBroker } from '../broker/embedded/index.ts';
import { modelOf } from '../gateway/testing/gateway-fixture.ts';
import { archiveVersions, fitHere, ModelFollower, runRetrain } from '../jobs/index.ts';
import { FoldState, modelOf as publishedModel, takeUpCandidate } from '../processors/index.ts';
import {
  bytesOf,
  encodeModel,
  type Model,
  modelKey,
  PointDecoder,
  RecordBatchBuilder,
  topicSpecs,
  topics,
} from '../schemas/index.ts';
import { ArtifactStore, FolderBlobs, SealedBlobs } from '../state-stores/index.ts';
import { Random, silentLogger, systemClock } from '../support/index.ts';
import { openLog } from '../test/support/embedded-log.ts';
import { emptyStore } from './empty-store.ts';
import { verifyVersions } from './index.ts';

const dims = 3;
const k = 4;
const application = 'verified';
const rowsPerBatch = 500;
const keys = [{ id: '2026', bytes: new Uint8Array(32).fill(7) }];

let folder: string;
let broker: EmbeddedBroker;
let artifacts: ArtifactStore;
let random: Random;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meanstream-verify-coreset-'));
  broker = await openLog(folder);
  random = new Random(5);
});

afterEach(async () => {
  await broker.close();
  await rm(folder, { recursive: true, force: true });
});

async function produce(count: number): Promise<void> {
  const writer = await broker.openWriter();
  const header = [
    { key: 'content-type', value: Buffer.from('application/vnd.meanstream.float32') },
  ];
  for (let at = 0; at < count; at += rowsPerBatch) {
    const records = new RecordBatchBuilder();
    for (let row = 0; row < rowsPerBatch; row++) {
      const group = 10 * random.below(k);
      const point = Float32Array.from({ length: dims }, () => group + random.normal());
      records.append(systemClock.nowMs(), null, bytesOf(point), header);
    }
    await writer.append([{ topic: topics.points, partition: 0, records }]);
  }
  await writer.close();
}

async function publish(model: Model, ...names: string[]): Promise<void> {
  const records = new RecordBatchBuilder();
  for (const name of names) records.append(systemClock.nowMs(), modelKey(name), encodeModel(model));
  const writer = await broker.openWriter();
  await writer.append([{ topic: topics.models, partition: 0, records }]);
  await writer.close();
}

const decoder = () => {
  const points = new PointDecoder({ format: 'json', bytesMax: 10_000, timestampSkewMsMax: 1_000 });
  return (...given: Parameters<typeof points.decode>) => points.decode(...given).points;
};

const retrain = () =>
  runRetrain({
    ...{ broker, group: application, seed: 5, scaling: true, promote: false, artifacts },
    ...{ requestedBy: 'test', reason: 'to see', codeVersion: 'test', decode: decoder() },
    ...{ clock: systemClock, logger: silentLogger },
    fit: async (input, onProgress) => fitHere(input, onProgress),
  });

const verify = (version?: string) =>
  verifyVersions({
    ...{ broker, version, artifacts, application, decoder },
    first: {
      ...{ k, dimensions: dims, scaling: true, metric: 'euclidean', missing: 'reject', seed: 1 },
    },
    fit: async (input, onProgress) => fitHere(input, onProgress),
  });

/** 1.0.0; 1.1.0 of 20,000 points; most of these gone; 1.2.0 of a coreset and 2,000 more, as candidate and as the owner took it up. */
async function history(store: ArtifactStore): Promise<ModelFollower> {
  artifacts = store;
  await broker.createTopics(
    topicSpecs({ partitions: 1, replicationFactor: 1, pointsRetentionMs: -1 }).map((spec) =>
      spec.name === topics.points
        ? { ...spec, configs: { ...spec.configs, 'retention.bytes': '200000' } }
        : spec,
    ),
  );
  const first = modelOf(Array.from({ length: k }, (_, j) => new Array(dims).fill(9 * j)));
  await publish(first, '1.0.0', 'current');
  await produce(20_000);
  await retrain();
  await produce(2_000);
  await broker.maintain();
  const [left] = await broker.listOffsets(topics.points);
  expect(left!.logStart).toBeGreaterThan(0);
  expect(left!.logStart).toBeLessThan(20_000);
  expect((await retrain()).history).toMatchObject({ exactPoints: 2_000, summaryPoints: 20_000 });
  const follower = await ModelFollower.open(broker);
  const { registry } = follower;
  await archiveVersions({ broker, registry, artifacts, clock: systemClock });
  await follower.catchUp();
  return follower;
}

const folderStore = () => new ArtifactStore(new FolderBlobs(join(folder, 'artifacts')));
const sealedStore = () =>
  new ArtifactStore(new SealedBlobs(new FolderBlobs(join(folder, 'artifacts')), keys));

async function flipBit(artifact: string): Promise<void> {
  const file = join(folder, 'artifacts', 'blobs', artifact);
  const bytes = await readFile(file);
  bytes[Math.floor(bytes.length / 2)]! ^= 8;
  await writeFile(file, bytes);
}

describe.each([
  ['a folder', folderStore],
  ['a folder, encrypted', sealedStore],
])('with artifacts in %s', (_, store) => {
  it('makes a version again that began with a coreset, though the log has lost its beginning', async () => {
    const follower = await history(store());
    expect(await verify('1.2.0')).toMatchObject({
      ...{ findings: [], birthsRecomputed: ['1.2.0'], artifactsRead: 4, notRecomputed: [] },
    });
    const whole = await verify();
    expect(whole).toMatchObject({ findings: [], birthsRecomputed: ['1.2.0'] });
    expect(whole.notRecomputed).toEqual([
      { version: '1.0.0', why: expect.stringMatching(/points-0 begins at offset \d+/) },
      { version: '1.1.0', why: expect.stringMatching(/range begins at offset 0 of points-0/) },
    ]);
    await expect(verify('1.1.0')).rejects.toMatchObject({ code: 'MEANSTREAM_INVALID_SETTING' });
    await follower.close();
  });

  it('finds one flipped bit in a version, names it, and says what writes it again', async () => {
    const follower = await history(store());
    const { artifact } = follower.registry.artifact('1.1.0')!;
    await flipBit(artifact);
    const [finding, ...others] = (await verify()).findings;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      of: 'version 1.1.0',
      where: `artifact ${artifact} in ${artifacts.location}`,
      remedy: expect.stringContaining('meanstream models archive 1.1.0'),
    });
    const { registry } = follower;
    await archiveVersions({ broker, registry, artifacts, clock: systemClock }, ['1.1.0']);
    expect((await verify()).findings).toEqual([]);
    await follower.close();
  });

  it('finds one flipped bit in a coreset, and names the versions that it is of', async () => {
    const follower = await history(store());
    const { coreset, parent } = follower.registry.get('1.2.0')!.parameters!;
    await flipBit(coreset!);
    const { findings, birthsRecomputed } = await verify('1.2.0');
    expect(birthsRecomputed).toEqual([]);
    expect(findings).toMatchObject([
      {
        of: 'version 1.2.0: the coreset it began with',
        where: expect.stringContaining(coreset!),
        remedy: expect.stringContaining('retrain --history log'),
      },
    ]);
    expect((await verify()).findings.map(({ of }) => of)).toEqual([
      'version 1.1.0: the coreset it left',
    ]);
    await flipBit(parent!);
    expect((await verify('1.2.0')).findings.map(({ of }) => of)).toEqual([
      'version 1.2.0: the coreset it began with',
      'version 1.2.0: the parent it began with',
    ]);
    await follower.close();
  });
});

it('compares a version that the owner has taken up, and finds one bit turned over in its record', async () => {
  const follower = await history(folderStore());
  const candidate = follower.registry.get('1.2.0')!;
  const state = await FoldState.load(emptyStore, candidate.halfLife);
  state.deltaOffset = 3;
  takeUpCandidate(state, candidate);
  const born = publishedModel(state, 'test', 77);
  await publish(born, '1.2.0');
  expect((await verify('1.2.0')).findings).toEqual([]);

  const changed = { ...born, centroids: born.centroids.slice() };
  new Uint8Array(changed.centroids.buffer)[4 * 8]! ^= 1;
  await publish(changed, '1.2.0');
  expect((await verify('1.2.0')).findings).toContainEqual(
    expect.objectContaining({
      of: 'version 1.2.0',
      where: expect.stringMatching(/^centroids of c\d+, coordinate 1$/),
    }),
  );
  await follower.close();
});

it('says so when it looks in a place where not one of the artifacts is', async () => {
  const follower = await history(folderStore());
  artifacts = new ArtifactStore(new FolderBlobs(join(folder, 'elsewhere')));
  await expect(verify()).rejects.toThrow(/None of the \d+ artifacts .* set artifacts\.location/);
  await follower.close();
});
